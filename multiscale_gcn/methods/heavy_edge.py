"""Heavy edge matching as a method, which carries its options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import instance, one_of
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.matching import matched
from multiscale_gcn.matching.numbering import number_pairs
from multiscale_gcn.matching.options import MatchingOptions, VisitingOrder
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.methods.method import ClusteringMethod


@dataclass(frozen=True, kw_only=True)
class MatchingMethod(MatchingOptions, ClusteringMethod):
    """Heavy edge matching, in whichever order the nodes are married.

    Parameters
    ----------
    rating : Rating
        What makes an edge heavy.
    seed : int
        Of the hash that breaks ties (and of the random visiting order), 0 to 2**64 - 1.
    max_node_weight : float, optional
        No two nodes merge whose weights add up to more.
    two_hop : bool or "auto"
        Pair the nodes that are left over and have the same best neighbour. Without it, stars and
        power-law graphs stall. ``"auto"``: only in a step that edges alone would stall, which is
        one that leaves more nodes over than it marries; in a batch each member asks for itself.
    isolated : {"pair", "keep", "nearest"}
        Whether nodes without neighbours are paired among themselves by their ids, which merges
        components wherever they lie, kept, or paired with the nearest.
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph, for ``"nearest"``. Coarse nodes lie at the mean of their
        members by node weight.

    Examples
    --------
    >>> from multiscale_gcn import HeavyEdgeMatching
    >>> from multiscale_gcn.methods.heavy_edge import MatchingMethod
    >>> issubclass(HeavyEdgeMatching, MatchingMethod)
    True
    """

    honours: ClassVar[frozenset[str]] = frozenset({"labels", "survivors", "symmetry", "batch"})

    @property
    def constrained(self) -> bool:
        """Whether a step may leave more than 3n/4 + 1 nodes."""
        return self.max_node_weight is not None or not self.two_hop or self.isolated == "keep"

    @property
    def keeps_components(self) -> bool:
        return self.isolated == "keep"

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        instance(constraints, "constraints", Constraints, "Constraints() is none")
        exact, _ = round_weights(graph, constraints.batch)
        constraints.check_length(graph.num_nodes)
        matching = matched(exact, self, constraints, max_merges, backend)
        parent: np.ndarray = engine_for(backend).compiled(number_pairs)(matching.mate)
        return parent

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> MatchingMethod:
        rating, positions = self.rating.coarsened(fine, coarse, parent), self.positions
        if isinstance(positions, NodePositions):
            positions = positions.coarsened(fine.node_weights, parent)
        if rating is self.rating and positions is self.positions:
            return self
        return replace(self, rating=rating, positions=positions)


@dataclass(frozen=True, kw_only=True)
class HeavyEdgeMatching(MatchingMethod):
    """Locally dominant heavy edge matching: the best edge whose ends are free, again and again.

    The edges have a strict total order, so the result is unique, and every backend returns it.
    An edge that is better than all others at both its ends is always taken.

    The components of a graph shrink to isolated nodes, and these are paired by their ids. Where
    they lie apart, as those of a mesh may, take ``isolated="keep"``, or ``"nearest"`` with the
    positions: of all free isolated nodes the two that are nearest, again and again. The time that
    takes grows with the square of their number, on the host, whatever the backend.

    Parameters
    ----------
    rating : Rating
        What makes an edge heavy.
    seed : int
        Of the hash that breaks ties, 0 to 2**64 - 1.
    max_node_weight : float, optional
        No two nodes merge whose weights add up to more.
    two_hop : bool or "auto"
        Pair the nodes that are left over and have the same best neighbour. Without it, stars and
        power-law graphs stall. ``"auto"``: only in a step that edges alone would stall, which is
        one that leaves more nodes over than it marries; in a batch each member asks for itself.
    isolated : {"pair", "keep", "nearest"}
        Whether nodes without neighbours are paired among themselves by their ids, which merges
        components wherever they lie, kept, or paired with the nearest.
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph, for ``"nearest"``. Coarse nodes lie at the mean of their
        members by node weight.

    Raises
    ------
    ValueError
        For a value that an option does not take, naming the option.
    TypeError
        If ``rating`` is no Rating.

    See Also
    --------
    VisitingOrderMatching : nodes take their turns, as in METIS
    DefferrardMatching : as published in 2016, and by HGN
    StrongMatching : strong edges alone, for multigrid

    Examples
    --------
    >>> from multiscale_gcn import HeavyEdgeMatching, NormalizedAssociation
    >>> HeavyEdgeMatching(rating=NormalizedAssociation(), max_node_weight=40).max_node_weight
    40

    Four nodes without edges, of which each has another beside it:

    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> method = HeavyEdgeMatching(isolated="nearest", positions=[[0.0], [9.0], [8.0], [1.0]])
    >>> coarsen(nx.empty_graph(4), levels=1, method=method).parent(0, 1).tolist()
    [0, 1, 1, 0]
    """


@dataclass(frozen=True, kw_only=True)
class VisitingOrderMatching(MatchingMethod):
    """Classical heavy edge matching: each node, when its turn comes, takes its best free neighbour.

    Parameters
    ----------
    rating : Rating
        What makes an edge heavy.
    seed : int
        Of the hash that breaks ties and of the random order, 0 to 2**64 - 1.
    max_node_weight : float, optional
        No two nodes merge whose weights add up to more.
    two_hop : bool or "auto"
        Pair the nodes that are left over and have the same best neighbour. Without it, stars and
        power-law graphs stall. ``"auto"``: only in a step that edges alone would stall, which is
        one that leaves more nodes over than it marries; in a batch each member asks for itself.
    isolated : {"pair", "keep", "nearest"}
        Whether nodes without neighbours are paired among themselves by their ids, which merges
        components wherever they lie, kept, or paired with the nearest.
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph, for ``"nearest"``. Coarse nodes lie at the mean of their
        members by node weight.
    order : {"random", "degree", "natural"}
        Random by the seed (Karypis and Kumar 1998), by increasing weighted degree, ties by id
        (Defferrard et al. 2016), or as the nodes are numbered.

    Raises
    ------
    ValueError
        For a value that an option does not take, naming the option.
    TypeError
        If ``rating`` is no Rating.

    See Also
    --------
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    DefferrardMatching : as published in 2016, and by HGN
    StrongMatching : strong edges alone, for multigrid

    Examples
    --------
    >>> from multiscale_gcn import VisitingOrderMatching
    >>> VisitingOrderMatching(order="degree").order
    'degree'
    """

    order: VisitingOrder = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.order, "order", ("random", "degree", "natural"))

    @property
    def turns(self) -> VisitingOrder:
        return self.order
