"""Runs that are cut short: the same call goes on, and nothing that is half written is taken."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from multiscale_gcn import CoarseningStalled, HeavyEdgeMatching, Hierarchy, as_graph, coarsen
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel, is_finished, level_folder
from multiscale_gcn.hierarchy.stored.arrays import ArrayWriter
from multiscale_gcn.outofcore import Task
from multiscale_gcn.outofcore.one_machine import OneMachine

GRAPH = as_graph(nx.grid_2d_graph(30, 31))
SIZES = [400, 150, 60, 20]

RUN = """
import sys, time
import networkx as nx
from multiscale_gcn import coarsen
from multiscale_gcn.outofcore.one_machine import OneMachine

class Slow(OneMachine):
    def step(self, fine, coarse, task):
        took = super().step(fine, coarse, task)
        print(fine.meta.index + 1, flush=True)
        if fine.meta.index + 1 == int(sys.argv[2]):
            time.sleep(60)  # all is written but meta.json
        return took

coarsen(nx.grid_2d_graph(30, 31), sizes=[400, 150, 60, 20], out=sys.argv[1], engine=Slow(50))
"""


class Counting(OneMachine):
    """Knows which levels it made."""

    made: list[int]

    def step(self, fine: StoredLevel, coarse: LevelWriter, task: Task) -> bool:
        self.made.append(fine.meta.index + 1)
        return super().step(fine, coarse, task)


def counting(entries: int = 50) -> Counting:
    engine = Counting(entries)
    object.__setattr__(engine, "made", [])
    return engine


def started(folder: Path, sleeps_at: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(folder), str(sleeps_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_run_goes_on_from_its_last_level(tmp_path: Path) -> None:
    with started(tmp_path, sleeps_at=3) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "3":
                break
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert [is_finished(tmp_path, k) for k in range(4)] == [True, True, True, False]
    assert level_folder(tmp_path, 3).exists()
    with pytest.raises(ValueError, match="not finished"):
        Hierarchy.load(tmp_path)
    engine = counting()
    found = coarsen(GRAPH, sizes=SIZES, out=tmp_path, engine=engine)
    expected = coarsen(GRAPH, sizes=SIZES)
    assert found.fingerprint == expected.fingerprint
    assert engine.made == [*range(3, len(expected))]
    again = counting()
    assert coarsen(GRAPH, sizes=SIZES, out=tmp_path, engine=again).sizes == expected.sizes
    assert again.made == []


def test_a_run_that_is_killed_anywhere_goes_on(tmp_path: Path) -> None:
    expected = coarsen(GRAPH, sizes=SIZES).fingerprint
    rng = np.random.default_rng(2)
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        with started(folder, sleeps_at=-1) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(float(rng.uniform(0, 0.05)))
            process.send_signal(signal.SIGKILL)
        assert coarsen(GRAPH, sizes=SIZES, out=folder).fingerprint == expected


@pytest.mark.parametrize("name", ["edges/weights.npy", "edges/indices.npy", "nodes/weights.npy"])
def test_a_level_that_lost_its_content_is_named(name: str, tmp_path: Path) -> None:
    coarsen(GRAPH, sizes=SIZES, out=tmp_path)
    (tmp_path / "hierarchy.json").unlink()  # as if the machine had gone down before
    path = level_folder(tmp_path, 2) / name
    content = bytearray(path.read_bytes())
    content[-4:] = b"\x00\x01\x02\x03"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="level-002 is damaged"):
        coarsen(GRAPH, sizes=SIZES, out=tmp_path)
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="bytes"):
        coarsen(GRAPH, sizes=SIZES, out=tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=f"{name} is missing"):
        coarsen(GRAPH, sizes=SIZES, out=tmp_path)
    level = level_folder(tmp_path, 2)
    for file in level.rglob("*"):
        if file.is_file():
            file.unlink()
    found = coarsen(GRAPH, sizes=SIZES, out=tmp_path)
    assert found.fingerprint == coarsen(GRAPH, sizes=SIZES).fingerprint


def test_a_damaged_folder_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    coarsen(GRAPH, levels=2, out=tmp_path)
    for path in (tmp_path / "hierarchy.json", level_folder(tmp_path, 1) / "meta.json"):
        before = path.read_text()
        for change in (
            "{", "[]", "{}",
            json.dumps({**json.loads(before), "format": "other"}),
            json.dumps({**json.loads(before), "format_version": 99}),
            json.dumps({**json.loads(before), "num_nodes": -1, "num_levels": -1}),
        ):  # fmt: skip
            path.write_text(change)
            with pytest.raises(ValueError, match="again"):
                Hierarchy.load(tmp_path)
        path.write_text(before)
    with pytest.raises(ValueError, match=r"coarsen\(\.\.\., out=\.\.\.\) writes one"):
        Hierarchy.load(tmp_path / "level-000")


@pytest.mark.parametrize("at", [0, 1, 7])
def test_a_full_disk_leaves_no_half_level(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, calls = ArrayWriter.append, [0]

    def fails(self: ArrayWriter, values: np.ndarray) -> None:
        calls[0] += 1
        if calls[0] > 4 + at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, values)

    monkeypatch.setattr(ArrayWriter, "append", fails)
    with pytest.raises(OSError, match=r"level-00\d cannot be written: No space left"):
        coarsen(GRAPH, sizes=SIZES, out=tmp_path / "levels", engine=OneMachine(50))
    monkeypatch.undo()
    levels = [*(tmp_path / "levels").iterdir()]
    assert all((level / "meta.json").exists() for level in levels)
    found = coarsen(GRAPH, sizes=SIZES, out=tmp_path / "levels")
    assert found.fingerprint == coarsen(GRAPH, sizes=SIZES).fingerprint


def test_what_stalls_is_told_with_what_was_reached(tmp_path: Path) -> None:
    options: dict[str, Any] = {"sizes": [1], "method": HeavyEdgeMatching(max_node_weight=2)}
    for _ in range(2):
        with pytest.raises(CoarseningStalled) as told:
            coarsen(nx.path_graph(4), out=tmp_path, **options)
        assert told.value.hierarchy.sizes == (4, 2)
    assert Hierarchy.load(tmp_path).sizes == (4, 2)
