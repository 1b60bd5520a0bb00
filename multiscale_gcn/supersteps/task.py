"""What a level is asked for, and what a superstep answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.supersteps.messages import Mail

Tally = dict[str, int]
"""What a partition counted; the engine hands those of all to everybody."""


@dataclass(frozen=True, eq=False)
class LevelTask:
    """One level, the same for all partitions.

    Parameters
    ----------
    method : MatchingOptions
    max_pairs : int, optional
        So many pairs at most, those that come first in the order.
    min_nodes : int
        A level of fewer nodes is not made.
    fits : int
        Entries that one worker may hold: what is left of a matching is finished there.
    """

    method: MatchingOptions
    max_pairs: int | None = None
    min_nodes: int = 0
    fits: int = 1 << 24

    @property
    def limit(self) -> float:
        """Of the weight of merged nodes."""
        limit = self.method.max_node_weight
        return float("inf") if limit is None else float(limit)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a superstep leaves behind.

    Parameters
    ----------
    state : Any
        For the next superstep of this partition.
    mail : Mail
        By the partition that each message goes to.
    tally : Tally
        Sums of it say which superstep comes next.
    fixed : Any
        What later supersteps read and none changes; appended to what they are given.
    """

    state: Any
    mail: Mail = field(default_factory=dict)
    tally: Tally = field(default_factory=dict)
    fixed: Any = None
