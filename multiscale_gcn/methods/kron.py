"""Coarse graphs that are Schur complements of the Laplacian: Kron reduction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arrays import plain_array
from multiscale_gcn.compiled.hashing import uniform
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints, NodeConstraints
from multiscale_gcn.graph.spectrum import DENSE, components, laplacian
from multiscale_gcn.methods.keeping import first_of_each, still_missing
from multiscale_gcn.methods.method import Step, SteppingMethod

MOST_ENTRIES = 2**24
"""Of the matrices of all pieces that are eliminated together, 128 MiB."""


@dataclass(frozen=True)
class KronReduction(SteppingMethod):
    """Drop some of the nodes, and let the edges between the others stand for them exactly.

    The Laplacian of the coarse graph is the Schur complement L11 - L12 L22^-1 L21, where the nodes
    that are dropped come second: as a network of resistors the coarse graph is the same for whoever
    measures at the nodes that are kept. Kept are the nodes at which the eigenvector of the largest
    eigenvalue of the Laplacian has one sign, about every other one along each edge.

    ``hierarchy.prolongation(coarse, fine, "interpolated")`` is the identity above -L22^-1 L21: the
    harmonic values in between, those of the smallest energy. A dropped node belongs to the kept
    node that has the most weight in its value. ``restrict(values, fine, coarse, "sampled")`` takes
    the values of the kept nodes.

    All kept nodes around a piece of dropped ones are joined to each other, so coarse graphs of
    meshes become dense. Meant for graphs of some thousand nodes.

    Parameters
    ----------
    kept : array of bool, shape (n,), optional
        The nodes that the first step keeps, at least one of every component. The steps after it
        choose by sign.

    Raises
    ------
    ValueError
        For ``kept`` of another type; when it is run, for ``kept`` of another graph or without any
        node of a component, and where a coarse graph would need too much memory.

    See Also
    --------
    BiStride : every other layer of a breadth-first search
    MaximalIndependentSet : nodes far enough from each other
    FarthestPoints : points far from each other
    VoxelGrid : cells of a grid in space

    Notes
    -----
    The sign is the one that fewer nodes have; that of the first node, if it is a tie. Nodes at
    which the eigenvector is 0 are kept. With ``coarsen(sizes=...)`` a step that would overshoot
    keeps those nodes too at which the eigenvector is nearest to the sign. Survivors are kept. Self
    loops cancel in the Laplacian, and a coarse node weighs what belongs to it.

    Dropped nodes are eliminated one by one by additions of positive numbers alone, so that each
    weight has nearly full relative precision. Eigenvectors come from LAPACK or ARPACK. So unlike
    for the matchings, equal results on different machines are likely, and not promised.

    Source: Dorfler and Bullo, "Kron reduction of graphs with applications to electrical networks",
    IEEE Transactions on Circuits and Systems I 60(1), 2013, and Shuman, Faraji and Vandergheynst,
    "A multiscale pyramid transform for graph signals", IEEE Transactions on Signal Processing
    64(8), 2016, sections III and IV. Their sparsification is left out.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from multiscale_gcn import KronReduction, coarsen
    >>> kept = np.array([True, False, True, False, True])
    >>> hierarchy = coarsen(nx.path_graph(5), levels=1, method=KronReduction(kept))
    >>> hierarchy[1].graph.weights.tolist()
    [0.5, 0.5, 0.5, 0.5]
    >>> hierarchy.prolongation(1, 0, "interpolated").toarray()[1].tolist()
    [0.5, 0.5, 0.0]
    """

    kept: ArrayLike | None = field(default=None, repr=False, compare=False)

    honours: ClassVar[frozenset[str]] = frozenset({"survivors", "batch"})

    def __post_init__(self) -> None:
        if self.kept is not None:
            object.__setattr__(self, "kept", _flags(self.kept))

    @property
    def takes_turns(self) -> bool:
        return True

    @property
    def keeps_components(self) -> bool:
        return True

    def prepared(self, graph: Graph) -> KronReduction:
        if self.kept is not None:
            kept, n = np.asarray(self.kept), graph.num_nodes
            if len(kept) != n:
                raise ValueError(
                    f"kept has {len(kept)} entries, and the graph has {n} nodes; give one for each"
                )
            component = components(graph.to_scipy())
            empty = np.bincount(component[kept], minlength=int(component.max(initial=-1)) + 1) == 0
            if empty.any():
                node = int(np.argmax(empty[component]))
                raise ValueError(
                    f"kept has no node of the component of node {node}, and its energy would have "
                    "nowhere to go; keep at least one"
                )
        return self

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> KronReduction:
        return self if self.kept is None else replace(self, kept=None)

    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step:
        of_nodes = constraints.per_node(graph.num_nodes)
        kept = self._chosen(graph, of_nodes, max_merges)
        pieces = _Pieces(graph, kept)
        eliminate = engine_for(backend, self).compiled(_eliminate)
        between, inside = np.empty(pieces.num_between), np.empty(pieces.num_inside)
        leader = np.arange(graph.num_nodes)
        eliminate(
            graph.indptr, graph.indices, graph.weights,
            pieces.nodes, pieces.begin, pieces.dropped,
            between, inside, leader, PANEL,
        )  # fmt: skip
        sampled = np.flatnonzero(kept)
        parent = np.searchsorted(sampled, leader)
        coarse = pieces.coarse_graph(between, sampled, np.bincount(parent, graph.node_weights))
        return Step(parent, coarse, sampled, pieces.interpolation(inside, sampled))

    def _chosen(
        self, graph: Graph, of_nodes: NodeConstraints, max_merges: np.ndarray | None
    ) -> np.ndarray:
        """Which nodes are kept, shape (n,)."""
        vector = None
        if self.kept is None:
            vector = _oriented_eigenvector(graph)
            kept = vector >= 0.0
        else:
            kept = np.array(self.kept)
        kept |= of_nodes.survives
        missing = still_missing(kept, of_nodes, max_merges)
        if missing.any():
            vector = _oriented_eigenvector(graph) if vector is None else vector
            nearest = np.argsort(-vector, kind="stable")
            nearest = nearest[~kept[nearest]]
            kept[first_of_each(nearest, of_nodes.member, missing)] = True
        return kept


def _flags(kept: ArrayLike) -> np.ndarray:
    array = plain_array(kept, "kept")
    if array.dtype != np.bool_ or array.ndim != 1:
        raise ValueError(
            f"kept must be a boolean mask of shape (n,), got {array.dtype} of {array.shape}; "
            "numpy.isin(numpy.arange(n), ids) makes one of ids"
        )
    return array.copy()


def _oriented_eigenvector(graph: Graph) -> np.ndarray:
    """That of the largest eigenvalue of the Laplacian of every component, fewer nodes positive."""
    L = laplacian(graph)
    component = components(L)
    by_component = np.argsort(component, kind="stable")
    bounds = np.searchsorted(component[by_component], np.arange(component.max(initial=-1) + 2))
    L = L[by_component][:, by_component]
    result = np.ones(graph.num_nodes)
    for first, last in pairwise(bounds.tolist()):
        if last - first > 1:
            vector = _largest(L[first:last, first:last])
            surplus = int((vector >= 0.0).sum()) - int((vector <= 0.0).sum())
            flips = surplus > 0 or (surplus == 0 and vector[0] < 0.0)
            result[by_component[first:last]] = -vector if flips else vector
    return result


def _largest(matrix: sp.csr_array) -> np.ndarray:
    n = matrix.shape[0]
    if n <= DENSE:
        dense: np.ndarray = np.linalg.eigh(matrix.toarray())[1][:, -1]
        return dense
    from scipy.sparse.linalg import eigsh

    vector: np.ndarray = eigsh(matrix, k=1, which="LA", v0=uniform(0, 0, np.arange(n)))[1][:, 0]
    return vector


PANEL = 32
"""Rows of dropped nodes that are added to another while it is at hand; no result depends on it."""


class _Pieces:
    """Connected pieces of dropped nodes, each with the kept nodes around it behind them.

    ``nodes[begin[p] : begin[p + 1]]`` are those of piece p, the first ``dropped[p]`` of them
    dropped.
    """

    def __init__(self, graph: Graph, kept: np.ndarray) -> None:
        self.graph = graph
        rows, columns = graph.rows(), graph.indices
        n = graph.num_nodes
        inner = ~kept[rows] & ~kept[columns]
        entries = (np.ones(int(inner.sum())), (rows[inner], columns[inner]))
        piece = components(sp.csr_array(entries, shape=(n, n)))
        number = np.unique(piece[~kept], return_inverse=True)[1]
        piece[~kept] = number
        num_pieces = int(number.max(initial=-1)) + 1
        outwards = ~kept[rows] & kept[columns]
        around = np.unique(np.stack([piece[rows[outwards]], columns[outwards]]), axis=1)
        of = np.concatenate([number, around[0]])
        nodes = np.concatenate([np.flatnonzero(~kept), around[1]])
        self.nodes = nodes[np.argsort(of, kind="stable")].astype(np.int64)
        self.begin = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=num_pieces))])
        self.dropped = np.bincount(number, minlength=num_pieces)
        size = np.diff(self.begin)
        if (size.astype(np.float64) ** 2).sum() > MOST_ENTRIES:
            largest = int(np.argmax(size))
            raise ValueError(
                f"{self.dropped[largest]} dropped nodes hang together, with "
                f"{size[largest] - self.dropped[largest]} kept ones around them that would all be "
                f"joined: the matrices would have more than {MOST_ENTRIES} entries; coarsen to "
                "fewer nodes by another method first, or keep all but nodes that are no "
                "neighbours, such as KronReduction(kept=...) without the samples of a "
                "MaximalIndependentSet"
            )
        self.around = size - self.dropped
        self.num_between = int((self.around * (self.around - 1) // 2).sum())
        self.num_inside = int((self.around * self.dropped).sum())

    def coarse_graph(
        self, between: np.ndarray, sampled: np.ndarray, node_weights: np.ndarray
    ) -> Graph:
        """The edges between kept nodes, and those that stand for the pieces."""
        rows, columns, weights = self.graph.rows(), self.graph.indices, self.graph.weights
        m = len(sampled)
        is_kept = np.zeros(self.graph.num_nodes, dtype=np.bool_)
        is_kept[sampled] = True
        old = (rows < columns) & is_kept[rows] & is_kept[columns]
        pairs = [np.stack([rows[old], columns[old]])]
        for first, last, dropped in zip(self.begin, self.begin[1:], self.dropped, strict=False):
            ring = self.nodes[first + dropped : last]
            pairs.append(ring[np.stack(np.triu_indices(len(ring), 1))])
        u, v = np.searchsorted(sampled, np.concatenate(pairs, axis=1))
        keys, inverse = np.unique(u.astype(np.int64) * m + v, return_inverse=True)
        total = np.bincount(inverse.reshape(-1), weights=np.concatenate([weights[old], between]))
        present = total > 0.0
        keys, total = keys[present], total[present]
        upper = sp.csr_array((total, (keys // m, keys % m)), shape=(m, m))
        matrix = sp.csr_array(upper + upper.T)
        matrix.sort_indices()
        return Graph(matrix.indptr, matrix.indices, matrix.data, node_weights)

    def interpolation(self, inside: np.ndarray, sampled: np.ndarray) -> sp.csr_array:
        """The identity at kept nodes, the harmonic values at the others."""
        n = self.graph.num_nodes
        rows, columns = [sampled], [sampled]
        for first, last, dropped in zip(self.begin, self.begin[1:], self.dropped, strict=False):
            ring = self.nodes[first + dropped : last]
            rows.append(np.repeat(self.nodes[first : first + dropped], len(ring)))
            columns.append(np.tile(ring, dropped))
        at = np.concatenate(rows), np.searchsorted(sampled, np.concatenate(columns))
        values = np.concatenate([np.ones(len(sampled)), inside])
        used = values > 0.0
        entries = (values[used], (at[0][used], at[1][used]))
        return sp.csr_array(entries, shape=(n, len(sampled)))


def _eliminate(
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    nodes: np.ndarray,
    begin: np.ndarray,
    dropped: np.ndarray,
    between: np.ndarray,
    inside: np.ndarray,
    leader: np.ndarray,
    panel: int,
) -> None:
    """Take the dropped nodes of each piece away, one by one: a star becomes the mesh of its ends.

    Writes the weights that this adds between the kept nodes around a piece, upper triangle row by
    row, the harmonic weights of each dropped node, and the kept node that has the largest of these.
    """
    place = np.empty(len(indptr) - 1, dtype=np.int64)
    first_between, first_inside = 0, 0
    for piece in range(len(dropped)):
        first, d = begin[piece], dropped[piece]
        size = begin[piece + 1] - first
        b = size - d
        for i in range(size):
            place[nodes[first + i]] = i
        W = np.zeros((size, size))  # of which the upper triangle is used
        for i in range(d):
            u = nodes[first + i]
            for at in range(indptr[u], indptr[u + 1]):
                j = place[indices[at]]
                if j > i:
                    W[i, j] = weights[at]
        total = np.zeros(d)
        for begin_panel in range(0, d, panel):
            end_panel = min(begin_panel + panel, d)
            for i in range(begin_panel, size):
                for k in range(begin_panel, min(i, end_panel)):
                    through = W[k, i] / total[k]
                    if through > 0.0:
                        for j in range(i + 1, size):
                            W[i, j] += through * W[k, j]
                if i < end_panel:
                    for j in range(i + 1, size):
                        total[i] += W[i, j]
        for k in range(d):
            for j in range(k + 1, size):
                W[k, j] /= total[k]
        for k in range(d - 1, -1, -1):
            for i in range(k + 1, d):
                if W[k, i] > 0.0:
                    for j in range(d, size):
                        W[k, j] += W[k, i] * W[i, j]
            best = d
            for j in range(d, size):
                inside[first_inside + k * b + j - d] = W[k, j]
                if W[k, j] > W[k, best]:
                    best = j
            leader[nodes[first + k]] = nodes[first + best]
        first_inside += d * b
        for i in range(d, size):
            for j in range(i + 1, size):
                between[first_between] = W[i, j]
                first_between += 1
