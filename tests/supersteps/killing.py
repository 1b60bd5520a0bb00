"""Ratings that kill the worker that first asks for them, or that no worker takes, and the check of
an engine with both."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folder_by_folder import check_engine

from multiscale_gcn import Graph, HeavyEdgeMatching, coarsen
from multiscale_gcn.outofcore import LevelEngine
from multiscale_gcn.ratings import NodeTerms, Rating


def check_with_killed_workers(
    engine: Callable[[int], LevelEngine], graph: Graph, size: int, folder: Path
) -> None:
    """Levels are those of memory on three partitions, and on two of which one is killed; what is
    wrong with a rating comes out of the workers as one sentence. The engine is made of a number
    of partitions."""
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
