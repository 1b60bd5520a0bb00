"""What engines have in common: one level from folder to folder, in supersteps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel
from multiscale_gcn.matching import ORDER_VERSION
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.outofcore import Task
from multiscale_gcn.supersteps import snapshots, terms
from multiscale_gcn.supersteps.partition import MOST_NODES, ranges
from multiscale_gcn.supersteps.sources import InFolder
from multiscale_gcn.supersteps.task import LevelTask, Tally

Watch = Callable[[str, Sequence[Tally]], None]
"""Is told of every superstep and of what all partitions counted in it."""
MOST_PARTITIONS = 4096


@dataclass(frozen=True, kw_only=True)
class SuperstepEngine(ABC):
    """A :class:`~multiscale_gcn.outofcore.LevelEngine` that takes levels in supersteps.

    Parameters
    ----------
    partitions : int
        Ranges of nodes that a level is divided into.
    fits : int
        A level of so many entries is one partition, and so much of a matching is finished by one.
    """

    partitions: int
    fits: int = 1 << 22

    def __post_init__(self) -> None:
        whole_number(self.partitions, "partitions", least=1, most=MOST_PARTITIONS)
        whole_number(self.fits, "fits", least=0)

    @abstractmethod
    def run(self, task: LevelTask, sources: Sequence[InFolder], watch: Watch) -> bool:
        """Take the supersteps of one level, with the mail between them; whether it was made."""

    def refusal(self, method: MatchingMethod, constraints: Constraints) -> str | None:
        for name in ("symmetry", "batch"):
            if getattr(constraints, name) is not None:
                return f" does not run {name}; leave it out, or coarsen in memory"
        return terms.refusal(method)

    def step(self, fine: StoredLevel, coarse: LevelWriter, task: Task) -> bool:
        graph = fine.graph
        if graph.num_nodes >= MOST_NODES:
            raise ValueError(
                f"the graph has {graph.num_nodes} nodes, and supersteps number up to "
                f"{MOST_NODES - 1}; divide it first"
            )
        small = graph.num_entries <= self.fits
        count = 1 if small else min(self.partitions, max(graph.num_nodes, 1))
        bounds = ranges(graph.indptr, count)
        sources = [InFolder(fine.folder, coarse.folder, bounds, index) for index in range(count)]
        wanted = (task.max_pairs, task.min_nodes or 0, self.fits)
        attempt = snapshots.begin(fine.work, [*wanted, bounds.tolist(), ORDER_VERSION], count)
        asked = LevelTask(task.method, *wanted, attempt)
        level = fine.meta.index + 1

        def watch(name: str, tallies: Sequence[Tally]) -> None:
            seconds = max(tally["microseconds"] for tally in tallies) / 1e6
            sent = sum(tally["bytes"] for tally in tallies)
            live = sum(tally.get("live", 0) for tally in tallies)
            number = tallies[0]["superstep"]
            task.progress.say(
                f"level {level} superstep {number} {name}: {seconds:.2f} s at most, "
                f"{graph.num_entries / 2e6 / max(seconds, 1e-6):.2f} M edges/s, "
                f"{sent / 1e6:.2f} MB exchanged" + (f", {live} nodes go on" if live else "")
            )

        return self.run(asked, sources, watch)
