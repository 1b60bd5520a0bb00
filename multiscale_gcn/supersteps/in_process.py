"""All partitions in one process, one after the other: what every engine must equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiscale_gcn.supersteps.crew import Crew, delivered
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.level import LAST, first_of, following
from multiscale_gcn.supersteps.messages import Mail
from multiscale_gcn.supersteps.sources import InFolder, Source
from multiscale_gcn.supersteps.task import LevelTask, Tally


@dataclass(frozen=True)
class InProcess(SuperstepEngine):
    """Partitions that take turns in this process.

    Parameters
    ----------
    partitions : int
        Ranges of nodes that a level is divided into.
    fits : int
        A level of so many entries is one partition, and so much of a matching is finished by one.
    """

    def run(self, task: LevelTask, sources: Sequence[InFolder], watch: Watch) -> bool:
        return run(task, sources, watch) is not None


def run(task: LevelTask, sources: Sequence[Source], watch: Watch) -> Crew | None:
    """The partitions as they are in the end; None, if the level is not made."""
    crew = Crew(task, dict(enumerate(sources)))
    name: str | None = first_of(task)
    inboxes: dict[int, Mail] = {}
    tallies = list[Tally]()
    while name is not None:
        answers = crew.take(name, inboxes, tallies)
        inboxes, tallies = delivered(answers), [answers[p].tally for p in sorted(answers)]
        watch(name, tallies)
        if name == LAST:
            return crew
        name = following(name, task, tallies)
    return None
