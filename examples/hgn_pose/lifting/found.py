"""What a reader finds in a file, before it is checked and put in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.detections import Detections, Rows, collect
from multiscale_gcn.checks.arguments import shown, whole_number

Size = tuple[int, int]
NEAR = 0.3
"""How far joints move on average from frame to frame, in diagonals of the box around them."""
CONFIDENCE = (
    "confidence", "confidences", "conf", "confs", "c", "score", "scores", "s", "keypoint_scores",
    "keypoints_scores", "keypoint_score", "keypoints_score", "keypoints_conf", "kpt_scores",
    "likelihood", "prob", "probs", "probability", "p", "visibility", "visibilities", "visible",
    "vis", "v", "certainty", "presence",
)  # fmt: skip
"""What files call the confidence of a joint, the best first."""


@dataclass(frozen=True, eq=False)
class Found:
    """The rows of one file, and what it says beside them.

    Parameters
    ----------
    rows : list of Row
        May be empty: not every image shows a person.
    sizes : tuple of pair of int or None, optional
        Width and height of the image of each row, where images differ.
    facts : dict
        Other fields of :class:`examples.hgn_pose.lifting.detections.Detections`.
    notes : tuple of str
        What was left out or taken for granted.
    """

    rows: Rows
    sizes: tuple[Size | None, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def detections(self, source: str) -> Detections:
        """All in order; images of different sizes are brought to one.

        Raises
        ------
        ValueError
            If nobody is there, or as ``collect`` and ``Detections``.
        """
        rows, facts, notes = self.rows, self.facts, self.notes
        known = sorted({size for size in self.sizes if size})
        if len(known) == 1:
            facts = {**facts, "image_size": known[0]}
        elif known:
            rows, size = on_one_canvas(rows, self.sizes, source)
            facts = {**facts, "image_size": size}
            notes = (
                *notes,
                f"images of {len(known)} sizes: each is scaled to the width of the widest",
            )
        return collect(rows, source, notes, **facts)


def on_one_canvas(
    rows: Rows, sizes: Sequence[Size | None], source: str
) -> tuple[Rows, tuple[int, int]]:
    """Rows of images of different sizes as if each was scaled to the width of the widest.

    Their middles come to lie on each other. Seen from the middle in half widths, which is what the
    network takes, every joint stays where it is.

    Raises
    ------
    ValueError
        If the size of one is not known.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.found import on_one_canvas
    >>> rows = [(0, None, [[50.0, 25.0]], None), (1, None, [[100.0, 100.0]], None)]
    >>> moved, size = on_one_canvas(rows, [(100, 50), (200, 200)], "two.json")
    >>> size, moved[0][2].tolist(), moved[1][2].tolist()
    ((200, 200), [[100.0, 100.0]], [[100.0, 100.0]])
    """
    known = []
    for row, size in zip(rows, sizes, strict=True):
        if size is None:
            raise ValueError(
                f"{source}: the image of frame {shown(row[0])} has no width and height, and others "
                "have; say how large each is"
            )
        known.append(size)
    width = max(w for w, _ in known)
    height = max(-(-h * width // w) for w, h in known)
    moved: Rows = []
    for (frame, person, points, sure), (w, h) in zip(rows, known, strict=True):
        place = np.array(points, dtype=np.float64)
        lost = (place == 0).all(axis=1)
        place = (place - [0, h / 2]) * (width / w) + [0, height / 2]
        place[lost] = np.nan
        moved.append((frame, person, place, sure))
    return moved, (width, height)


def joined(parts: Iterable[tuple[int, Found]], source: str) -> Found:
    """Files of one frame each as one, by the numbers of the frames.

    Raises
    ------
    ValueError
        If they say different things.
    """
    rows: Rows = []
    sizes: list[Size | None] = []
    facts: dict[str, Any] = {}
    notes: dict[str, None] = {}
    for number, found in parts:
        rows += [(number, *row[1:]) for row in found.rows]
        size = found.facts.get("image_size")
        sizes += found.sizes or [size] * len(found.rows)
        notes |= dict.fromkeys(found.notes)
        for key, value in found.facts.items():
            if key != "image_size" and facts.setdefault(key, value) != value:
                raise ValueError(
                    f"{source}: {key} is {shown(facts[key])} in one file and {shown(value)} in "
                    f"that of frame {number}; keep one video in a folder"
                )
    if not any(sizes):
        sizes = []
    return Found(rows, tuple(sizes), facts, tuple(notes))


def one_a_frame(rows: Rows) -> tuple[Rows, tuple[str, ...]]:
    """Rows that say no frame: frames if each is where the one before was, else persons of one.

    Returns
    -------
    rows : list of Row
        Numbered.
    notes : tuple of str
        What was taken for granted.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.found import one_a_frame
    >>> row = (0, None, [[0.0, 0.0], [9.0, 9.0]], None)
    >>> [frame for frame, *_ in one_a_frame([row, row, row])[0]]
    [0, 1, 2]
    """
    places = [np.array(row[2], dtype=np.float64) for row in rows]
    places = [np.where((place == 0).all(axis=1, keepdims=True), np.nan, place) for place in places]
    for before, after in pairwise(places):
        both = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
        apart = np.linalg.norm(before[both] - after[both], axis=1).mean() if both.any() else 0.0
        size = np.linalg.norm(np.ptp(before[both], axis=0)) if both.any() else 1.0
        if apart > NEAR * size:
            return [(0, *row[1:]) for row in rows], ("no frames are named: all persons are of one",)
    if len(rows) < 2:
        return rows, ()
    return [(t, *row[1:]) for t, row in enumerate(rows)], (
        "no frames are named: every entry counts as one",
    )


def confidence_in(mark: Mapping[str, Any]) -> Any:
    """The confidence of one joint under one of the names of ``CONFIDENCE``, or None."""
    return next((mark[name] for name in CONFIDENCE if mark.get(name) is not None), None)


def confidences_in(person: Mapping[str, Any], count: int) -> list[Any] | None:
    """The confidences of all joints of a person; a number for the whole person is none of them."""
    given = (person.get(name) for name in CONFIDENCE)
    return next((one for one in given if isinstance(one, list) and len(one) == count), None)


def refuse_unread(
    holder: Mapping[str, Any], read: Collection[str], count: int, source: str
) -> None:
    """Refuse a person of whom a number for each joint stands under a name that nobody knows.

    Raises
    ------
    ValueError
        Naming it.
    """
    for name, value in holder.items():
        if (
            name not in read
            and name not in CONFIDENCE
            and isinstance(value, list | tuple | np.ndarray)
            and len(value) == count
            and all(isinstance(one, int | float | np.number) for one in value)
        ):
            raise ValueError(
                f"{source}: {shown(name)} holds a number for each of {count} joints, and is not "
                "read; if these are confidences call them confidence, else leave them out"
            )


def name_of(value: Any) -> str | None:
    """A person's id as text; some tools put it in a list, or -1 for none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or value == -1 or isinstance(value, list) else str(value)


def size_of(value: Any) -> Size | None:
    """Width and height, if they are there."""
    if value is None or None in tuple(value):
        return None
    width, height = value
    return whole_size((width, height))


def whole_size(size: tuple[float, float]) -> Size:
    """Width and height as integers, which they may be as floats too."""
    width, height = (int(n) if isinstance(n, float) and n.is_integer() else n for n in size)
    return whole_number(width, "width of the image"), whole_number(height, "height of the image")
