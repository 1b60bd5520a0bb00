"""The entries of a graph's adjacency matrix, or of any other, as tensors that follow a module."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.feature_checks import check_sparse
from multiscale_gcn.nn.graph_buffers import GraphBuffers
from multiscale_gcn.ops import CrossPattern, Pattern

if TYPE_CHECKING:
    import scipy.sparse as sp


class GraphPattern(GraphBuffers):
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

    Raises
    ------
    ValueError
        If the graph has no nodes.

    See Also
    --------
    MatrixPattern : which entries a map has

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
        self.graph: Graph = graph_with_nodes(graph)
        for name, tensor in _pattern_tensors(self).items():
            self.register_buffer(name, tensor, persistent=False)

    @property
    def num_nodes(self) -> int:
        """Of the graph."""
        return self.graph.num_nodes

    @property
    def num_entries(self) -> int:
        """Of A + I."""
        return len(self.rows)

    @property
    def entries(self) -> Pattern:
        return Pattern(self.indptr, self.rows, self.columns, self.diagonal, self.mirror)

    def extra_repr(self) -> str:
        return f"{self.num_nodes} nodes, {self.num_entries} entries"


class MatrixPattern(GraphBuffers):
    """The pattern of a sparse matrix between two graphs, as buffers that move with their module.

    They are not in the ``state_dict``, as those of a :class:`GraphPattern` are not.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, shape (M, N)
        Without duplicates. Zeros that are stored belong to the pattern.

    Attributes
    ----------
    entries : CrossPattern
        The buffers as the operators in :mod:`multiscale_gcn.ops` take them.

    Raises
    ------
    ValueError
        If it is no such matrix, or has columns twice or out of order.

    See Also
    --------
    SparseMap : a map on the entries of a matrix
    GraphPattern : which entries a layer reads

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> MatrixPattern(sp.csr_array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    MatrixPattern(2 x 3, 3 entries)
    """

    indptr: Tensor
    rows: Tensor
    columns: Tensor
    back_indptr: Tensor
    back_columns: Tensor
    mirror: Tensor

    def __init__(self, matrix: sp.csr_array) -> None:
        super().__init__()
        check_sparse(matrix, "matrix")
        if matrix.format != "csr":
            raise ValueError(f"matrix has the format {matrix.format}; convert it with tocsr()")
        if not matrix.has_canonical_format:
            raise ValueError("matrix has columns twice or out of order; call sum_duplicates()")
        rows, back = _rows(matrix), _transposed_places(matrix)
        arrays = {
            "indptr": matrix.indptr,
            "rows": rows,
            "columns": matrix.indices,
            "back_indptr": back.indptr,
            "back_columns": back.indices,
            "mirror": back.data,
        }
        for name, array in arrays.items():
            self.register_buffer(name, as_buffer(array), persistent=False)

    @property
    def entries(self) -> CrossPattern:
        return CrossPattern(
            self.indptr,
            self.rows,
            self.columns,
            self.back_indptr,
            self.back_columns,
            self.mirror,
        )

    def extra_repr(self) -> str:
        m, n = self.entries.num_rows, self.entries.num_columns
        return f"{m} x {n}, {len(self.rows)} entries"


class EdgeList(GraphBuffers):
    """The entries of a graph as PyTorch Geometric wants them, for one member or a batch of them.

    Self loops are those of the graph. The buffers are not in the ``state_dict``.

    Parameters
    ----------
    graph : Graph, or anything that as_graph takes

    Raises
    ------
    ValueError
        If the graph has no nodes.

    Examples
    --------
    >>> from multiscale_gcn import Graph
    >>> EdgeList(Graph([0, 1, 2], [1, 0])).batched(2)
    (tensor([[0, 1, 2, 3],
            [1, 0, 3, 2]]), tensor([1., 1., 1., 1.]))
    """

    index: Tensor
    weights: Tensor

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.graph: Graph = graph_with_nodes(graph)
        ends = np.stack([self.graph.rows(), self.graph.indices])
        self.register_buffer("index", as_buffer(ends), persistent=False)
        weights = as_buffer(self.graph.weights, torch.get_default_dtype())
        self.register_buffer("weights", weights, persistent=False)
        self._last: tuple[Any, Tensor, Tensor] | None = None

    @property
    def num_nodes(self) -> int:
        """Of the graph."""
        return self.graph.num_nodes

    def batched(self, members: int) -> tuple[Tensor, Tensor]:  # [2, B nnz], [B nnz]
        """The entries of so many copies, member by member; those of the last call are kept."""
        case = (members, self.index.device, self.weights.dtype)
        if self._last is not None and self._last[0] == case:
            return self._last[1:]
        starts = torch.arange(members, device=self.index.device) * self.num_nodes
        index = (self.index[:, None, :] + starts[None, :, None]).flatten(1)
        weights = self.weights.repeat(members)
        if not torch.compiler.is_compiling():
            self._last = (case, index, weights)
        return index, weights

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def extra_repr(self) -> str:
        return f"{self.num_nodes} nodes, {len(self.weights)} entries"


_made: weakref.WeakValueDictionary[int, GraphPattern] = weakref.WeakValueDictionary()
"""A pattern by the ``id`` of its graph: the layers of a graph hold the same tensors."""


def graph_with_nodes(graph: Any) -> Graph:
    """Anything that as_graph takes; a layer needs at least one node."""
    checked = as_graph(graph)
    if checked.num_nodes == 0:
        raise ValueError("graph has no nodes; a layer needs at least one")
    return checked


def _pattern_tensors(pattern: GraphPattern) -> dict[str, Tensor]:
    twin = _made.get(id(pattern.graph))
    if twin is not None and twin.graph is pattern.graph and twin.indptr.device == _default_device():
        return dict(twin.named_buffers())
    _made[id(pattern.graph)] = pattern
    matrix = with_loops(pattern.graph)
    rows = _rows(matrix)
    arrays = {
        "indptr": matrix.indptr,
        "rows": rows,
        "columns": matrix.indices,
        "diagonal": np.flatnonzero(rows == matrix.indices),
        "mirror": _transposed_places(matrix).data,
    }
    return {name: as_buffer(array) for name, array in arrays.items()}


def with_loops(graph: Graph) -> sp.csr_array:
    """A + I, of which only the pattern counts."""
    import scipy.sparse as sp

    n = graph.num_nodes
    ones = np.ones(graph.num_entries, dtype=np.int8)
    adjacency = sp.csr_array((ones, graph.indices, graph.indptr), shape=(n, n))
    return (adjacency + sp.eye_array(n, dtype=np.int8, format="csr")).tocsr()


def _rows(matrix: sp.csr_array) -> np.ndarray:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _transposed_places(matrix: sp.csr_array) -> sp.csr_array:
    """The transpose, holding for each of its entries the place of that entry in ``matrix``."""
    import scipy.sparse as sp

    places = np.arange(matrix.nnz)
    return sp.csr_array((places, matrix.indices, matrix.indptr), shape=matrix.shape).T.tocsr()


def as_buffer(array: np.ndarray, dtype: torch.dtype = torch.int64) -> Tensor:
    """What belongs to a graph, on PyTorch's default device.

    Under ``torch.device("meta")`` it is real all the same: no checkpoint holds it, so nothing could
    fill it in later.
    """
    return torch.from_numpy(np.require(array, requirements="W")).to(_default_device(), dtype)


def _default_device() -> torch.device:
    device = torch.empty(0).device
    return torch.device("cpu") if device.type == "meta" else device


def share_patterns(module: nn.Module) -> None:
    """Let all layers below that have equal patterns hold one, to save memory."""
    graphs: dict[tuple[type, int], nn.Module] = {}
    matrices: dict[tuple[int, ...], list[MatrixPattern]] = {}
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, GraphPattern | EdgeList):
                key = (type(child), id(child.graph))
                setattr(parent, name, graphs.setdefault(key, child))
            elif isinstance(child, MatrixPattern):
                sizes = tuple(len(tensor) for tensor in child.entries)
                alike = matrices.setdefault(sizes, [])
                twin = next((other for other in alike if _equal(other, child)), None)
                if twin is None:
                    alike.append(child)
                else:
                    setattr(parent, name, twin)


def _equal(one: MatrixPattern, other: MatrixPattern) -> bool:
    return torch.equal(one.indptr, other.indptr) and torch.equal(one.columns, other.columns)
