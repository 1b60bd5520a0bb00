"""What a level is asked for, and what a superstep answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.supersteps.messages import Mail

Tally = dict[str, int]
"""What a partition counted; the engine hands those of all to everybody."""


@dataclass(frozen=True)
class Attempt:
    """Where the snapshots of one attempt at a level are, and with which it begins.

    Parameters
    ----------
    folder : Path
        Of this attempt; nobody else writes there.
    start : Path, optional
        A whole snapshot of an earlier attempt.
    pause : float
        Seconds between two snapshots, at least.
    share : float
        Of the time, that snapshots may take.
    """

    folder: Path
    start: Path | None
    pause: float
    share: float

    @property
    def first(self) -> str | None:
        """The superstep before which the snapshot was written."""
        return None if self.start is None else self.start.name.partition("-")[2]


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
    attempt : Attempt, optional
        Where answers are written, for another call to go on from; without one they are not.
    """

    method: MatchingOptions
    max_pairs: int | None = None
    min_nodes: int = 0
    fits: int = 1 << 24
    attempt: Attempt | None = None

    @property
    def limit(self) -> float:
        """Of the weight of merged nodes."""
        limit = self.method.max_node_weight
        return float("inf") if limit is None else float(limit)

    def again(self, nonce: str) -> LevelTask:
        """The same level in an attempt of another name, which begins where this one does."""
        if self.attempt is None:
            return self
        attempt = replace(self.attempt, folder=self.attempt.folder.with_name(nonce))
        return replace(self, attempt=attempt)


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
    fixed : tuple
        What later supersteps read and none changes; appended, if there is any, to what they are
        given.
    """

    state: Any
    mail: Mail = field(default_factory=dict)
    tally: Tally = field(default_factory=dict)
    fixed: tuple[Any, ...] = ()
