import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np

from multiscale_gcn import EdgeWeight, HeavyEdgeMatching, as_graph, coarsen
from multiscale_gcn.hierarchy.stored import is_finished
from multiscale_gcn.supersteps.in_process import InProcess
from multiscale_gcn.supersteps.letters import post, received
from multiscale_gcn.supersteps.messages import message
from multiscale_gcn.supersteps.task import Answer

DRIVER = """
import os, signal, sys
from pathlib import Path
import networkx as nx
import numpy as np
from multiscale_gcn import EdgeWeight, HeavyEdgeMatching, as_graph, coarsen
from multiscale_gcn.supersteps import level
from multiscale_gcn.supersteps.in_process import InProcess

merge = level._STEPS["merge"]

def fatal(at):
    if at.part.bounds[-1] < 64 and at.part.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return merge(at)

level._STEPS["merge"] = fatal
coarsen(
    as_graph(nx.path_graph(64)), levels=3, method=HeavyEdgeMatching(rating=EdgeWeight()),
    out=sys.argv[1], engine=InProcess(partitions=2, fits=0),
)
"""
"""Dies in the second level, when one of two partitions has merged its rows."""


class Watched(InProcess):
    """Notes the levels that it is asked for."""

    asked: list[int] = []  # noqa: RUF012

    def step(self, fine, coarse, task):
        self.asked.append(fine.meta.index + 1)
        return super().step(fine, coarse, task)


def test_a_dead_driver_is_followed_by_one_that_goes_on_at_the_last_level(tmp_path: Path) -> None:
    folder = tmp_path / "levels"
    command = [sys.executable, "-c", DRIVER, str(folder)]
    assert subprocess.run(command, check=False).returncode == -9
    assert is_finished(folder, 1)
    assert not is_finished(folder, 2)
    method = HeavyEdgeMatching(rating=EdgeWeight())
    graph = as_graph(nx.path_graph(64))
    engine = Watched(partitions=2, fits=0)
    found = coarsen(graph, levels=3, method=method, out=folder, engine=engine)
    assert engine.asked == [2, 3]
    assert found.fingerprint == coarsen(graph, levels=3, method=method).fingerprint


def test_another_attempt_reads_no_mail_of_the_first(tmp_path: Path) -> None:
    letter = Answer(None, {1: message(node=np.array([7]))})
    post(tmp_path / "first" / "0", {0: letter})
    assert received(tmp_path / "second" / "0", [0, 1]) == {0: {}, 1: {}}
    inbox = received(tmp_path / "first" / "0", [1])[1]
    assert inbox[0]["node"].tolist() == [7]
