"""Ratings that kill the worker that first asks for them, or that no worker takes, engines that are
interrupted, and the check of an engine with all of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folder_by_folder import check_engine

from multiscale_gcn import Graph, HeavyEdgeMatching, coarsen
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel
from multiscale_gcn.outofcore import Task
from multiscale_gcn.ratings import NodeTerms, Rating
from multiscale_gcn.supersteps import snapshots
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.sources import InFolder
from multiscale_gcn.supersteps.task import LevelTask, Tally


def check_with_killed_workers(
    engine: Callable[[int], SuperstepEngine], graph: Graph, size: int, folder: Path
) -> None:
    """Levels are those of memory on three partitions, and on two of which one is killed; what is
    wrong with a rating comes out of the workers as one sentence; an interrupted call is followed
    by one that goes on within the level. The engine is made of a number of partitions."""
    method = HeavyEdgeMatching(max_node_weight=40)
    assert check_engine(engine(3), graph, method=method, sizes=[size]) == 3
    method = HeavyEdgeMatching(rating=killing(folder / "killed"))
    assert check_engine(engine(2), graph, method=method, levels=1) == 2
    assert (folder / "killed").exists()
    with pytest.raises(ValueError, match=r"^Boundless\(\) rates the edge \(\d+, \d+\) as inf"):
        coarsen(
            graph, levels=1, method=HeavyEdgeMatching(rating=boundless()), engine=engine(3),
            out=folder / "levels",
        )  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        write_every_superstep(patch)
        with pytest.raises(Interruption):
            coarsen(graph, levels=1, out=folder / "again", engine=Watched(engine(3), 6))
    watched = Watched(engine(3))
    found = coarsen(graph, levels=1, out=folder / "again", engine=watched)
    assert found.fingerprint == coarsen(graph, levels=1).fingerprint
    assert "describe" not in watched.names
    assert watched.names[-1] == "write"


class Interruption(Exception):
    """The process that called has to end."""


class Watched:
    """An engine that notes the supersteps that are finished, and may stop after so many."""

    def __init__(self, engine: SuperstepEngine, most: int | None = None) -> None:
        self.engine, self.most = engine, most
        self.names: list[str] = []
        self.refusal = engine.refusal

    def step(self, fine: StoredLevel, coarse: LevelWriter, task: Task) -> bool:
        run = self.engine.run

        def watching(plan: LevelTask, sources: Sequence[InFolder], watch: Watch) -> bool:
            def noting(name: str, tallies: Sequence[Tally]) -> None:
                watch(name, tallies)
                self.names.append(name)
                if len(self.names) == self.most:
                    raise Interruption

            return run(plan, sources, noting)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self.engine), "run", lambda _, *given: watching(*given))
            return self.engine.step(fine, coarse, task)


def write_every_superstep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(snapshots, "PAUSE", 0.0)
    patch.setattr(snapshots, "SHARE", np.inf)


def killing(mark: Path) -> Rating:
    """The weight of an edge; whoever computes it first, beside this process, gets SIGKILL.

    The class stands in a function, so that workers are sent its text.
    """
    here = os.getpid()

    class Killing(Rating):
        def edge(self, weight: Any, u: Any, v: Any, terms: NodeTerms) -> Any:
            if os.getpid() != here and np.size(weight):
                try:
                    mark.touch(exist_ok=False)
                except FileExistsError:
                    return weight
                os.kill(os.getpid(), signal.SIGKILL)
            return weight

    return Killing()


def boundless() -> Rating:
    """A rating that is not finite. The class stands in a function for the same reason."""

    class Boundless(Rating):
        def edge(self, weight: Any, u: Any, v: Any, terms: NodeTerms) -> Any:
            return weight * np.inf

    return Boundless()
