"""The entries of a graph's adjacency matrix, as tensors that follow a module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.ops import Pattern


class GraphPattern(nn.Module):
    """The pattern of A + I of a graph, as buffers that move with the module that holds it.

    The buffers are not in the ``state_dict``: they belong to the graph, which is given again
    when a network is built. :class:`multiscale_gcn.hierarchy.Hierarchy` has a fingerprint by which
    a checkpoint can recognise its graph.

    Parameters
    ----------
    graph : Graph, or anything that as_graph takes

    Attributes
    ----------
    graph : Graph
    entries : Pattern
        The buffers as the operators in :mod:`multiscale_gcn.ops` take them.
    loops : Tensor of bool, shape (nnz,)
        Which entries stand on the diagonal.

    Examples
    --------
    >>> from multiscale_gcn import Graph
    >>> GraphPattern(Graph([0, 1, 2], [1, 0]))
    GraphPattern(2 nodes, 4 entries)
    """

    indptr: Tensor
    rows: Tensor
    columns: Tensor
    diagonal: Tensor
    mirror: Tensor

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.graph: Graph = as_graph(graph)
        n = self.graph.num_nodes
        if n == 0:
            raise ValueError("graph has no nodes; a layer needs at least one")
        matrix = self.graph.to_scipy()
        matrix.setdiag(1.0)
        matrix = matrix.tocsr()
        matrix.sort_indices()
        rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
        columns = matrix.indices
        arrays = {
            "indptr": matrix.indptr,
            "rows": rows,
            "columns": columns,
            "diagonal": np.flatnonzero(rows == columns),
            "mirror": np.lexsort((rows, columns)),
        }
        for name, array in arrays.items():
            tensor = torch.from_numpy(array.astype(np.int64))
            self.register_buffer(name, tensor, persistent=False)

    @property
    def num_nodes(self) -> int:
        return self.graph.num_nodes

    @property
    def num_entries(self) -> int:
        return len(self.rows)

    @property
    def entries(self) -> Pattern:
        return Pattern(self.indptr, self.rows, self.columns, self.diagonal, self.mirror)

    def extra_repr(self) -> str:
        return f"{self.num_nodes} nodes, {self.num_entries} entries"


def share_patterns(module: nn.Module) -> None:
    """Let all layers below that were made from one graph hold one pattern, to save memory."""
    first: dict[int, GraphPattern] = {}
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, GraphPattern):
                setattr(parent, name, first.setdefault(id(child.graph), child))
