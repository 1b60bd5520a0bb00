"""The matching methods, as values that carry their options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np

from multiscale_gcn.arguments import whole_number
from multiscale_gcn.clustering import ClusteringMethod
from multiscale_gcn.constraints import Constraints
from multiscale_gcn.graph import Graph
from multiscale_gcn.hashing import LARGEST_SEED
from multiscale_gcn.ratings import NormalizedCut, Rating


@dataclass(frozen=True, kw_only=True)
class MatchingMethod(ClusteringMethod):
    """Options that heavy edge matching has, in whichever order the nodes are married.

    Parameters
    ----------
    rating : Rating
        What makes an edge heavy.
    seed : int
        Of the hash that breaks ties (and of the random visiting order), 0 to 2**64 - 1.
    max_node_weight : float, optional
        No two nodes merge whose weights add up to more.
    two_hop : bool
        Pair the nodes that are left over and have the same best neighbour. Without it, stars and
        power-law graphs stall.
    isolated : {"pair", "keep"}
        Whether nodes without neighbours are paired among themselves, which merges components,
        or kept.
    """

    rating: Rating = field(default_factory=NormalizedCut)
    seed: int = 0
    max_node_weight: float | None = None
    two_hop: bool = True
    isolated: Literal["pair", "keep"] = "pair"

    honours: ClassVar[frozenset[str]] = frozenset({"labels", "survivors", "symmetry", "batch"})

    def __post_init__(self) -> None:
        if not isinstance(self.rating, Rating):
            raise TypeError(f"rating must be a Rating such as NormalizedCut(), got {self.rating!r}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0, LARGEST_SEED))
        if self.max_node_weight is not None and not self.max_node_weight > 0:
            raise ValueError(f"max_node_weight = {self.max_node_weight} must be positive")
        if self.isolated not in ("pair", "keep"):
            raise ValueError(f"isolated = {self.isolated!r} is neither 'pair' nor 'keep'")

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
        from multiscale_gcn.matching import match

        matching = match(
            graph, self, constraints=constraints, max_pairs=max_merges, backend=backend
        )
        return matching.parents()

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> MatchingMethod:
        rating = self.rating.coarsened(fine, coarse, parent)
        return self if rating is self.rating else replace(self, rating=rating)


@dataclass(frozen=True, kw_only=True)
class HeavyEdgeMatching(MatchingMethod):
    """Locally dominant heavy edge matching: the best edge whose ends are free, again and again.

    The edges have a strict total order, so the result is unique, and every backend returns it.
    An edge that is better than all others at both its ends is always taken.

    Examples
    --------
    >>> from multiscale_gcn import HeavyEdgeMatching, NormalizedAssociation
    >>> HeavyEdgeMatching(rating=NormalizedAssociation(), max_node_weight=40).max_node_weight
    40
    """


@dataclass(frozen=True, kw_only=True)
class VisitingOrderMatching(MatchingMethod):
    """Classical heavy edge matching: each node, when its turn comes, takes its best free neighbour.

    Parameters
    ----------
    order : {"random", "degree", "natural"}
        Random by the seed (Karypis and Kumar 1998), by increasing weighted degree, ties by id
        (Defferrard et al. 2016), or as the nodes are numbered.

    Examples
    --------
    >>> from multiscale_gcn import VisitingOrderMatching
    >>> VisitingOrderMatching(order="degree").order
    'degree'
    """

    order: Literal["random", "degree", "natural"] = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in ("random", "degree", "natural"):
            raise ValueError(f"order = {self.order!r} is none of 'random', 'degree', 'natural'")
