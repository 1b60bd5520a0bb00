"""The operators under the layers: functions of tensors, the specification beside the fast form.

Each operator has a folder: ``dispatch.py`` is the function and the rules by which a form of it is
chosen, ``reference.py`` its definition, ``plain.py`` what runs in plain PyTorch, and ``on_cuda.py``
what launches the kernels that stand beside it.
"""

from multiscale_gcn.checks.libraries import library

library("torch", "multiscale_gcn.ops", "torch")

from multiscale_gcn.ops.batch_norm.dispatch import batch_norm
from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern
from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.graph_convolution.dispatch import graph_convolution, semgconv
from multiscale_gcn.ops.graph_convolution.reference import graph_convolution_reference
from multiscale_gcn.ops.joined_map.dispatch import joined_map
from multiscale_gcn.ops.layout import mix_channels, mix_nodes, on_rows
from multiscale_gcn.ops.neighbour_softmax.dispatch import neighbour_softmax
from multiscale_gcn.ops.neighbour_softmax.reference import neighbour_softmax_reference
from multiscale_gcn.ops.nonlocal_attention.dispatch import (
    nonlocal_attention,
    nonlocal_attention_joined,
)
from multiscale_gcn.ops.nonlocal_attention.plain import (
    nonlocal_attention_dense,
    nonlocal_attention_sorted,
)
from multiscale_gcn.ops.nonlocal_attention.reference import nonlocal_attention_reference
from multiscale_gcn.ops.propagate.dispatch import propagate
from multiscale_gcn.ops.propagate.plain import propagate_dense, propagate_sparse
from multiscale_gcn.ops.propagate.reference import propagate_reference
from multiscale_gcn.ops.selection import select_operator_backend as select_backend

__all__ = [
    "CrossPattern",
    "Normalisation",
    "Pattern",
    "batch_norm",
    "graph_convolution",
    "graph_convolution_reference",
    "joined_map",
    "mix_channels",
    "mix_nodes",
    "neighbour_softmax",
    "neighbour_softmax_reference",
    "nonlocal_attention",
    "nonlocal_attention_dense",
    "nonlocal_attention_joined",
    "nonlocal_attention_reference",
    "nonlocal_attention_sorted",
    "on_rows",
    "propagate",
    "propagate_dense",
    "propagate_reference",
    "propagate_sparse",
    "select_backend",
    "semgconv",
]
