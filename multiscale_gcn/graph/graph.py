"""The undirected weighted graph that everything else takes and returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arrays import integer_array, real_array
from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.graph.names import Name, checked_names

if TYPE_CHECKING:
    import scipy.sparse as sp

LARGEST_INT32 = 2**31 - 1
ROWS = 1 << 20
"""That are looked at together."""


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Graph:
    """An undirected graph with edge and node weights, as an immutable symmetric CSR matrix.

    Every edge is stored in both directions, a self loop once. The columns of a row are strictly
    increasing. All of this is checked here, once, and the arrays are made read-only, so that
    whoever holds a ``Graph`` need not check again. :func:`~multiscale_gcn.as_graph` builds one
    from other objects.

    Parameters
    ----------
    indptr : array of int, shape (n + 1,)
        Row ``u`` stands at ``indices[indptr[u]:indptr[u + 1]]``. Kept as int64: more than 2**31
        entries are no obstacle.
    indices : array of int, shape (nnz,)
        Columns; kept as int32 when ``n`` allows it, as int64 otherwise.
    weights : array of float, shape (nnz,), optional
        Positive, finite edge weights; 1 by default.
    node_weights : array of float, shape (n,), optional
        Positive, finite node weights; 1 by default. A coarse node weighs what its members weigh.
    names : sequence of str, int or tuples of these, length n, optional
        What you call the nodes, all different. No computation reads them, and graphs are equal
        whatever they are; :meth:`Hierarchy.members <multiscale_gcn.Hierarchy.members>` and
        :meth:`Hierarchy.to_frame <multiscale_gcn.Hierarchy.to_frame>` answer by them.

    Raises
    ------
    ValueError
        Naming the argument, the first offending place and the remedy.

    See Also
    --------
    as_graph : reads graphs, meshes, matrices, frames and files
    to_networkx : as a graph of networkx
    to_torch : as tensors

    Examples
    --------
    >>> from multiscale_gcn import Graph
    >>> Graph([0, 1, 3, 4], [1, 0, 2, 1])
    Graph(3 nodes, 2 edges)
    """

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    node_weights: np.ndarray
    quantum: float | None
    """Every edge weight is a multiple of it and every sum of them exact, in a graph of a batch
    every sum within a member; None: not known."""
    names: tuple[Name, ...] | None
    """What the nodes are called; None: by their numbers."""

    def __init__(
        self,
        indptr: ArrayLike,
        indices: ArrayLike,
        weights: ArrayLike | None = None,
        node_weights: ArrayLike | None = None,
        names: Iterable[Name] | None = None,
    ) -> None:
        indptr = _integers(indptr, "indptr")
        if len(indptr) == 0:
            raise ValueError("indptr must have shape (n + 1,); an empty graph has indptr [0]")
        n = len(indptr) - 1
        id_type = np.int32 if n <= LARGEST_INT32 else np.int64
        indices = _integers(indices, "indices")
        nnz = len(indices)
        weights = np.ones(nnz) if weights is None else _floats(weights, "weights")
        node_weights = np.ones(n) if node_weights is None else _floats(node_weights, "node_weights")
        _check_rows(indptr, indices, n)
        for name, values, length in (
            ("weights", weights, nnz),
            ("node_weights", node_weights, n),
        ):
            if values.shape != (length,):
                raise ValueError(f"{name} has shape {values.shape}, expected ({length},)")
            _check_positive(values, name)
        indices = indices.astype(id_type)
        _check_symmetric(indptr, indices, weights, n)
        names = None if names is None else checked_names(names, n)
        self._freeze(indptr, indices, weights, node_weights, None, names)

    def _freeze(
        self,
        indptr: np.ndarray,
        indices: np.ndarray,
        weights: np.ndarray,
        node_weights: np.ndarray,
        quantum: float | None,
        names: tuple[Name, ...] | None = None,
    ) -> None:
        for name, array in (
            ("indptr", indptr),
            ("indices", indices),
            ("weights", weights),
            ("node_weights", node_weights),
        ):
            object.__setattr__(self, name, read_only(np.ascontiguousarray(array)))
        object.__setattr__(self, "quantum", quantum)
        object.__setattr__(self, "names", names)

    @classmethod
    def _of_valid(
        cls,
        indptr: np.ndarray,
        indices: np.ndarray,
        weights: np.ndarray,
        node_weights: np.ndarray,
        quantum: float | None = None,
        names: tuple[Name, ...] | None = None,
    ) -> Graph:
        """Of arrays that an algorithm made, which nobody else holds: neither checked nor copied."""
        graph = object.__new__(cls)
        graph._freeze(indptr, indices, weights, node_weights, quantum, names)
        return graph

    def _with_quantum(self, quantum: float | None) -> Graph:
        """The same graph, known to have weights that are multiples of ``quantum``."""
        parts = (self.indptr, self.indices, self.weights, self.node_weights)
        return Graph._of_valid(*parts, quantum, self.names)

    def _with_names(self, names: tuple[Name, ...] | None) -> Graph:
        parts = (self.indptr, self.indices, self.weights, self.node_weights)
        return Graph._of_valid(*parts, self.quantum, names)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, isolated ones included."""
        return len(self.indptr) - 1

    @property
    def num_entries(self) -> int:
        """Stored entries: two for an edge, one for a self loop."""
        return len(self.indices)

    @property
    def num_edges(self) -> int:
        """Edges between two different nodes; self loops do not count."""
        loops = sum(
            int(np.count_nonzero(rows == self.indices[entries]))
            for rows, entries in self._by_rows()
        )
        return (self.num_entries - loops) // 2

    @property
    def total_weight(self) -> float:
        """Sum of all entries of the matrix, which contraction conserves."""
        return float(self.weights.sum())

    def rows(self) -> np.ndarray:
        """Row of every stored entry.

        Returns
        -------
        array of the ids' type, shape (nnz,)

        Examples
        --------
        >>> from multiscale_gcn import Graph
        >>> Graph([0, 1, 3, 4], [1, 0, 2, 1]).rows().tolist()
        [0, 1, 1, 2]
        """
        ids = np.arange(self.num_nodes, dtype=self.indices.dtype)
        return np.repeat(ids, np.diff(self.indptr))

    def _by_rows(self) -> Iterator[tuple[np.ndarray, slice]]:
        """The row of every entry, and where the entries stand, of so many rows at a time."""
        for low in range(0, self.num_nodes, ROWS):
            high = min(low + ROWS, self.num_nodes)
            ids = np.arange(low, high, dtype=self.indices.dtype)
            entries = slice(int(self.indptr[low]), int(self.indptr[high]))
            yield np.repeat(ids, np.diff(self.indptr[low : high + 1])), entries

    def degrees(self) -> np.ndarray:
        """Number of neighbours of every node, itself not counted.

        Returns
        -------
        array of int64, shape (n,)

        Examples
        --------
        >>> from multiscale_gcn import Graph
        >>> Graph([0, 1, 3, 4], [1, 0, 2, 1]).degrees().tolist()
        [1, 2, 1]
        """
        degrees = np.diff(self.indptr)
        for rows, entries in self._by_rows():
            degrees[rows[rows == self.indices[entries]]] -= 1  # a node has one loop at most
        return degrees

    def to_scipy(self) -> sp.csr_array:
        """The weight matrix: a copy, which may be written to.

        Returns
        -------
        scipy.sparse.csr_array of float64, shape (n, n)

        Examples
        --------
        >>> from multiscale_gcn import Graph
        >>> Graph([0, 1, 2], [1, 0], [3, 3]).to_scipy().toarray().tolist()
        [[0.0, 3.0], [3.0, 0.0]]
        """
        import scipy.sparse as sp

        n = self.num_nodes
        return sp.csr_array(
            (self.weights.copy(), self.indices.copy(), self.indptr.copy()), shape=(n, n)
        )

    def edge_index(self) -> np.ndarray:
        """Every stored entry as (row, column), row by row.

        Returns
        -------
        array of int64, shape (2, nnz)

        Examples
        --------
        >>> from multiscale_gcn import Graph
        >>> Graph([0, 1, 3, 4], [1, 0, 2, 1]).edge_index().tolist()
        [[0, 1, 1, 2], [1, 0, 2, 1]]
        """
        return np.stack([self.rows(), self.indices]).astype(np.int64)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("indptr", "indices", "weights", "node_weights")
        )

    def __getstate__(self) -> tuple[Any, ...]:
        parts = (self.indptr, self.indices, self.weights, self.node_weights)
        return (*parts, self.quantum, self.names)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._freeze(*state)

    def __repr__(self) -> str:
        loops = self.num_entries - 2 * self.num_edges
        with_loops = f", {loops} self loops" if loops else ""
        return f"Graph({self.num_nodes} nodes, {self.num_edges} edges{with_loops})"


def _integers(values: Any, name: str) -> np.ndarray:
    array = integer_array(values, name)
    if array.size == 0:
        return array.reshape(-1)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, got shape {array.shape}; flatten it")
    return array


def _floats(values: Any, name: str) -> np.ndarray:
    return real_array(values, name).astype(np.float64)


def _check_rows(indptr: np.ndarray, indices: np.ndarray, n: int) -> None:
    if indptr[0] != 0 or indptr[-1] != len(indices):
        raise ValueError(
            f"indptr must start at 0 and end at len(indices) = {len(indices)}, "
            f"got {indptr[0]} and {indptr[-1]}"
        )
    falls = np.flatnonzero(np.diff(indptr) < 0)
    if len(falls):
        raise ValueError(f"indptr falls at row {falls[0]}; it must never decrease")
    if len(indices) == 0:
        return
    outside = np.flatnonzero((indices < 0) | (indices >= n))
    if len(outside):
        at = outside[0]
        raise ValueError(
            f"indices[{at}] = {indices[at]} is not a node: ids run from 0 to {n - 1}; "
            "give more nodes or drop the entry"
        )
    rows = np.repeat(np.arange(n), np.diff(indptr))
    disorder = np.flatnonzero((np.diff(indices) <= 0) & (np.diff(rows) == 0))
    if len(disorder):
        raise ValueError(
            f"indices of row {rows[disorder[0]]} are not strictly increasing; "
            "as_graph(scipy_matrix) sorts rows and sums duplicates"
        )


def _check_positive(values: np.ndarray, name: str) -> None:
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(bad):
        raise ValueError(
            f"{name}[{bad[0]}] = {values[bad[0]]} must be positive and finite; "
            "drop such entries or replace their weight"
        )


def _check_symmetric(indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, n: int) -> None:
    import scipy.sparse as sp

    transposed = sp.csr_array((weights, indices, indptr), shape=(n, n)).T.tocsr()
    same = np.array_equal(transposed.indptr, indptr) and np.array_equal(transposed.indices, indices)
    if same and np.array_equal(transposed.data, weights):
        return
    difference = sp.csr_array((weights, indices, indptr), shape=(n, n)) - transposed
    rows, columns = difference.nonzero()
    first = np.lexsort((columns, rows))[0]
    raise ValueError(
        f"the graph is not symmetric: the weights of ({rows[first]}, {columns[first]}) and "
        f"({columns[first]}, {rows[first]}) differ; as_graph(..., symmetrize=True) mirrors "
        "entries that stand in one direction only"
    )
