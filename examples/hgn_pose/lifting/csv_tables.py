"""CSV tables of 2D joints: one line a joint, one line a person, or DeepLabCut's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from examples.hgn_pose.lifting.csv_text import Table, read_table
from examples.hgn_pose.lifting.deeplabcut import found_in_columns
from examples.hgn_pose.lifting.detections import MOST_DIGITS, ONLY, Rows, frame_number
from examples.hgn_pose.lifting.found import CONFIDENCE, Found
from examples.hgn_pose.lifting.times import pace, times_named
from multiscale_gcn.checks.arguments import shown

MOST_JOINTS = 1000
"""Of a person. One line can name any joint, and every frame needs room for all of them."""
FRAME = (
    "frame", "frameid", "framenumber", "frameno", "framenum", "frameindex", "frameidx",
    "framecount", "imageid", "imageindex", "image", "imagename", "img", "file", "filename",
)  # fmt: skip
PERSON = (
    "person", "personid", "personidx", "personindex", "trackid", "track", "individual", "subject",
    "player", "playerid", "pid", "objectid", "id", "idx", "poseindex", "poseid", "instance",
    "instanceid",
)  # fmt: skip
JOINT = (
    "joint", "jointname", "jointid", "jointindex", "landmark", "landmarkname", "landmarkid",
    "landmarkindex", "keypoint", "keypointname", "keypointid", "keypointindex", "kp", "kpid",
    "kptid", "bodypart", "part", "partid", "point", "pointid", "node", "name", "marker",
)  # fmt: skip
X, Y = ("x", "xpx", "xpixel", "xpixels", "px", "xcoord", "u"), (
    "y", "ypx", "ypixel", "ypixels", "py", "ycoord", "v"
)  # fmt: skip
"""What columns are called, without case and separators; the best first."""
HARMLESS = ("z", "zpx", "zcoord", "worldx", "worldy", "worldz", "presence")
"""What a joint may have beside its place and its confidence; it is said that it was not read."""
SURE = tuple(name.replace("_", "") for name in CONFIDENCE)
INDEX = ("", "index", "unnamed: 0")
"""What tables call the numbers of their lines."""
NO_JOINTS = {
    "min", "max", "bbox", "box", "bboxmin", "bboxmax", "boxmin", "boxmax", "center", "centre",
    "bboxcenter", "boxcenter", "image", "origin",
}  # fmt: skip
"""What may have an x and a y beside joints."""


def read_csv(path: Path) -> Found:
    """Read a table of any of the forms that ``docs/predict.md`` names.

    Raises
    ------
    ValueError
        Naming the first line that is wrong, or the columns that nobody knows.
    """
    table = read_table(path)
    if len(table.heads) > 1:
        return _under_each_other(table)
    head = table.heads[0]
    twice = [name for name, count in Counter(filter(None, head)).items() if count > 1]
    if twice:
        raise ValueError(f"{path} has two columns {twice[0]}; give each a name of its own")
    long = all(_find(head, names) is not None for names in (JOINT, X, Y))
    return _long(table) if long else _wide(table)


def _under_each_other(table: Table) -> Found:
    """Heads under each other: body parts above coordinates, maybe scorer and person above."""
    coordinates = {"x", "y", *CONFIDENCE, *HARMLESS, ""}
    rows = [
        row
        for row, head in enumerate(table.heads)
        if {"x", "y"} <= {cell.lower() for cell in head[1:]}
    ]
    if not rows or rows[-1] == 0:
        raise ValueError(
            f"{table.source}: of its {len(table.heads)} lines above the numbers none has x and y "
            "below the names of joints; give one line of names, or DeepLabCut's"
        )
    row = rows[-1]
    last = table.heads[row]
    chosen = [place for place, cell in enumerate(last) if cell.lower() in coordinates and cell]
    above = [head[0].lower() for head in table.heads]
    people = above.index("individuals") if "individuals" in above[:row] else None
    part = list(table.heads[row - 1])
    for place in range(1, len(part)):
        part[place] = part[place] or part[place - 1]
    who = [""] * len(last) if people is None else table.heads[people]
    columns = [
        ("", part[place], last[place])
        if people is None
        else ("", who[place], part[place], last[place])
        for place in chosen
    ]
    values = np.array(
        [
            [table.number(line, f"column {p + 1}", cells[p]) for p in chosen]
            for line, cells in table.lines
        ]
    ).reshape(len(table.lines), len(chosen))
    # Frames, or names of images in one column or several, stand before the joints.
    index = [
        cells[min(chosen) - 1] if min(chosen) else str(t)
        for t, (_, cells) in enumerate(table.lines)
    ]
    return found_in_columns(columns, index, values, table.source)


@dataclass(frozen=True)
class _Column:
    """A column of a table with one line a person: which joint, and what of it."""

    place: int
    joint: str
    part: str


def _wide(table: Table) -> Found:
    head = table.heads[0]
    frame, person = _find(head, FRAME), _find(head, PERSON)
    if frame is None and head[0].lower() in INDEX and _counts_up(table):
        frame = 0
    columns = [
        column
        for place, name in enumerate(head)
        if place not in (frame, person) and (column := _column(place, name))
    ]
    by_joint: dict[str, dict[str, int]] = {}
    for column in columns:
        before = by_joint.setdefault(column.joint, {}).setdefault(column.part, column.place)
        if before != column.place:
            raise ValueError(
                f"{table.source} has two columns for one thing, {head[before]} and "
                f"{head[column.place]}; give each joint one of them"
            )
    joints = {
        joint: parts
        for joint, parts in by_joint.items()
        if {"x", "y"} <= set(parts) and _letters(joint) not in NO_JOINTS
    }
    if not joints:
        raise ValueError(
            f"{table.source} has neither the columns joint, x, y nor any pair <joint>_x, <joint>_y"
            + ("" if frame is not None else ", and no column frame")
            + f"; its columns are {_listed(head)}"
        )
    if len(joints) > MOST_JOINTS:
        raise ValueError(f"{table.source} has {len(joints)} joints, more than {MOST_JOINTS}")
    if frame is None and person is not None:
        raise ValueError(
            f"{table.source} has no column frame, but {head[person]}; number the frames, as one "
            f"may show several people; its columns are {_listed(head)}"
        )
    numbered = [
        row if frame is None else _frame(table, line, head[frame], cells[frame])
        for row, (line, cells) in enumerate(table.lines)
    ]
    time, timing, told = _pace(table, numbered)
    notes = [*_unread(table, {frame, person, time}, by_joint, joints), *told]
    names = list(joints)
    numbers = _numbers(names)
    if numbers is not None:
        names = sorted(names, key=lambda name: numbers[name])
        gap = next((n for n, name in enumerate(names) if numbers[name] != n), None)
        if gap is not None:
            raise ValueError(
                f"{table.source} has no joint {gap}, and others up to {names[-1]}; give all of them"
            )
    sure = [next((joints[j][c] for c in SURE if c in joints[j]), None) for j in names]
    rows: Rows = []
    for row, (line, cells) in enumerate(table.lines):
        place = [
            [table.number(line, head[p], cells[p]) for p in (joints[j]["x"], joints[j]["y"])]
            for j in names
        ]
        c = [1.0 if p is None else table.number(line, head[p], cells[p]) for p in sure]
        rows.append((numbered[row], _who(person, cells), place, c))
    if frame is None:
        notes.append("there is no column frame: every line counts as one")
    found = _one_a_frame(person is not None, rows)
    named = {} if numbers is not None else {"names": tuple(names)}
    return Found(found, facts={**named, **timing}, notes=tuple(notes))


def _unread(
    table: Table,
    taken: set[int | None],
    by_joint: dict[str, dict[str, int]],
    joints: dict[str, dict[str, int]],
) -> list[str]:
    """Notes of columns that were not read; refuse those that may be confidences."""
    head = table.heads[0]
    read = {place for place in taken if place is not None}
    odd: list[str] = []
    harmless: list[str] = []
    for joint, parts in by_joint.items():
        best = next((c for c in SURE if c in parts), None)
        for part, place in parts.items():
            if joint in joints and part in ("x", "y", best):
                read.add(place)
    for place, name in enumerate(head):
        if place in read or not name:
            continue
        column = _column(place, name)
        if column is not None:
            known = column.part in HARMLESS or column.part in SURE
            known |= _letters(column.joint) in NO_JOINTS
        else:
            known = not any(_letters(name).startswith(_letters(joint)) for joint in joints)
        (harmless if known else odd).append(name)
    if odd:
        raise ValueError(
            f"{table.source} has columns of joints that are not read: {_listed(odd)}; call "
            "confidences <joint>_confidence, give every joint an x and a y, and leave out the rest"
        )
    return [f"columns that were not read: {_listed(harmless)}"] if harmless else []


def _long(table: Table) -> Found:
    head = table.heads[0]
    frame, person = _find(head, FRAME), _find(head, PERSON)
    joint, x, y = _find(head, JOINT), _find(head, X), _find(head, Y)
    assert joint is not None
    assert x is not None
    assert y is not None
    if person == joint:
        person = None
    sure = _find([name if p != y else "" for p, name in enumerate(head)], CONFIDENCE)
    labels = [cells[joint].strip() for _, cells in table.lines]
    names = list(dict.fromkeys(labels))
    numbers = _numbers(names)
    count = len(names) if numbers is None else max(numbers.values(), default=-1) + 1
    if max(count, len(names)) > MOST_JOINTS:
        raise ValueError(
            f"{table.source} has the joint {shown(names[-1])} and so at least "
            f"{max(count, len(names))} joints a person, more than {MOST_JOINTS}; number them 0, 1, "
            "2, ..."
        )
    place_of = numbers or {name: i for i, name in enumerate(names)}
    found: dict[tuple[int, str | None], np.ndarray] = {}
    for (line, cells), label in zip(table.lines, labels, strict=True):
        number = 0 if frame is None else _frame(table, line, head[frame], cells[frame])
        key = (number, _who(person, cells))
        joints = found.setdefault(key, np.full((count, 3), np.nan))
        row = place_of[label]
        if not np.isnan(joints[row]).all():
            raise ValueError(
                f"{table.source}, line {line}: a second {label} in frame {number}"
                + ("; there is no column frame" if frame is None else "")
            )
        joints[row] = [
            table.number(line, head[x], cells[x]),
            table.number(line, head[y], cells[y]),
            1.0 if sure is None else table.number(line, head[sure], cells[sure]),
        ]
    rows: Rows = [(*key, joints[:, :2], joints[:, 2]) for key, joints in found.items()]
    each = [
        0 if frame is None else _frame(table, line, head[frame], cells[frame])
        for line, cells in table.lines
    ]
    time, timing, told = _pace(table, each)
    others = [
        name
        for place, name in enumerate(head)
        if name and place not in (frame, person, joint, x, y, sure, time)
    ]
    doubtful = [
        n for n in others if _letters(n) not in HARMLESS and _like_confidence(table, head.index(n))
    ]
    if doubtful and sure is None:
        raise ValueError(
            f"{table.source} has columns that are not read and may be confidences: "
            f"{_listed(doubtful)}; call the confidence so, or leave them out"
        )
    notes = (f"columns that were not read: {_listed(others)}",) if others else ()
    notes = (*notes, *told)
    if frame is None:
        notes = (*notes, "there is no column frame: all lines are of one")
    facts = {} if numbers is not None else {"names": tuple(names)}
    return Found(_one_a_frame(person is not None, rows), facts={**facts, **timing}, notes=notes)


def _pace(
    table: Table, frames: Sequence[int]
) -> tuple[int | None, dict[str, float], tuple[str, ...]]:
    """The column of times from which a pace is read, the pace, and what is to be said of it."""
    head = table.heads[0]
    for place, name in enumerate(head):
        if times_named(name):
            fps, notes = pace(frames, [cells[place] for _, cells in table.lines], name)
            if fps is not None:
                return place, {"fps": fps}, notes
    return None, {}, ()


def _counts_up(table: Table) -> bool:
    """Whether the first column has rising whole numbers."""
    cells = [cells[0].strip() for _, cells in table.lines]
    if not all(cell.isdecimal() and len(cell) < MOST_DIGITS for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return all(a < b for a, b in pairwise(numbers))


def _like_confidence(table: Table, place: int) -> bool:
    """Whether a column holds numbers from 0 to 1 that differ."""
    try:
        numbers = [float(cells[place]) for _, cells in table.lines if cells[place].strip()]
    except ValueError:
        return False
    return len(set(numbers)) > 1 and all(0 <= number <= 1 for number in numbers)


_WORDS = re.compile(r"[^\W_]+")
_GLUED_FIRST = re.compile(r"([A-Za-z]+)(\d+)")
_GLUED_LAST = re.compile(r"(.*[^\W_]?)(\d|[a-z])([XY])")
_PARTS = {"x", "y", *SURE, *HARMLESS}


def _column(place: int, name: str) -> _Column | None:
    """The joint of a column and what of it, by ``nose_x``, ``x_nose``, ``NOSE.X``, ``x0``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if words[-1:] in (["px"], ["pixel"], ["pixels"]) and len(words) > 2:
        words = words[:-1]
    for joined in (2, 1):
        if len(words) <= joined:
            continue
        last, first = "".join(words[-joined:]), "".join(words[:joined])
        if last in _PARTS:
            return _Column(place, "_".join(words[:-joined]), last)
        if first in _PARTS:
            return _Column(place, "_".join(words[joined:]), first)
    glued = _GLUED_FIRST.fullmatch(name.strip())
    if glued and glued[1].lower() in _PARTS:
        return _Column(place, glued[2], glued[1].lower())
    if glued := _GLUED_LAST.fullmatch(name.strip()):
        return _Column(place, glued[1] + glued[2], glued[3].lower())
    return None


_NUMBERED = re.compile(r"([^\W\d_]*)[\W_]*(\d+)")


def _numbers(names: Sequence[str]) -> dict[str, int] | None:
    """The number of each joint, from 0, where joints are numbered and not named."""
    matches = [_NUMBERED.fullmatch(name) for name in names]
    if not names or len({match and match[1] for match in matches}) > 1 or not matches[0]:
        return None
    numbers = {
        name: int(match[2][:MOST_DIGITS])
        for name, match in zip(names, matches, strict=True)
        if match
    }
    if len(set(numbers.values())) < len(numbers):
        return None
    from_one = min(numbers.values()) == 1 and max(numbers.values()) == len(numbers)
    return {name: number - from_one for name, number in numbers.items()}


def _one_a_frame(with_persons: bool, rows: Rows) -> Rows:
    """The rows, of one person if no column names persons and no frame has two."""
    if with_persons or len({frame for frame, *_ in rows}) < len(rows):
        return rows
    return [(frame, ONLY, points, sure) for frame, _, points, sure in rows]


def _find(head: Sequence[str], names: Iterable[str]) -> int | None:
    letters = [_letters(name) for name in head]
    return next(
        (
            letters.index(name.replace("_", ""))
            for name in names
            if name.replace("_", "") in letters
        ),
        None,
    )


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _who(person: int | None, cells: list[str]) -> str | None:
    return None if person is None else cells[person].strip() or None


def _frame(table: Table, line: int, name: str, cell: str) -> int:
    where, text = f"{table.source}, line {line}", cell.strip()
    if text.removeprefix("-").isdecimal():
        return frame_number(text, where)
    image = re.fullmatch(r".*?(\d+)\.(?:jpe?g|png|bmp|tiff?|webp)", text, re.IGNORECASE)
    if image:
        return frame_number(image[1][-MOST_DIGITS:], where)
    return frame_number(table.number(line, name, cell), where)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
