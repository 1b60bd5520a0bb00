"""Matching along strong edges alone, as multigrid coarsens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from multiscale_gcn.checks.arguments import instance, real_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching, MatchingMethod
from multiscale_gcn.methods.method import ClusteringMethod


def _pairs_of_neighbours() -> MatchingMethod:
    return HeavyEdgeMatching(two_hop=False, isolated="keep")


@dataclass(frozen=True, kw_only=True)
class StrongMatching(ClusteringMethod):
    """Heavy edge matching that never takes a weak edge; whoever has no strong one left waits.

    An edge is strong if it has at least a share of the weight of the heaviest edge at one of its
    ends, self loops aside. Other matchings marry a node over a weak edge where the strong ones are
    spoken for. That spoils multigrid, since relaxation makes the ends of strong edges alike, and
    no others. Every level has all edges, so what is weak on one may be strong on the next.

    Source: the strength of connection of Ruge and Stueben, "Algebraic multigrid", in: Multigrid
    Methods, SIAM 1987; the pairs are those of Notay, "An aggregation-based algebraic multigrid
    method", Electronic Transactions on Numerical Analysis 37, 2010.

    Parameters
    ----------
    share : float
        Above 0 and up to 1.
    matching : HeavyEdgeMatching or VisitingOrderMatching
        What is done on the graph of the strong edges. By default heavy edge matching that pairs
        neighbours only.

    Raises
    ------
    ValueError
        If ``share`` lies outside.
    TypeError
        If ``matching`` is none.

    See Also
    --------
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    VisitingOrderMatching : nodes take their turns, as in METIS
    DefferrardMatching : as published in 2016, and by HGN

    Examples
    --------
    Rows that hang together by 1, and with each other by a hundredth, shrink along the rows:

    >>> import networkx as nx
    >>> from multiscale_gcn import StrongMatching, coarsen
    >>> sheet = nx.grid_2d_graph(3, 4)
    >>> for (i, _), (k, _), edge in sheet.edges(data=True):
    ...     edge["weight"] = 1.0 if i == k else 0.01
    >>> coarsen(sheet, levels=2, method=StrongMatching()).parent(0, 2).reshape(3, 4).tolist()
    [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]]
    """

    share: float = 0.25
    matching: MatchingMethod = field(default_factory=_pairs_of_neighbours)

    honours: ClassVar[frozenset[str]] = MatchingMethod.honours

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", real_number(self.share, "share", above=0, most=1))
        remedy = "HeavyEdgeMatching() is one"
        instance(self.matching, "matching", MatchingMethod, remedy)

    @property
    def takes_turns(self) -> bool:
        return self.matching.takes_turns

    @property
    def keeps_components(self) -> bool:
        return self.matching.keeps_components

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        return self.matching.parents(
            strong_edges(graph, self.share),
            constraints=constraints,
            max_merges=max_merges,
            backend=backend,
        )

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> StrongMatching:
        matching = self.matching.coarsened(fine, coarse, parent)
        return self if matching is self.matching else replace(self, matching=matching)


def strong_edges(graph: Graph, share: float) -> Graph:
    """The graph without the edges that are weak at both ends; its self loops stay."""
    rows, columns = graph.rows(), graph.indices
    loop = rows == columns
    heaviest = np.zeros(graph.num_nodes)
    np.maximum.at(heaviest, rows, np.where(loop, 0.0, graph.weights))
    kept = loop | (graph.weights >= share * np.minimum(heaviest[rows], heaviest[columns]))
    indptr = np.concatenate([[0], np.cumsum(kept)])[graph.indptr]
    return Graph(indptr, columns[kept], graph.weights[kept], graph.node_weights)
