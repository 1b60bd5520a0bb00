"""The JSON files of pose detectors, recognised by their structure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.detections import MOST_DIGITS, Detections, Rows, collect
from multiscale_gcn.checks.arguments import whole_number

LAYOUTS = (
    "this example's own (frames), OpenPose (people), COCO annotations or results and AlphaPose "
    "(keypoints with image_id), MMPose (instance_info), Ultralytics (box, keypoints with x and y), "
    "MediaPipe (pose_landmarks)"
)


def from_json(content: Any, source: str) -> Detections:
    """Read a parsed JSON file of any layout in ``LAYOUTS``.

    Parameters
    ----------
    content : dict or list
        The parsed file.
    source : str
        Its name, for messages.

    Raises
    ------
    ValueError
        If the layout is not known, or a value is not what the layout has there.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.json_layouts import from_json
    >>> openpose = {"people": [{"pose_keypoints_2d": [310.0, 120.5, 0.9] * 25}]}
    >>> found = from_json(openpose, "0_keypoints.json")
    >>> found.convention, found.points.shape
    ('body25', (1, 25, 2))
    """
    for reader in (_own, _openpose, _coco, _mmpose, _ultralytics, _mediapipe):
        try:
            found = reader(content, source)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{source} looks like the layout of {reader.__name__[1:]}, but cannot be read: "
                f"{type(error).__name__} {error}"
            ) from None
        if found is not None:
            return found
    raise ValueError(f"{source} has none of the known layouts: {LAYOUTS}")


def _own(content: Any, source: str) -> Detections | None:
    if not isinstance(content, Mapping) or "frames" not in content:
        return None
    rows: Rows = [
        (frame["frame"], _name(person.get("id")), *_triples(person["keypoints"]))
        for frame in content["frames"]
        for person in frame["persons"]
    ]
    names = content.get("joints")
    return collect(
        rows,
        source,
        convention=content.get("convention"),
        names=names and tuple(names),
        normalised=content.get("normalised"),
        image_size=_size(content.get("image_size")),
        fps=content.get("fps"),
    )


def _openpose(content: Any, source: str) -> Detections | None:
    if not isinstance(content, Mapping) or "people" not in content:
        return None
    return openpose_frames([(0, content)], source)


def openpose_frames(frames: Iterable[tuple[int, Any]], source: str) -> Detections:
    """The persons of OpenPose's files, each for one frame."""
    rows: Rows = []
    for number, content in frames:
        for person in content["people"]:
            [name] = person.get("person_id") or [-1]
            values = person["pose_keypoints_2d"]
            rows.append((number, None if name == -1 else str(name), *_triples(values)))
    body25 = bool(rows) and len(rows[0][2]) == len(CONVENTIONS["body25"].points)
    return collect(rows, source, convention="body25" if body25 else None, normalised=False)


def _coco(content: Any, source: str) -> Detections | None:
    images: dict[Any, Any] = {}
    names = None
    if isinstance(content, Mapping) and "annotations" in content:
        entries = content["annotations"]
        images = {image["id"]: image for image in content.get("images", [])}
        named = [c["keypoints"] for c in content.get("categories", []) if c.get("keypoints")]
        names = tuple(named[0]) if named else None
    elif isinstance(content, Sequence) and _all_have(content, "image_id", "keypoints"):
        entries = content
    else:
        return None
    entries = [entry for entry in entries if entry.get("keypoints")]
    numbers = frame_numbers([entry["image_id"] for entry in entries], source)
    rows: Rows = []
    for number, entry in zip(numbers, entries, strict=True):
        who = entry.get("track_id", entry.get("idx"))
        rows.append((number, _name(who), *_triples(entry["keypoints"])))
    sizes = {_size((i.get("width"), i.get("height"))) for i in images.values()} - {None}
    if len(sizes) > 1:
        raise ValueError(
            f"{source} has images of {len(sizes)} sizes; predict one image, or one video, at a time"
        )
    return collect(
        rows, source, names=names, normalised=False, image_size=sizes.pop() if sizes else None
    )


def _mmpose(content: Any, source: str) -> Detections | None:
    names = None
    if isinstance(content, Mapping) and "instance_info" in content:
        numbered = content.get("meta_info", {}).get("keypoint_id2name", {})
        names = tuple(numbered[key] for key in sorted(numbered, key=int)) or None
        frames = content["instance_info"]
    else:
        frames = content
    if not isinstance(frames, Sequence):
        return None
    if _all_have(frames, "keypoints", "keypoint_scores"):
        frames = [{"frame_id": 0, "instances": frames}]
    if not _all_have(frames, "frame_id", "instances"):
        return None
    rows: Rows = [
        (
            frame["frame_id"],
            _name(one.get("track_id")),
            np.array(one["keypoints"], dtype=np.float64)[:, :2],
            one["keypoint_scores"],
        )
        for frame in frames
        for one in frame["instances"]
    ]
    return collect(rows, source, names=names, normalised=False)


def _ultralytics(content: Any, source: str) -> Detections | None:
    frames = [content] if _all_have(content, "box", "keypoints") else content
    if not isinstance(frames, Sequence) or not any(frames):
        return None
    if not all(isinstance(f, list) and (not f or _all_have(f, "box", "keypoints")) for f in frames):
        return None
    rows: Rows = []
    for number, persons in enumerate(frames):
        for person in persons:
            joints = person["keypoints"]
            place = np.array([joints["x"], joints["y"]], dtype=np.float64).T
            rows.append((number, _name(person.get("track_id")), place, joints.get("visible")))
    return collect(rows, source)


_LANDMARK_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks")


def _mediapipe(content: Any, source: str) -> Detections | None:
    frames = [content] if isinstance(content, Mapping) else content
    if not isinstance(frames, Sequence) or not _all_have(frames):
        return None
    key = next((k for k in _LANDMARK_KEYS if any(k in frame for frame in frames)), None)
    if key is None:
        return None
    rows: Rows = []
    for place, frame in enumerate(frames):
        persons = frame.get(key) or []
        persons = [persons] if _all_have(persons, "x", "y") else persons
        for person in persons:
            points = [(mark["x"], mark["y"]) for mark in person]
            sure = [mark.get("visibility", 1.0) for mark in person]
            rows.append((frame.get("frame", place), None, points, sure))
    return collect(rows, source, convention="mediapipe33", normalised=True)


def frame_numbers(ids: Sequence[Any], source: str) -> list[int]:
    """Frame numbers from image ids: numbers, or file names that end in one.

    Raises
    ------
    ValueError
        If several frames bear no number, as their order in time is then unknown.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.json_layouts import frame_numbers
    >>> frame_numbers(["walk_0007.jpg", "walk_0008.jpg"], "alphapose.json")
    [7, 8]
    """
    if len(set(ids)) == 1 and not isinstance(ids[0], int):
        return [0] * len(ids)
    numbers: list[int] = []
    for name in ids:
        if isinstance(name, int):
            numbers.append(name)
            continue
        digits: Callable[[str], list[str]] = re.compile(r"\d+").findall
        found = digits(str(name).rsplit("/", 1)[-1].rsplit(".", 1)[0])
        if not found:
            raise ValueError(
                f"{source}: the frame {name!r} bears no number, so its place in time is unknown; "
                "number the images, or predict one at a time"
            )
        numbers.append(int(found[-1][-MOST_DIGITS:]))
    if len(set(numbers)) != len(set(ids)):
        raise ValueError(
            f"{source}: several images bear the same last number; predict one video at a time"
        )
    return numbers


def _all_have(content: Any, *keys: str) -> bool:
    return (
        isinstance(content, Sequence)
        and not isinstance(content, str)
        and len(content) > 0
        and all(isinstance(one, Mapping) and all(key in one for key in keys) for one in content)
    )


def _triples(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points and confidence of x, y, c, x, y, c, ..., flat or one list a joint."""
    array = np.array(values, dtype=np.float64)
    if array.ndim == 1:
        if array.size % 3:
            raise ValueError(f"{array.size} keypoint values are no triples of x, y, confidence")
        array = array.reshape(-1, 3)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise ValueError(f"keypoints of shape {array.shape} are no rows of x, y, confidence")
    sure = array[:, 2] if array.shape[1] == 3 else np.ones(len(array))
    return array[:, :2], sure


def _name(value: Any) -> str | None:
    return None if value is None or isinstance(value, list) else str(value)


def _size(value: Any) -> tuple[int, int] | None:
    if value is None or None in tuple(value):
        return None
    width, height = value
    return whole_size((width, height))


def whole_size(size: tuple[float, float]) -> tuple[int, int]:
    """Width and height as integers, which they may be as floats too."""
    width, height = (int(n) if isinstance(n, float) and n.is_integer() else n for n in size)
    return whole_number(width, "width of the image"), whole_number(height, "height of the image")
