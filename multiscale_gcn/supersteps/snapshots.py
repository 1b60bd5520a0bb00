"""Answers of supersteps in files, with which the same call goes on when its process is dead.

::

    level-003/work/<what is asked>/<attempt>/0007-round/0.npz ...

A snapshot is whole when it has a file of every partition; each gets its name when it is written.
Every attempt writes into a folder of its own and reads one snapshot, whole before it began.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from multiscale_gcn.supersteps.packing import packed, unpacked
from multiscale_gcn.supersteps.task import Attempt, Tally

PAUSE = 1.0
SHARE = 1 / 32
"""See :class:`~multiscale_gcn.supersteps.task.Attempt`."""


def begin(work: Path, asked: Any, partitions: int) -> Attempt:
    """A new attempt, which begins with the last whole snapshot of what is asked for; all others
    are removed.

    Parameters
    ----------
    work : Path
        A folder that is there as long as the level is not finished.
    asked
        All that the level depends on, as JSON has it.
    partitions : int
    """
    home = work / hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    whole = [one for one in home.glob("*/*-*") if len(list(one.glob("*.npz"))) == partitions]
    start = max(whole, key=lambda one: one.name, default=None)
    for snapshot in work.glob("*/*/*"):
        if snapshot != start:
            shutil.rmtree(snapshot, ignore_errors=True)
    return Attempt(home / uuid4().hex, start, PAUSE, SHARE)


def due(attempt: Attempt, tallies: Sequence[Tally]) -> bool:
    """Whether the next superstep is written down; all partitions answer alike."""
    now = max(tally["clock"] for tally in tallies)
    last = max(tally["written"] for tally in tallies)
    cost = max(tally["writing"] for tally in tallies)
    return now - last >= max(1e6 * attempt.pause, cost / attempt.share)


def write(attempt: Attempt, superstep: int, name: str, index: int, answer: Any) -> None:
    """Write what a partition answers; of its files before, the last one stays."""
    path = attempt.folder / f"{superstep:06}-{name}" / f"{index}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{index}.{uuid4().hex}.part")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **packed(answer))  # type: ignore[arg-type]
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    before = sorted(attempt.folder.glob(f"*/{index}.npz"))
    for old in before[: before.index(path)][:-1]:
        old.unlink(missing_ok=True)


def read(attempt: Attempt, index: int) -> Any:
    """What a partition answered in the superstep that the attempt begins with.

    Raises
    ------
    ValueError
        If the file is damaged, as after a power failure.
    """
    assert attempt.start is not None
    path = attempt.start / f"{index}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return unpacked(dict(arrays))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is damaged ({error}); remove the folder {attempt.start}, and the same call "
            "begins the level again"
        ) from None
