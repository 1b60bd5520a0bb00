"""What the matching can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import flag, one_of, real_number, shown, whole_number
from multiscale_gcn.compiled.hashing import LARGEST_SEED
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.ratings import NormalizedCut, Rating

VisitingOrder = Literal["random", "degree", "natural"]


@dataclass(frozen=True, kw_only=True)
class MatchingOptions:
    """Options that heavy edge matching has, in whichever order the nodes are married.

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
    >>> from multiscale_gcn.matching import MatchingOptions
    >>> isinstance(HeavyEdgeMatching(max_node_weight=4.0), MatchingOptions)
    True
    """

    rating: Rating = field(default_factory=NormalizedCut)
    seed: int = 0
    max_node_weight: float | None = None
    two_hop: bool | Literal["auto"] = True
    isolated: Literal["pair", "keep", "nearest"] = "pair"
    positions: ArrayLike | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.rating, Rating):
            raise TypeError(
                f"rating must be a Rating such as NormalizedCut(), got {shown(self.rating)}"
            )
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0, LARGEST_SEED))
        if self.max_node_weight is not None:
            real_number(self.max_node_weight, "max_node_weight", above=0, finite=False)
        object.__setattr__(self, "two_hop", _two_hop(self.two_hop))
        one_of(self.isolated, "isolated", ("pair", "keep", "nearest"))
        object.__setattr__(self, "positions", self._positions())

    def _positions(self) -> NodePositions | None:
        if self.positions is None:
            if self.isolated == "nearest":
                raise ValueError("isolated = 'nearest' needs positions; give one for each node")
            return None
        positions = self.positions
        if not isinstance(positions, NodePositions):
            positions = NodePositions.of(positions)
        if self.isolated != "nearest":
            raise ValueError("positions goes with isolated='nearest' only; leave it out")
        return positions

    @property
    def turns(self) -> VisitingOrder | None:
        """The order in which nodes take their turns; None: the best edge of all comes first."""
        return None

    @property
    def takes_turns(self) -> bool:
        """Whether each node waits for the ones before it."""
        return self.turns is not None


def _two_hop(value: Any) -> bool | Literal["auto"]:
    if isinstance(value, str) and value == "auto":
        return "auto"
    if isinstance(value, bool | np.bool_):
        return flag(value, "two_hop")
    raise ValueError(f"two_hop = {shown(value)} must be True or False, or 'auto'")
