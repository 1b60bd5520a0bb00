"""The text files of Ultralytics: one a frame, one line a person, shares of the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.hgn_pose.files.texts import read_text
from examples.hgn_pose.lifting.conventions import CONVENTIONS, conventions_with
from examples.hgn_pose.lifting.detections import Rows
from examples.hgn_pose.lifting.found import Found
from multiscale_gcn.checks.arguments import shown

BOX = 5
"""Numbers before the joints: class, x, y, width and height of the box."""


def read_yolo(path: Path) -> Found:
    """Read the lines ``class x y w h``, then ``x y`` or ``x y confidence`` for each joint.

    After these a line may have the confidence of the box and the number of the person.

    Raises
    ------
    ValueError
        Naming the first line that is not so.
    """
    lines: list[tuple[int, list[float]]] = []
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            lines.append((number, [float(word) for word in text.split()]))
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: {shown(text)} is no line of numbers; give the files that "
                "Ultralytics writes with save_txt=True"
            ) from None
    rows: Rows = []
    for number, values in lines:
        joints, numbers = _division(len(values) - BOX, values, f"{path}, line {number}")
        table = np.array(values[BOX : BOX + joints * numbers]).reshape(joints, numbers)
        rest = values[BOX + joints * numbers :]
        last = rest[-1] if rest else None
        who = str(int(last)) if last is not None and (len(rest) == 2 or _is_id(last)) else None
        rows.append((0, who, table[:, :2], table[:, 2] if numbers == 3 else None))
    return Found(rows, facts={"normalised": True})


def _division(count: int, values: list[float], where: str) -> tuple[int, int]:
    """How many joints a line has, and numbers for each; COCO's 17 if that may be."""
    ways = [(numbers, more) for numbers in (3, 2) for more in (0, 1, 2)]
    fitting = []
    for numbers, more in ways:
        joints, left = divmod(count - more, numbers)
        if left or joints <= 0 or not conventions_with(joints):
            continue
        table = np.array(values[BOX : BOX + joints * numbers]).reshape(joints, numbers)
        if numbers == 2 or ((table[:, 2] >= 0) & (table[:, 2] <= 2)).all():
            fitting.append((joints, numbers))
    if fitting:
        usual = len(CONVENTIONS["coco17"].points)
        return min(fitting, key=lambda way: way[0] != usual)
    raise ValueError(
        f"{where}: {count + BOX} numbers are no class, box and joints of a known convention; give "
        "the files of a pose model, as Ultralytics writes them"
    )


def _is_id(value: float) -> bool:
    return value >= 1 and value.is_integer()
