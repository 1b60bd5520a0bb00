"""Heavy edge matching as published with the first graph convolutions on meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import flag
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.ratings import NodeTerms

GUARD = 1e-9
"""What the published code adds to the denominator of the rating."""


@dataclass(frozen=True, kw_only=True)
class DefferrardMatching(ClusteringMethod):
    """The matching behind Defferrard et al. (2016), as Pose2Mesh and HGN use it.

    The nodes take their turns by increasing weighted degree d, ties by id. A free node takes the
    free neighbour of the best rating (2 w_uv + w_uu + w_vv) / (d_u + d_v), the first of its row
    where several are best; without a free neighbour it stays alone. Degrees count self loops.
    Coarse nodes are numbered in the order of the turns.
    :meth:`~multiscale_gcn.Hierarchy.binary_tree_order` gives the padding of these papers.

    Parameters
    ----------
    published : bool
        Repeat the published code to the letter, so that graphs on which networks were trained
        come out again:

        * "w_uu" is the first entry of row u, which is the diagonal only where no neighbour has a
          smaller id;
        * the row of node 0 is read one entry too far, up to the first entry of row 1, and the row
          of the last node ends one entry too early;
        * 1e-9 is added to the denominator, which decides between equal ratings.

        Without it, what was meant is done.

    Notes
    -----
    The published code sorts degrees with an unstable sort, so the order of equal degrees there is
    that of one version of NumPy on one machine; here it is that of the ids. It leaves the self
    loops of the finest graph out of d; meshes have none.

    With ``coarsen(sizes=...)`` a step that would overshoot keeps the pairs of the smallest merged
    node weight, those that married first among equal ones. That is not part of the publication.

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
    """

    published: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "published", flag(self.published, "published"))

    @property
    def takes_turns(self) -> bool:
        return True

    @property
    def keeps_components(self) -> bool:
        return not self.published

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        engine = engine_for(backend, self)
        terms = NodeTerms.of(graph)
        turns = np.argsort(terms.degree, kind="stable")
        begin, end = graph.indptr[:-1], graph.indptr[1:]
        inner, guard = terms.loop, 0.0
        if self.published:
            _refuse_isolated(graph)
            inner, guard = graph.weights[begin], GUARD
            end = end.copy()
            end[:1] += 1
            end[-1:] -= 1
        mate = np.full(graph.num_nodes, -1, dtype=np.int64)
        visit = engine.compiled(_visit)
        visit(turns, begin, end, graph.indices, graph.weights, inner, terms.degree, guard, mate)
        turn = np.argsort(turns)
        first = np.minimum(turn, turn[mate])  # of the two, the one that took the other
        if max_merges is not None:
            first = _lightest(graph, mate, turn, first, int(max_merges[0]))
        return np.unique(first, return_inverse=True)[1].reshape(-1)


def _visit(
    turns: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    inner: np.ndarray,
    degree: np.ndarray,
    guard: float,
    mate: np.ndarray,
) -> None:
    """Let every node that is free at its turn marry; whoever stays alone is its own mate."""
    for u in turns:
        if mate[u] >= 0:
            continue
        mate[u] = u
        best, best_rating = u, 0.0
        for at in range(begin[u], end[u]):
            v = indices[at]
            if mate[v] < 0:
                rating = (2.0 * weights[at] + inner[u] + inner[v]) / (degree[u] + degree[v] + guard)
                if rating > best_rating:
                    best, best_rating = v, rating
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
            "take DefferrardMatching(published=False)"
        )
