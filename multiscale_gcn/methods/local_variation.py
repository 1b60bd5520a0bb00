"""Coarsening that keeps the slow vibrations of a graph: local variation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import one_of, whole_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.spectrum import laplacian, leading_eigenvectors, normalised
from multiscale_gcn.methods.method import ClusteringMethod, by_first_member

SIGNIFICANT_BITS = 33
"""Costs that agree in so many bits are ties: what follows is noise of the eigensolver."""
NOISE = 1e-14
"""Costs below it are 0; the whole graph has the energy 1."""


@dataclass(frozen=True, kw_only=True)
class LocalVariation(ClusteringMethod):
    """Contract the sets of nodes in which the leading eigenvectors of the Laplacian vary least.

    A set C costs |Pi A|^2 / (|C| - 1): Pi takes the mean over C away, the columns of A span the
    subspace to be kept, scaled to unit energy, and the norm is the largest energy under the
    Laplacian of the edges inside C and, twice, of those that leave it. The cheapest set is
    contracted first. A set of which some nodes are taken goes on with the others, at its new cost.

    Parameters
    ----------
    family : {"edges", "neighborhoods"}
        The candidate sets: the ends of every edge, which about halves the graph, or every node
        with all its neighbours, which makes it several times smaller.
    k : int
        Number of eigenvectors, the constant one included; at least 2.
    subspace : array of float, shape (n, k), optional
        Columns that span another subspace to be kept, for the finest graph, instead of the ``k``
        leading eigenvectors.

    Raises
    ------
    ValueError
        For another family, and for ``k`` that is no number or too small; when it is run, for a
        subspace of another graph.

    See Also
    --------
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    KronReduction : kept nodes, joined by effective resistance
    multiscale_gcn.quality.restricted_spectral_similarity : how far quadratic forms move

    Notes
    -----
    Algorithms 1 and 2 of Loukas, "Graph reduction with spectral and cut guarantees", JMLR
    20(116), 2019, on the combinatorial Laplacian, with these differences:

    * there is no threshold on the error: ``sizes``, ``levels`` and ``min_nodes`` say how far;
    * a set that would overshoot the size asked for is cut to the nodes next to its mean, so that
      the size is met exactly;
    * equal costs are decided by the position in the family: by node, or by edge in row order.

    The norm is the spectral one; the code that accompanies the paper takes Frobenius's, and skips
    sets that would overshoot.

    What is left of a neighbourhood without its centre may be disconnected; it is contracted all
    the same, which the paper does not exclude.

    Eigenvectors come from LAPACK or ARPACK. So unlike for the matchings, equal results on
    different machines are likely, and not promised; and where the last eigenvalue taken is a
    multiple one, which of its eigenvectors are taken is up to these libraries.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import LocalVariation, coarsen
    >>> method = LocalVariation(family="neighborhoods", k=4)
    >>> coarsen(nx.barbell_graph(10, 0), sizes=[2], method=method).parent(0, -1).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """

    family: Literal["edges", "neighborhoods"] = "neighborhoods"
    k: int = 10
    subspace: ArrayLike | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        one_of(self.family, "family", ("edges", "neighborhoods"))
        object.__setattr__(self, "k", whole_number(self.k, "k", least=2))

    @property
    def keeps_components(self) -> bool:
        return True

    def prepared(self, graph: Graph) -> LocalVariation:
        if self.subspace is None:
            return replace(self, subspace=leading_eigenvectors(graph, self.k))
        basis = real_array(self.subspace, "subspace").astype(np.float64)
        if basis.ndim != 2 or len(basis) != graph.num_nodes:
            raise ValueError(f"subspace has shape {basis.shape}, expected ({graph.num_nodes}, k)")
        if not np.isfinite(basis).all():
            row, column = np.argwhere(~np.isfinite(basis))[0]
            raise ValueError(f"subspace[{row}, {column}] = {basis[row, column]} must be finite")
        return replace(self, subspace=basis)

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> LocalVariation:
        n = len(parent)
        members = sp.csr_array((np.ones(n), (parent, np.arange(n))), shape=(coarse.num_nodes, n))
        mean = (members @ np.asarray(self.subspace)) / np.bincount(parent)[:, None]
        return replace(self, subspace=mean)

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        n = graph.num_nodes
        variation = _Variation(graph, np.asarray(self.subspace))
        sets = _edges(graph) if self.family == "edges" else _neighborhoods(graph)
        room = n if max_merges is None else int(max_merges[0])
        leader = np.arange(n)
        for members in _cheapest_first(sets, variation, room):
            leader[members] = members[0]
        return by_first_member(leader)


class _Variation:
    """What contracting a set costs."""

    def __init__(self, graph: Graph, basis: np.ndarray) -> None:
        self.L = laplacian(graph)
        self.A = normalised(basis, self.L)
        self.degree = self.L.diagonal()
        self.place = np.full(graph.num_nodes, -1)

    def of(self, members: np.ndarray) -> float:
        deviation = self.A[members] - self.A[members].mean(axis=0)
        u, v, weights = self._inside(members)
        inner = np.bincount(u, weights=weights, minlength=len(members))
        outwards = 2.0 * self.degree[members] - inner
        energies = deviation.T @ (outwards[:, None] * deviation)
        energies -= (weights[:, None] * deviation[u]).T @ deviation[v]
        return float(np.linalg.eigvalsh(energies).max(initial=0.0)) / (len(members) - 1)

    def of_edges(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """:meth:`of` for many edges: |a_u - a_v|^2 (d_u + d_v) / 2."""
        difference = self.A[u] - self.A[v]
        squares = np.einsum("ek,ek->e", difference, difference)
        costs: np.ndarray = squares * (self.degree[u] + self.degree[v]) / 2.0
        return costs

    def nearest_to_mean(self, members: np.ndarray, count: int) -> np.ndarray:
        deviation = self.A[members] - self.A[members].mean(axis=0)
        distance = _rounded(np.einsum("nk,nk->n", deviation, deviation))
        return members[np.sort(np.argsort(distance, kind="stable")[:count])]

    def _inside(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entries between different members: positions among them, and weights."""
        begin, end = self.L.indptr[members], self.L.indptr[members + 1]
        lengths = end - begin
        offsets = np.repeat(begin - (np.cumsum(lengths) - lengths), lengths)
        entries = offsets + np.arange(lengths.sum())
        u = np.repeat(np.arange(len(members)), lengths)
        self.place[members] = np.arange(len(members))
        v = self.place[self.L.indices[entries]]
        self.place[members] = -1
        inside = (v >= 0) & (u != v)
        return u[inside], v[inside], -self.L.data[entries[inside]]


def _cheapest_first(sets: list[np.ndarray], variation: _Variation, room: int) -> list[np.ndarray]:
    """Disjoint sets, the cheapest first, that merge away as many nodes as there is room for."""
    heap = [(cost, at, members) for at, (cost, members) in enumerate(_costs(sets, variation))]
    heapify(heap)
    taken = np.zeros(len(variation.degree), dtype=np.bool_)
    chosen = []
    while heap and room > 0:
        _, at, members = heappop(heap)
        free = members[~taken[members]]
        if len(free) == len(members):
            if len(free) - 1 > room:
                free = variation.nearest_to_mean(free, room + 1)
            taken[free] = True
            chosen.append(free)
            room -= len(free) - 1
        elif len(free) > 1:
            heappush(heap, (float(_rounded(np.array(variation.of(free)))), at, free))
    return chosen


def _costs(sets: list[np.ndarray], variation: _Variation) -> list[tuple[float, np.ndarray]]:
    if all(len(members) == 2 for members in sets) and sets:
        u, v = np.array(sets).T
        costs = variation.of_edges(u, v)
    else:
        costs = np.array([variation.of(members) for members in sets])
    return list(zip(_rounded(costs).tolist(), sets, strict=True))


def _rounded(costs: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(np.where(costs > NOISE, costs, 0.0))
    rounded: np.ndarray = np.ldexp(np.rint(np.ldexp(mantissa, SIGNIFICANT_BITS)), exponent)
    return rounded


def _edges(graph: Graph) -> list[np.ndarray]:
    rows = graph.rows()
    once = rows < graph.indices
    return list(np.stack([rows[once], graph.indices[once]], axis=1))


def _neighborhoods(graph: Graph) -> list[np.ndarray]:
    rows = (graph.indices[graph.indptr[u] : graph.indptr[u + 1]] for u in range(graph.num_nodes))
    closed = (np.union1d(row, [u]).astype(np.int64) for u, row in enumerate(rows))
    return [members for members in closed if len(members) > 1]
