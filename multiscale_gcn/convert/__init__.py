"""Everything that users hold as a graph, into a :class:`~multiscale_gcn.Graph`, and back."""

from multiscale_gcn.convert.data import batch_of as batch_of
from multiscale_gcn.convert.isolated import UnreferencedNodes as UnreferencedNodes
from multiscale_gcn.convert.isolated import drop_isolated as drop_isolated
from multiscale_gcn.convert.options import Kind as Kind
from multiscale_gcn.convert.options import Symmetrize as Symmetrize
from multiscale_gcn.convert.outputs import GraphTensors as GraphTensors
from multiscale_gcn.convert.outputs import to_networkx as to_networkx
from multiscale_gcn.convert.outputs import to_pyg as to_pyg
from multiscale_gcn.convert.outputs import to_torch as to_torch
from multiscale_gcn.convert.outputs import to_torch_sparse as to_torch_sparse
from multiscale_gcn.convert.reading import as_graph as as_graph
from multiscale_gcn.convert.welding import weld_map as weld_map
