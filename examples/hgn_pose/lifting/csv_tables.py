"""CSV tables of 2D joints: one line a joint, or one line a person."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np

from examples.hgn_pose.files.texts import read_text
from examples.hgn_pose.lifting.detections import (
    MOST_DIGITS,
    ONLY,
    Detections,
    Rows,
    collect,
    frame_number,
)
from multiscale_gcn.checks.arguments import shown

MOST_JOINTS = 1000
"""Of a person. One line can name any joint, and every frame needs room for all of them."""
_CONFIDENCE = ("confidence", "conf", "c", "score", "likelihood", "visibility")


def read_csv(path: Path) -> Detections:
    """Read a table with one line a joint, or one line a person.

    Raises
    ------
    ValueError
        Naming the first line that is wrong.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(path), newline="")) if row]
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}; save it as one") from None
    head = [name.strip() for name in rows[0]] if rows else []
    twice = [name for name, count in Counter(filter(None, head)).items() if count > 1]
    if twice:
        raise ValueError(f"{path} has two columns {twice[0]}; give each a name of its own")
    lines = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) < len(head) or any(row[len(head) :]):
            raise ValueError(
                f"{path}, line {number}: it has {len(row)} columns, the first line {len(head)}; "
                "give a whole table"
            )
        lines.append(dict(zip(head, row, strict=False)))
    if "frame" not in head:
        raise ValueError(f"{path} has no column frame; its columns are {', '.join(head)}")
    long = {"joint", "x", "y"} <= set(head)
    return _long_csv(path, head, lines) if long else _wide_csv(path, head, lines)


def _wide_csv(path: Path, head: list[str], lines: list[dict[str, str]]) -> Detections:
    joints = [name[:-2] for name in head if name.endswith("_x") and f"{name[:-2]}_y" in head]
    if not joints:
        raise ValueError(
            f"{path} has neither the columns joint, x, y nor any pair <joint>_x, <joint>_y"
        )
    sure = [next((f"{j}_{c}" for c in _CONFIDENCE if f"{j}_{c}" in head), None) for j in joints]
    rows: Rows = []
    for number, line in enumerate(lines, start=2):
        place = [[_number(path, number, line, f"{j}_{axis}") for axis in "xy"] for j in joints]
        c = [1.0 if name is None else _number(path, number, line, name) for name in sure]
        rows.append((_frame(path, number, line), line.get("person") or None, place, c))
    return collect(_one_a_frame(head, rows), str(path), names=tuple(joints))


def _long_csv(path: Path, head: list[str], lines: list[dict[str, str]]) -> Detections:
    for line in lines:
        line["joint"] = line["joint"].strip()
    names = list(dict.fromkeys(line["joint"] for line in lines))
    numbered = all(name.isdecimal() for name in names)
    count = max((int(name[:MOST_DIGITS]) + 1 for name in names if numbered), default=len(names))
    if max(count, len(names)) > MOST_JOINTS:
        raise ValueError(
            f"{path} has the joint {shown(names[-1])} and so at least {max(count, len(names))} "
            f"joints a person, more than {MOST_JOINTS}; number them 0, 1, 2, ..."
        )
    if numbered:
        names = [str(joint) for joint in range(count)]
        for line in lines:
            line["joint"] = str(int(line["joint"]))
    place_of = {name: i for i, name in enumerate(names)}
    sure = next((c for c in _CONFIDENCE if c in head), None)
    found: dict[tuple[int, str | None], np.ndarray] = {}
    for number, line in enumerate(lines, start=2):
        key = (_frame(path, number, line), line.get("person") or None)
        table = found.setdefault(key, np.full((len(names), 3), np.nan))
        joint = place_of[line["joint"]]
        if not np.isnan(table[joint]).all():
            raise ValueError(f"{path}, line {number}: a second {line['joint']} in frame {key[0]}")
        table[joint] = [
            _number(path, number, line, "x"),
            _number(path, number, line, "y"),
            1.0 if sure is None else _number(path, number, line, sure),
        ]
    rows: Rows = [(*key, table[:, :2], table[:, 2]) for key, table in found.items()]
    names_known = None if numbered else tuple(names)
    return collect(_one_a_frame(head, rows), str(path), names=names_known)


def _one_a_frame(head: list[str], rows: Rows) -> Rows:
    """The rows, of one person if no column names persons and no frame has two."""
    if "person" in head or len({frame for frame, *_ in rows}) < len(rows):
        return rows
    return [(frame, ONLY, points, sure) for frame, _, points, sure in rows]


def _frame(path: Path, number: int, line: dict[str, str]) -> int:
    where = f"{path}, line {number}"
    text = line["frame"].strip()
    if text.removeprefix("-").isdecimal():
        return frame_number(text, where)
    return frame_number(_number(path, number, line, "frame"), where)


def _number(path: Path, number: int, line: dict[str, str], column: str) -> float:
    text = line[column]
    try:
        return float(text) if text.strip() else float("nan")
    except ValueError:
        raise ValueError(f"{path}, line {number}: {column} is {shown(text)}, no number") from None
