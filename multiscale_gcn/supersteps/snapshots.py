"""What supersteps begin with in files, from which the same call goes on when its process is dead.

::

    level-003/work/<what is asked>/<attempt>/000007-round/0.npz ...

A snapshot is whole when it has a file of every partition; each gets its name when it is written.
Every attempt writes into a folder of its own and reads one snapshot, whole before it began.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from multiscale_gcn.supersteps.packing import packed, size_packed, unpacked
from multiscale_gcn.supersteps.task import Attempt, Tally

PAUSE = 1.0
SHARE = 1 / 20
"""See :class:`~multiscale_gcn.supersteps.task.Attempt`."""
PRICE = 2000
"""Microseconds that a megabyte takes, before any was written."""


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


def due(attempt: Attempt, tallies: Sequence[Tally], with_order: bool) -> bool:
    """Whether what the next superstep begins with is worth its time; all partitions answer alike.

    Parameters
    ----------
    attempt : Attempt
    tallies : sequence of Tally
        Of all partitions.
    with_order : bool
        Whether the next superstep asks for the order of the edges.
    """
    now = max(tally["clock"] for tally in tallies)
    since = now - max(tally["written"] for tally in tallies)
    size = sum(tally["state"] + (tally["order"] if with_order else 0) for tally in tallies)
    work = sum(tally["microseconds"] for tally in tallies)
    span = now - min(tally["clock"] - tally["microseconds"] for tally in tallies)
    at_once = max(1.0, work / max(span, 1))
    cost = size / 1e6 * max(tally["price"] for tally in tallies) / at_once
    return since >= max(1e6 * attempt.pause, cost / attempt.share)


def counted(tallies: Sequence[Tally], sizes: tuple[int, int], paid: int | None) -> Tally:
    """What :func:`due` asks of a partition.

    Parameters
    ----------
    tallies : sequence of Tally
        Of the superstep before.
    sizes : tuple of int
        Bytes of what the next superstep begins with, and of the order of the edges.
    paid : int, optional
        Microseconds a megabyte, if what this superstep began with was written.
    """
    clock = time.time_ns() // 1000
    written = max((tally["written"] for tally in tallies), default=clock)
    price = max((tally["price"] for tally in tallies), default=PRICE)
    if paid is not None:
        written, price = clock, paid
    return {
        "clock": clock,
        "written": written,
        "price": price,
        "state": sizes[0],
        "order": sizes[1],
    }


def write(attempt: Attempt, name: str, index: int, content: Any) -> int:
    """Write what a partition begins a superstep with; of its files before, the last one stays.

    Returns
    -------
    int
        Microseconds a megabyte.
    """
    begin = time.perf_counter_ns()
    superstep = content[2][index]["superstep"] + 1
    path = attempt.folder / f"{superstep:06}-{name}" / f"{index}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{index}.{uuid4().hex}.part")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **packed(content))  # type: ignore[arg-type]
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    before = sorted(attempt.folder.glob(f"*/{index}.npz"))
    for old in before[: before.index(path)][:-1]:
        old.unlink(missing_ok=True)
    megabytes = max(size_packed(content) / 1e6, 1.0)
    return int((time.perf_counter_ns() - begin) / 1e3 / megabytes)


def read(attempt: Attempt, index: int) -> Any:
    """What a partition begins the first superstep of the attempt with.

    Raises
    ------
    ValueError
        If the file is damaged, as after a power failure.
    """
    assert attempt.start is not None
    path = attempt.start / f"{index}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state, mail, tallies, order = unpacked(dict(arrays))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is damaged ({error}); remove the folder {attempt.start}, and the same call "
            "goes on without it"
        ) from None
    clock = time.time_ns() // 1000
    return state, mail, [tally | {"written": clock} for tally in tallies], order
