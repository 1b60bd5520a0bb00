"""The folder of a whole hierarchy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiscale_gcn.checks.writing import whole_file
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.stored.level import META, StoredLevel

FORMAT = "multiscale_gcn.Hierarchy in a folder"
FORMAT_VERSION = 1
HIERARCHY = "hierarchy.json"


def level_folder(folder: Path, index: int) -> Path:
    """Where a level stands, or will."""
    return folder / f"level-{index:03}"


def is_finished(folder: Path, index: int) -> bool:
    """Whether a level is whole, and the parent map that leads to it."""
    return (level_folder(folder, index) / META).is_file()


def is_whole(folder: Path) -> bool:
    """Whether no more levels come."""
    return (folder / HIERARCHY).is_file()


def remove_from(folder: Path, index: int) -> None:
    """Remove a level, whole or not, and all coarser ones."""
    (folder / HIERARCHY).unlink(missing_ok=True)
    for level in folder.glob("level-*"):
        if level.name >= level_folder(folder, index).name:
            shutil.rmtree(level)


@contextmanager
def whole_or_none(level: Path) -> Iterator[None]:
    """Around the writing of a level, which says of a full disk what is whole.

    Raises
    ------
    OSError
        Naming the level.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(
            error.errno,
            f"{level} cannot be written: {error.strerror}; levels before it are whole: mend that, "
            "and the same call goes on",
        ) from error


def finish(folder: Path, num_levels: int, method: str) -> None:
    """Have all of it on the disk, and say, by rename, that no more levels come."""
    for path in folder.rglob("*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "num_levels": num_levels,
        "method": method,
    }
    with whole_file(folder / HIERARCHY) as file:
        file.write(json.dumps(content, indent=1).encode())


Contents = tuple[tuple[Level, ...], str, Rounding, int]
"""The levels, the method, the rounding and the version of the order."""


def open_levels(folder: Path) -> Contents:
    """All levels, mapped into memory.

    Raises
    ------
    ValueError
        If the folder holds no hierarchy, an unfinished or a damaged one.
    OSError
        If a file cannot be read.
    """
    try:
        content = json.loads((folder / HIERARCHY).read_text())
        if content["format"] != FORMAT or content["format_version"] > FORMAT_VERSION:
            raise ValueError(f"its format is {content['format']!r}, {content['format_version']}")
        num_levels, method = int(content["num_levels"]), str(content["method"])
        if num_levels < 1:
            raise ValueError(f"it has {num_levels} levels")
    except FileNotFoundError:
        if is_finished(folder, 0):
            raise ValueError(
                f"{folder} is not finished: it has levels, and no {HIERARCHY}; make the call again "
                "that began it, which goes on from the last level"
            ) from None
        raise ValueError(
            f"{folder} is a folder without {HIERARCHY}; coarsen(..., out=...) writes one"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{folder / HIERARCHY} is damaged, or not ours ({error}); make the call again that "
            "wrote it"
        ) from None
    try:
        stored = [StoredLevel.open(level_folder(folder, k)) for k in range(num_levels)]
        parents = [level.parent() for level in stored[:-1]]
    except FileNotFoundError as error:
        raise ValueError(
            f"{error.filename} is missing; make the call again that wrote {folder}"
        ) from None
    levels = tuple(
        level.as_level(parent) for level, parent in zip(stored, [*parents, None], strict=True)
    )
    meta = stored[0].meta
    return levels, method, meta.rounding, meta.order_version
