"""JSON files with a mapping or a list for each joint: MediaPipe's, TensorFlow.js's, one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.detections import Rows
from examples.hgn_pose.lifting.found import (
    CONFIDENCE,
    Found,
    confidence_in,
    confidences_in,
    name_of,
    one_a_frame,
    refuse_unread,
)
from examples.hgn_pose.lifting.times import pace, times_named

FRAME_KEYS = (
    "frame", "frame_id", "frameId", "frame_index", "frameIndex", "frame_idx", "frame_number",
    "frame_num",
)  # fmt: skip
LANDMARK_KEYS = (
    "pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose", "joints",
)  # fmt: skip
"""Under which the landmarks of a frame, or of the persons in it, stand."""
TIMES = ("time", "timestamp", "timestamp_ms", "t", "image", "file", "filename", "image_name")
WORLD_KEYS = ("pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks", "world_landmarks")
FEWEST_JOINTS = 8


def frame_of(frame: Mapping[str, Any], place: int) -> Any:
    """The number that a frame gives itself, or its place."""
    return next((frame[key] for key in FRAME_KEYS if frame.get(key) is not None), place)


def from_landmarks(content: Any, source: str) -> Found | None:
    """MediaPipe: a list of 33 landmarks for each frame or person, under a key or bare.

    A landmark is a mapping with x and y, as ``MessageToDict`` writes it, maybe with a name, or a
    list x, y, z, visibility.
    """
    frames = _frames(content)
    if frames is None:
        return None
    rows: Rows = []
    names: set[tuple[str, ...]] = set()
    numbered = True
    timed = any(isinstance(f, Mapping) and set(f) & {*FRAME_KEYS, *TIMES} for f in frames)
    for place, frame in enumerate(frames):
        number, persons = place, frame
        who = None
        if isinstance(frame, Mapping):
            number = frame_of(frame, place)
            who = name_of(frame.get("id", frame.get("person_id")))
            key = next((k for k in LANDMARK_KEYS if k in frame), None)
            if key is None and any(k in frame for k in WORLD_KEYS):
                raise ValueError(
                    f"{source} holds world landmarks, which are 3D joints in metres; predict takes "
                    "the 2D ones: pose_landmarks"
                )
            persons = frame.get(key) if key is not None else None
            numbered &= timed or key != "keypoints" or not _is_marks(persons)
        for person in _persons(persons):
            points, sure, named = _marks(person)
            if isinstance(frame, Mapping):
                refuse_unread(frame, LANDMARK_KEYS, len(points), source)
                apart = confidences_in(frame, len(points))
                if apart is not None:
                    sure = np.array(apart, dtype=np.float64)
            rows.append((number, who, points, sure))
            names.add(named)
    if len(names) > 1:
        raise ValueError(f"{source}: the landmarks of a person have other names than the first's")
    facts: dict[str, Any] = {}
    named = names.pop() if names else ()
    if named:
        facts["names"] = named
        facts["normalised"] = bool(rows) and _reach(rows) <= 2
    elif rows and len(rows[0][2]) == len(CONVENTIONS["mediapipe33"].points):
        facts = {"convention": "mediapipe33", "normalised": True}
    elif rows:
        facts["normalised"] = _reach(rows) <= 2
    rows, notes = (rows, ()) if numbered else one_a_frame(rows)
    timing, told = _pace(frames)
    return Found(rows, facts={**facts, **timing}, notes=(*notes, *told))


def _pace(frames: list[Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """The pace of frames that say when they were taken."""
    if not all(isinstance(frame, Mapping) for frame in frames):
        return {}, ()
    numbers = [frame_of(frame, place) for place, frame in enumerate(frames)]
    name = next((key for key in frames[0] if times_named(key)), None)
    if name is None or not all(isinstance(number, int) for number in numbers):
        return {}, ()
    fps, notes = pace(numbers, [frame.get(name) for frame in frames], name)
    return ({}, ()) if fps is None else ({"fps": fps}, notes)


def from_named_joints(content: Any, source: str) -> Found | None:
    """For each frame a mapping of joints' names to x, y and a confidence."""
    frames = [content] if isinstance(content, Mapping) else content
    if not isinstance(frames, list) or not frames:
        return None
    rows: Rows = []
    names: dict[str, None] = {}
    tables = []
    for place, frame in enumerate(frames):
        if not isinstance(frame, Mapping):
            return None
        inner = next((frame[k] for k in LANDMARK_KEYS if isinstance(frame.get(k), Mapping)), frame)
        marks = {str(name): mark for name, mark in inner.items() if _is_mark(mark)}
        if len(marks) < FEWEST_JOINTS:
            return None
        who = name_of(frame.get("id", frame.get("person_id")))
        tables.append((frame_of(frame, place), who, marks))
        names |= dict.fromkeys(marks)
    for number, who, marks in tables:
        read = [_mark(marks[name]) if name in marks else (np.nan,) * 3 for name in names]
        values = np.array(read, dtype=np.float64)
        rows.append((number, who, values[:, :2], _sure(values[:, 2])))
    return Found(rows, facts={"names": tuple(names), "normalised": _reach(rows) <= 2})


def _frames(content: Any) -> list[Any] | None:
    """What was found frame by frame, if it is landmarks."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list) or not content:
        return None
    if _is_marks(content):
        return [content]
    if all(isinstance(one, Mapping) for one in content):
        return content if any(_holds_marks(one) for one in content) else None
    if all(one is None or isinstance(one, list) for one in content):
        some = [one for one in content if one]
        if some and all(_is_marks(one) or all(map(_is_marks, one)) for one in some):
            return content
        if some and all(isinstance(p, Mapping) and _holds_marks(p) for one in some for p in one):
            return [[_inner(p) for p in one or []] for one in content]
    return None


def _holds_marks(frame: Mapping[str, Any]) -> bool:
    if any(key in frame for key in WORLD_KEYS):
        return True
    inner = _inner(frame)
    if isinstance(inner, Mapping):
        inner = inner.get("landmark")
    return _is_marks(inner) or (isinstance(inner, list) and any(map(_is_marks, inner)))


def _inner(frame: Mapping[str, Any]) -> Any:
    return next((frame[key] for key in LANDMARK_KEYS if key in frame), None)


def _persons(found: Any) -> list[Any]:
    """The lists of landmarks of all persons in a frame."""
    if isinstance(found, Mapping):
        found = found["landmark"]
    if not found:
        return []
    if _is_marks(found):
        return [found]
    persons = [one["landmark"] if isinstance(one, Mapping) else one for one in found]
    return [person for person in persons if person]


def _is_marks(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= FEWEST_JOINTS and all(map(_is_mark, value))


def _is_mark(value: Any) -> bool:
    if isinstance(value, Mapping):
        return {"x", "y"} <= set(value) or isinstance(value.get("position"), Mapping)
    return (
        isinstance(value, list)
        and 2 <= len(value) <= 4
        and all(isinstance(number, int | float | None) for number in value)
    )


def _marks(person: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Points, confidences and names of one person's landmarks."""
    values = np.array([_mark(mark) for mark in person], dtype=np.float64)
    given = np.isfinite(values[:, 2])
    third = values[:, 2]
    if all(isinstance(mark, list) and len(mark) == 3 for mark in person) and (third < 0).any():
        given[:] = False  # x, y, z
    sure = _sure(np.where(given, third, np.nan))
    names = [
        str(mark.get("name", mark.get("part", "")) if isinstance(mark, Mapping) else "")
        for mark in person
    ]
    return values[:, :2], sure, tuple(names) if all(names) else ()


def _sure(given: np.ndarray) -> np.ndarray:
    """Confidences, where some may not be given: all or none, as zeros may be left out."""
    there = np.isfinite(given)
    return np.where(there, given, 0.0 if there.any() else 1.0)


def _mark(mark: Any) -> tuple[Any, Any, Any]:
    """x, y and confidence of a landmark; the last is NaN where it says none."""
    if isinstance(mark, Mapping):
        place = mark.get("position", mark)
        sure = confidence_in({key: mark[key] for key in CONFIDENCE if key in mark})
        return place["x"], place["y"], np.nan if sure is None else sure
    if len(mark) == 4:
        return mark[0], mark[1], mark[3]
    return mark[0], mark[1], mark[2] if len(mark) == 3 else np.nan


def _reach(rows: Rows) -> float:
    return max((float(np.nanmax(np.abs(row[2]), initial=0)) for row in rows), default=0.0)
