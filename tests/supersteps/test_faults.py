import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from killing import Interruption, Watched, write_every_superstep

from multiscale_gcn import EdgeWeight, HeavyEdgeMatching, as_graph, coarsen
from multiscale_gcn.hierarchy.stored import is_finished
from multiscale_gcn.supersteps import level, snapshots
from multiscale_gcn.supersteps.in_process import InProcess
from multiscale_gcn.supersteps.letters import post, received
from multiscale_gcn.supersteps.level import Place
from multiscale_gcn.supersteps.messages import message
from multiscale_gcn.supersteps.packing import packed
from multiscale_gcn.supersteps.task import Answer, Attempt

DRIVER = """
import os, signal, sys
from pathlib import Path
import networkx as nx
import numpy as np
from multiscale_gcn import EdgeWeight, HeavyEdgeMatching, as_graph, coarsen
from multiscale_gcn.supersteps import level, snapshots
from multiscale_gcn.supersteps.in_process import InProcess

snapshots.PAUSE, snapshots.SHARE = 0.0, float("inf")
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


METHOD = HeavyEdgeMatching(rating=EdgeWeight())
GRAPH = as_graph(nx.path_graph(64))
ENGINE = InProcess(partitions=2, fits=0)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Sizes of levels and names of supersteps, each of the first partition, that are taken."""
    found: list[tuple[int, str]] = []

    def noted(name: str) -> Callable[[Place], Answer]:
        take = level._STEPS[name]

        def step(at: Place) -> Answer:
            if at.part.index == 0:
                found.append((int(at.part.bounds[-1]), name))
            return take(at)

        return step

    monkeypatch.setattr(level, "_STEPS", {name: noted(name) for name in level._STEPS})
    write_every_superstep(monkeypatch)
    return found


def interrupted(folder: Path, after: int, **options: Any) -> None:
    with pytest.raises(Interruption):
        coarsen(GRAPH, **options, out=folder, engine=Watched(ENGINE, after))


def test_a_dead_driver_is_followed_by_one_that_goes_on_at_the_last_superstep(
    tmp_path: Path, taken: list[tuple[int, str]]
) -> None:
    folder = tmp_path / "levels"
    command = [sys.executable, "-c", DRIVER, str(folder)]
    assert subprocess.run(command, check=False).returncode == -9
    assert is_finished(folder, 1)
    assert not is_finished(folder, 2)
    found = coarsen(GRAPH, levels=3, method=METHOD, out=folder, engine=ENGINE)
    assert [name for size, name in taken if size == 32] == ["merge", "make_room", "write"]
    assert next(name for size, name in taken if size == 16) == "describe"
    assert {size for size, _ in taken} == {32, 16}
    assert found.fingerprint == coarsen(GRAPH, levels=3, method=METHOD).fingerprint
    assert not list(folder.rglob("work"))


@pytest.mark.parametrize(
    "options",
    [
        {"levels": 2, "method": METHOD},
        {"sizes": [23], "method": HeavyEdgeMatching(two_hop=True), "labels": np.arange(64) // 9},
        {"levels": 1, "method": HeavyEdgeMatching(max_node_weight=2)},
    ],
    ids=["levels", "sizes", "limit"],
)
def test_at_most_the_last_finished_superstep_is_taken_again(
    options: dict[str, Any], tmp_path: Path, taken: list[tuple[int, str]]
) -> None:
    expected = coarsen(GRAPH, **options)
    whole = coarsen(GRAPH, **options, out=tmp_path / "whole", engine=ENGINE)
    assert whole.fingerprint == expected.fingerprint
    every = taken.copy()
    for after in range(1, len(every), 2):
        taken.clear()
        interrupted(tmp_path / str(after), after, **options)
        assert taken == every[:after]
        found = coarsen(GRAPH, **options, out=tmp_path / str(after), engine=ENGINE)
        assert found.fingerprint == expected.fingerprint
        again = taken[after:]
        assert again == every[len(every) - len(again) :]
        # Written is what the last one began with; the very last fills a level that was removed.
        assert len(again) == len(every) - after + (2 if every[after - 1][1] == "write" else 1)
        assert not list((tmp_path / str(after)).rglob("work"))


def test_what_another_attempt_left_in_the_middle_is_never_read(
    tmp_path: Path, taken: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "levels"
    interrupted(folder, 4, levels=1)
    work = folder / "level-000" / "work"
    (home,) = work.iterdir()
    (attempt,) = home.iterdir()
    snapshot = max(attempt.iterdir())
    wrong = packed((None, {0: message(node=np.array([7]))}, {}, None))
    for place in (  # half a superstep, of this attempt and of another; another division
        attempt / "000009-merge" / "0.npz",
        home / "other" / "000009-merge" / "1.npz",
        work / "elsewhere" / "other" / "000009-merge" / "0.npz",
        work / "elsewhere" / "other" / "000009-merge" / "1.npz",
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        np.savez(place, **wrong)  # type: ignore[arg-type]
    reads = []
    read = snapshots.read

    def noted(attempt: Attempt, index: int) -> Any:
        reads.append((attempt.start, index))
        return read(attempt, index)

    monkeypatch.setattr(snapshots, "read", noted)
    found = coarsen(GRAPH, levels=1, out=folder, engine=ENGINE)
    assert reads == [(snapshot, 0), (snapshot, 1)]
    assert found.fingerprint == coarsen(GRAPH, levels=1).fingerprint


def test_another_number_of_partitions_begins_the_level_again(
    tmp_path: Path, taken: list[tuple[int, str]]
) -> None:
    interrupted(tmp_path / "levels", 4, levels=1)
    taken.clear()
    engine = InProcess(partitions=3, fits=0)
    found = coarsen(GRAPH, levels=1, out=tmp_path / "levels", engine=engine)
    assert taken[0] == (64, "describe")
    assert found.fingerprint == coarsen(GRAPH, levels=1).fingerprint


@pytest.mark.usefixtures("taken")
def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "levels"
    interrupted(folder, 4, levels=1)
    last = max(folder.glob("level-000/work/*/*/*"), key=lambda one: one.name)
    damaged = last / "1.npz"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 255
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match=r"1\.npz is damaged .* remove the folder"):
        coarsen(GRAPH, levels=1, out=folder, engine=ENGINE)
    shutil.rmtree(last)
    found = coarsen(GRAPH, levels=1, out=folder, engine=ENGINE)
    assert found.fingerprint == coarsen(GRAPH, levels=1).fingerprint


def test_snapshots_are_written_where_they_are_cheap(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, None, pause=1.0, share=1 / 32)
    one = {"written": 0, "price": 1000, "state": 0, "order": 0, "microseconds": 100_000}
    early, late = one | {"clock": 900_000}, one | {"clock": 1_000_000}
    assert not snapshots.due(attempt, [early, early], with_order=True)
    assert snapshots.due(attempt, [early, late], with_order=True)
    large = late | {"order": 31_000_000}  # 31 ms each
    after = late | {"clock": 1_100_000}
    assert snapshots.due(attempt, [large, after], with_order=True)
    assert not snapshots.due(attempt, [large, after | {"order": 31_000_000}], with_order=True)
    assert snapshots.due(attempt, [large, after | {"order": 31_000_000}], with_order=False)
    assert snapshots.due(attempt, [large, large], with_order=True)  # at the same time


def test_another_attempt_reads_no_mail_of_the_first(tmp_path: Path) -> None:
    letter = Answer(None, {1: message(node=np.array([7]))})
    post(tmp_path / "first" / "0", {0: letter})
    assert received(tmp_path / "second" / "0", [0, 1]) == {0: {}, 1: {}}
    inbox = received(tmp_path / "first" / "0", [1])[1]
    assert inbox[0]["node"].tolist() == [7]
