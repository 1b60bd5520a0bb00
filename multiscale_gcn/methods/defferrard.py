"""Heavy edge matching as published with the first graph convolutions on meshes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import flag, one_of
from multiscale_gcn.checks.arrays import integer_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.ratings import NodeTerms

GUARD = 1e-9
"""What HGN's code adds to the denominator of the rating."""


@dataclass(frozen=True, kw_only=True)
class DefferrardMatching(ClusteringMethod):
    """The matching of Defferrard et al. (2016), and what Pose2Mesh and HGN made of it.

    The nodes take their turns. A free node takes the free neighbour of the best rating, the first
    of its row where several are best; without a free neighbour it stays alone. Coarse nodes are
    numbered in the order of the turns.
    :meth:`~multiscale_gcn.Hierarchy.binary_tree_order` gives the padding of these papers.

    Parameters
    ----------
    variant : {"hgn", "2016"}
        The rating of an edge, and whose turn it is:

        * ``"hgn"``: (2 w_uv + w_uu + w_vv) / (d_u + d_v), by increasing weighted degree d, ties by
          id. Degrees count self loops.
        * ``"2016"``: w_uv (1 / d_u + 1 / d_v). On the finest graph the turns are random, and d
          leaves self loops out; on all others they go by increasing d, ties by id, and d counts
          self loops, which hold what has been merged.
    published : bool
        Repeat the published code to the letter, so that graphs on which networks were trained
        come out again:

        * the row of node 0 is read one entry too far, up to the first entry of row 1, and the row
          of the last node ends one entry too early;
        * ``"hgn"`` only: "w_uu" is the first entry of row u, which is the diagonal only where no
          neighbour has a smaller id, and 1e-9 is added to the denominator, which decides between
          equal ratings.

        Without it, what was meant is done.
    first_turns : array of int, shape (n,), optional
        For ``"2016"``, the nodes of the finest graph in the order of their turns. By default
        ``numpy.random.RandomState(0).permutation(n)``, which is what the published code takes
        after ``numpy.random.seed(0)``.

    Raises
    ------
    ValueError
        For a variant that there is not, for turns where they mean nothing, and, when it is run,
        for turns that are no permutation of the nodes.

    See Also
    --------
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    VisitingOrderMatching : nodes take their turns, as in METIS
    StrongMatching : strong edges alone, for multigrid

    Notes
    -----
    The published codes sort degrees with an unstable sort, so the order of equal degrees there is
    that of one version of NumPy on one machine; here it is that of the ids. HGN's leaves the self
    loops of the finest graph out of d; meshes have none.

    With ``coarsen(sizes=...)`` a step that would overshoot keeps the pairs of the smallest merged
    node weight, those that married first among equal ones. That is not part of the publications.

    Source: Defferrard, Bresson and Vandergheynst, "Convolutional neural networks on graphs with
    fast localized spectral filtering", NIPS 2016, and the code of Li et al., "Hierarchical graph
    networks for 3D human pose estimation", BMVC 2021.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import DefferrardMatching, coarsen
    >>> hierarchy = coarsen(nx.grid_2d_graph(6, 6), levels=3, method=DefferrardMatching())
    >>> hierarchy.sizes
    (36, 18, 10, 6)
    >>> [len(order) for order in hierarchy.binary_tree_order()]
    [48, 24, 12, 6]
    >>> original = DefferrardMatching(variant="2016", published=True)
    >>> coarsen(nx.grid_2d_graph(6, 6), levels=3, method=original).sizes
    (36, 19, 10, 6)
    """

    variant: Literal["hgn", "2016"] = "hgn"
    published: bool = False
    first_turns: ArrayLike | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        one_of(self.variant, "variant", ("hgn", "2016"))
        object.__setattr__(self, "published", flag(self.published, "published"))
        if self.first_turns is not None:
            if self.variant == "hgn":
                raise ValueError(
                    "first_turns were given, and variant 'hgn' takes turns by degree; leave them "
                    "out, or say variant='2016'"
                )
            turns = integer_array(self.first_turns, "first_turns")
            object.__setattr__(self, "first_turns", turns)

    @property
    def takes_turns(self) -> bool:
        return True

    @property
    def keeps_components(self) -> bool:
        return not self.published

    def prepared(self, graph: Graph) -> DefferrardMatching:
        n = graph.num_nodes
        if self.variant == "hgn":
            return self
        if self.first_turns is None:
            return replace(self, first_turns=np.random.RandomState(0).permutation(n))
        _check_turns(np.asarray(self.first_turns), n)
        return self

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> DefferrardMatching:
        return replace(self, first_turns=None)

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        engine = engine_for(backend, self)
        if self.published:
            _refuse_isolated(graph)
        terms = NodeTerms.of(graph)
        turns = np.argsort(terms.degree, kind="stable")
        degree = terms.degree
        if self.first_turns is not None:
            turns, degree = np.asarray(self.first_turns), terms.degree - terms.loop
        rows = _rows_as_published(graph) if self.published else _rows(graph)
        ratings = self._ratings(graph, rows, terms, degree)
        mate = np.full(graph.num_nodes, -1, dtype=np.int64)
        visit = engine.compiled(_visit)
        visit(turns, rows.indptr, rows.indices, ratings, mate)
        turn = np.argsort(turns)
        first = np.minimum(turn, turn[mate])  # of the two, the one that took the other
        if max_merges is not None:
            first = _lightest(graph, mate, turn, first, int(max_merges[0]))
        return np.unique(first, return_inverse=True)[1].reshape(-1)

    def _ratings(
        self, graph: Graph, rows: _Rows, terms: NodeTerms, degree: np.ndarray
    ) -> np.ndarray:  # of every entry of the rows
        u, v = np.repeat(np.arange(graph.num_nodes), np.diff(rows.indptr)), rows.indices
        ratings: np.ndarray
        if self.variant == "2016":
            with np.errstate(divide="ignore"):  # a node of self loops alone
                inverse = 1.0 / degree
            ratings = rows.weights * (inverse[u] + inverse[v])
        else:
            inner = graph.weights[graph.indptr[:-1]] if self.published else terms.loop
            guard = GUARD if self.published else 0.0
            ratings = (2.0 * rows.weights + inner[u] + inner[v]) / (degree[u] + degree[v] + guard)
        return ratings


@dataclass(frozen=True, eq=False)
class _Rows:
    """The neighbours that each node looks at."""

    indptr: np.ndarray  # [n + 1]
    indices: np.ndarray
    weights: np.ndarray


def _rows(graph: Graph) -> _Rows:
    return _Rows(graph.indptr, graph.indices, graph.weights)


def _rows_as_published(graph: Graph) -> _Rows:
    """Row 0 takes the first entry of row 1 too, and the last row loses its last one."""
    if graph.num_nodes < 2:
        return _rows(graph)
    indptr = graph.indptr.copy()
    begin = indptr[1]
    indptr[1:-1] += 1
    indices, weights = (
        np.insert(array, begin, array[begin])[:-1] for array in (graph.indices, graph.weights)
    )
    return _Rows(indptr, indices, weights)


def _visit(
    turns: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    ratings: np.ndarray,
    mate: np.ndarray,
) -> None:
    """Let every node that is free at its turn marry; whoever stays alone is its own mate."""
    for u in turns:
        if mate[u] >= 0:
            continue
        mate[u] = u
        best, best_rating = u, 0.0
        for at in range(indptr[u], indptr[u + 1]):
            v = indices[at]
            if mate[v] < 0 and ratings[at] > best_rating:
                best, best_rating = v, ratings[at]
        if best != u:
            mate[u] = best
            mate[best] = u


def _lightest(
    graph: Graph, mate: np.ndarray, turn: np.ndarray, first: np.ndarray, max_pairs: int
) -> np.ndarray:
    """Turns of the first members, when only so many pairs may be kept."""
    leads = np.flatnonzero((first == turn) & (mate != np.arange(len(mate))))
    leads = leads[np.argsort(turn[leads])]
    merged = graph.node_weights[leads] + graph.node_weights[mate[leads]]
    dropped = leads[np.argsort(merged, kind="stable")[max_pairs:]]
    first[mate[dropped]] = turn[mate[dropped]]
    return first


def _refuse_isolated(graph: Graph) -> None:
    empty = np.flatnonzero(np.diff(graph.indptr) == 0)
    if len(empty):
        raise ValueError(
            f"node {empty[0]} has no entry, and the published code loses count at such rows; "
            "take published=False"
        )


def _check_turns(turns: np.ndarray, n: int) -> None:
    if turns.shape != (n,):
        raise ValueError(f"first_turns has shape {turns.shape}, expected ({n},), a turn a node")
    outside = np.flatnonzero((turns < 0) | (turns >= n))
    if len(outside):
        at = outside[0]
        raise ValueError(f"first_turns[{at}] = {turns[at]} is no node of the {n}")
    count = np.bincount(turns, minlength=n)
    if (count != 1).any():
        node = int(np.argmax(count != 1))
        raise ValueError(f"node {node} has {count[node]} turns in first_turns; every node has one")
