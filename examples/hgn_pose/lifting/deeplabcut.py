"""DeepLabCut's HDF5 files: a table of pandas, as PyTables stores it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.files.unpickling import unpickle
from examples.hgn_pose.lifting.detections import MOST_DIGITS, ONLY, Rows, frame_number
from examples.hgn_pose.lifting.found import CONFIDENCE, Found
from multiscale_gcn.checks.archives import MOST_COMPRESSED
from multiscale_gcn.checks.arguments import shown

Column = tuple[str, ...]
"""Scorer, maybe an individual, body part, and x, y or likelihood."""


def read_deeplabcut(path: Path) -> Found:
    """Read a file of DeepLabCut, of one animal or several.

    Raises
    ------
    ValueError
        If it holds no such table.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError(
            f"{path} is an HDF5 file, and reading it needs h5py: pip install h5py, or give "
            "DeepLabCut's CSV file"
        ) from None
    with h5py.File(path, "r") as file:
        columns, index, values = _table(file, str(path), MOST_COMPRESSED * path.stat().st_size)
    return found_in_columns(columns, [_plain(one) for one in index], values, str(path))


def found_in_columns(
    columns: Sequence[Column], index: list[Any], values: np.ndarray, source: str
) -> Found:
    """The rows of a table whose columns are named by scorer, person, body part and coordinate.

    Parameters
    ----------
    columns : list of tuple of str, length C
        The last is the coordinate, the one before it the body part, and of four the second the
        person.
    index : list, length T
        Numbers of frames, or names of images.
    values : array of float, shape (T, C)

    Raises
    ------
    ValueError
        If a body part lacks a coordinate.
    """
    place = {
        (_who(column), column[-2], column[-1].lower()): row for row, column in enumerate(columns)
    }
    joints = list(dict.fromkeys(column[-2] for column in columns))
    people = list(dict.fromkeys(_who(column) for column in columns))
    if len(columns) != values.shape[1] or values.ndim != 2 or len(index) != len(values):
        raise ValueError(f"{source}: {len(columns)} columns have values of shape {values.shape}")
    if len(place) < len(columns):
        raise ValueError(f"{source} has two columns of one name; keep one scorer")
    kinds = {column[-1].lower() for column in columns}
    sure = next((name for name in CONFIDENCE if name in kinds), None)
    tables = []
    for person in people:
        own = [joint for joint in joints if (person, joint, "x") in place]
        if not own and person != "single":
            raise ValueError(f"{source} has no column x of {shown(person or joints[0])}")
        table = np.full((len(values), len(joints), 3), np.nan)
        for row, joint in enumerate(joints):
            if joint not in own:
                continue
            for axis, coordinate in enumerate(("x", "y", sure)):
                key = (person, joint, str(coordinate))
                if axis == 2 and key not in place:
                    table[:, row, 2] = 1.0
                elif key not in place:
                    raise ValueError(f"{source} has no column {coordinate} of {shown(joint)}")
                else:
                    table[:, row, axis] = values[:, place[key]]
        tables.append(table)
    numbers = [_frame(one, row, source) for row, one in enumerate(index)]
    rows: Rows = [
        (number, ONLY if person is None else person, table[t, :, :2], table[t, :, 2])
        for t, number in enumerate(numbers)
        for person, table in zip(people, tables, strict=True)
        if np.isfinite(table[t, :, :2]).any()
    ]
    unread = sorted(kinds - {"x", "y", str(sure)})
    notes = (f"not read of each joint: {', '.join(unread)}",) if unread else ()
    return Found(rows, facts={"names": tuple(joints), "normalised": False}, notes=notes)


def _who(column: Column) -> str | None:
    return column[1] if len(column) == 4 else None


def _frame(value: Any, row: int, source: str) -> int:
    """The number of a frame: a number, the last one in an image's name, or the row."""
    text = str(value[-1] if isinstance(value, tuple) else value)
    name = text.replace("\\", "/").rsplit("/", 1)[-1]
    digits = "".join(c if c.isdecimal() else " " for c in name.rsplit(".", 1)[0]).split()
    if not digits:
        return row
    return frame_number(digits[-1][-MOST_DIGITS:], source)


def _table(file: Any, source: str, most: int) -> tuple[list[Column], list[Any], np.ndarray]:
    for name in file:
        if type(file.get(name, getlink=True)).__name__ != "HardLink":
            continue
        group = file[name]
        read = _Group(group, source, most)
        if read.has("table") and "non_index_axes" in group.attrs:
            return _appendable(read)
        if read.has("block0_values"):
            return _fixed(read)
    raise ValueError(
        f"{source} holds no table of DeepLabCut; it holds "
        f"{', '.join(map(shown, file)) or 'nothing'}"
    )


class _Group:
    """A group of a file of strangers, whose data sets are no larger than the file can hold."""

    def __init__(self, group: Any, source: str, most: int) -> None:
        self.group, self.source, self.most = group, source, most
        self.attrs = group.attrs

    def has(self, name: str) -> bool:
        """Whether there is a data set of that name."""
        return (
            hasattr(self.group, "items")
            and type(self.group.get(name, getlink=True)).__name__ == "HardLink"
            and hasattr(self.group[name], "dtype")
        )

    def stored(self, name: str) -> Any:
        """The data set, unread."""
        if not self.has(name):
            raise ValueError(f"{self.source} lacks {name}; give a whole file of DeepLabCut")
        found = self.group[name]
        if found.dtype.hasobject or found.nbytes > self.most or found.external or found.is_virtual:
            raise ValueError(
                f"{self.source}: {name} is {found.dtype} of shape {found.shape}, more than the "
                "file holds"
            )
        return found

    def array(self, name: str) -> np.ndarray:
        """What is in the data set."""
        content: np.ndarray = self.stored(name)[()]
        return content


def _appendable(read: _Group) -> tuple[list[Column], list[Any], np.ndarray]:
    """pandas' format "table": rows with an index and a block of values."""
    table = read.stored("table")
    packed = table.attrs.get("values_block_0_kind")
    fields = table.dtype.names or ()
    blocks = [name for name in fields if name.startswith("values_block_")]
    index = [name for name in fields if name not in blocks]
    if len(blocks) != 1 or not index or packed is None:
        raise ValueError(
            f"{read.source}: its table has the fields {', '.join(fields)}; expected one block of "
            "values; write it anew with DeepLabCut, or give the CSV file"
        )
    names = unpickle(io.BytesIO(bytes(packed)), f"{read.source}, the columns of its table")
    rows = read.array("table")
    columns = [tuple(str(part) for part in name) for name in names]
    return columns, rows[index[-1]].tolist(), np.array(rows[blocks[0]], dtype=np.float64)


def _fixed(read: _Group) -> tuple[list[Column], list[Any], np.ndarray]:
    """pandas' format "fixed": values, and levels and labels of the columns."""
    columns = _levels(read, "block0_items")
    index = (
        read.array("axis1").tolist()
        if read.has("axis1")
        else [name[-1] for name in _levels(read, "axis1")]
    )
    return columns, index, np.array(read.array("block0_values"), dtype=np.float64)


def _levels(read: _Group, name: str) -> list[Column]:
    """The names of an axis that has several levels."""
    parts = []
    for level in range(min(int(read.attrs[f"{name}_nlevels"]), 9)):
        names = [str(_plain(one)) for one in read.array(f"{name}_level{level}")]
        parts.append([names[label] for label in read.array(f"{name}_label{level}")])
    return list(zip(*parts, strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.item() if isinstance(value, np.generic) else value
