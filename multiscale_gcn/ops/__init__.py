"""The operators under the layers: functions of tensors, the specification beside the fast form."""

from multiscale_gcn.ops.batch_norm import batch_norm as batch_norm
from multiscale_gcn.ops.graph_convolution import graph_convolution as graph_convolution
from multiscale_gcn.ops.graph_convolution import (
    graph_convolution_reference as graph_convolution_reference,
)
from multiscale_gcn.ops.graph_convolution import semgconv as semgconv
from multiscale_gcn.ops.joined_map import joined_map as joined_map
from multiscale_gcn.ops.layout import mix_channels as mix_channels
from multiscale_gcn.ops.layout import mix_nodes as mix_nodes
from multiscale_gcn.ops.layout import on_rows as on_rows
from multiscale_gcn.ops.neighbour_softmax import neighbour_softmax as neighbour_softmax
from multiscale_gcn.ops.neighbour_softmax import (
    neighbour_softmax_reference as neighbour_softmax_reference,
)
from multiscale_gcn.ops.nonlocal_ import nonlocal_attention as nonlocal_attention
from multiscale_gcn.ops.nonlocal_ import nonlocal_attention_dense as nonlocal_attention_dense
from multiscale_gcn.ops.nonlocal_ import nonlocal_attention_joined as nonlocal_attention_joined
from multiscale_gcn.ops.nonlocal_ import (
    nonlocal_attention_reference as nonlocal_attention_reference,
)
from multiscale_gcn.ops.nonlocal_ import nonlocal_attention_sorted as nonlocal_attention_sorted
from multiscale_gcn.ops.normalisation import Normalisation as Normalisation
from multiscale_gcn.ops.pattern import CrossPattern as CrossPattern
from multiscale_gcn.ops.pattern import Pattern as Pattern
from multiscale_gcn.ops.propagate import propagate as propagate
from multiscale_gcn.ops.propagate import propagate_dense as propagate_dense
from multiscale_gcn.ops.propagate import propagate_reference as propagate_reference
from multiscale_gcn.ops.propagate import propagate_sparse as propagate_sparse
from multiscale_gcn.ops.selection import select_backend as select_backend
