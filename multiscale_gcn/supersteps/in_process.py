"""All partitions in one process, one after the other: what every engine must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multiscale_gcn.supersteps.level import FIRST, following, take
from multiscale_gcn.supersteps.messages import Mail
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.task import LevelTask, Tally


def run(task: LevelTask, parts: Sequence[Partition], watch: Any = None) -> list[Any] | None:
    """The states in which a level ends, of all partitions; None, if it is not made."""
    count = len(parts)
    fixed: list[tuple[Any, ...]] = [(part,) for part in parts]
    states: list[Any] = [None] * count
    inboxes: list[Mail] = [{} for _ in parts]
    tallies: list[Tally] = [{} for _ in parts]
    name: str | None = FIRST
    last = FIRST
    while name is not None:
        answers = [
            take(name, task, fixed[p], states[p], inboxes[p], tallies) for p in range(count)
        ]
        for p, answer in enumerate(answers):
            states[p] = answer.state
            if answer.fixed is not None:
                fixed[p] += (answer.fixed,)
        inboxes = [
            {q: answer.mail[p] for q, answer in enumerate(answers) if p in answer.mail}
            for p in range(count)
        ]
        tallies = [answer.tally for answer in answers]
        if watch is not None:
            watch(name, tallies)
        last, name = name, following(name, task, tallies)
    return states if last == "merge" else None
