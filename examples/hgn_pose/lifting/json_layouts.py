"""The JSON files of pose detectors, recognised by their structure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.array_layouts import POINTS, TEXTS, found_in_arrays
from examples.hgn_pose.lifting.detections import MOST_DIGITS, Detections, Rows
from examples.hgn_pose.lifting.found import (
    Found,
    confidences_in,
    joined,
    name_of,
    one_a_frame,
    refuse_unread,
    size_of,
)
from examples.hgn_pose.lifting.landmark_layouts import frame_of, from_landmarks, from_named_joints
from multiscale_gcn.checks.arguments import shown

LAYOUTS = (
    "this example's own (frames), OpenPose (people), COCO annotations or results and AlphaPose "
    "(keypoints with image_id), MMPose (instance_info), Ultralytics (box, keypoints with x and y), "
    "MediaPipe (pose_landmarks), TensorFlow.js (keypoints with name), a mapping of joints"
)
WRAPPERS = ("predictions", "results", "data", "detections", "poses")
"""Keys under which tools put all that they found."""


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
    >>> from_json(openpose, "0_keypoints.json").points.shape
    (1, 25, 2)
    """
    return found_in_json(content, source).detections(source)


def found_in_json(content: Any, source: str) -> Found:
    """The same before it is checked; it may be empty.

    Raises
    ------
    ValueError
        As :func:`from_json`.
    """
    for name, reader in _READERS.items():
        try:
            found = reader(content, source)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{source} looks like the layout of {name}, but cannot be read: "
                f"{type(error).__name__} {error}"
            ) from None
        if found is not None:
            return found
    raise ValueError(f"{source} has none of the known layouts: {LAYOUTS}")


def _nobody(content: Any, source: str) -> Found | None:
    return Found([]) if isinstance(content, list | Mapping) and not content else None


def _own(content: Any, source: str) -> Found | None:
    if not isinstance(content, Mapping) or "frames" not in content:
        return None
    frames = content["frames"]
    if isinstance(frames, list) and frames and not any("persons" in frame for frame in frames):
        return _of_a_film(content, frames, source)
    rows: Rows = []
    for frame in frames:
        for person in frame["persons"]:
            points, sure = _triples(person["keypoints"], person)
            refuse_unread(person, ("keypoints",), len(points), source)
            rows.append((frame["frame"], name_of(person.get("id")), points, sure))
    names = content.get("joints")
    facts = {
        "convention": content.get("convention"),
        "names": names and tuple(names),
        "normalised": content.get("normalised"),
        "image_size": size_of(content.get("image_size")),
        "fps": content.get("fps"),
    }
    return Found(rows, facts=facts)


def _of_a_film(content: Mapping[str, Any], frames: list[Any], source: str) -> Found:
    """Frames of another layout, in a file that says more of the film."""
    found = found_in_json(frames, source)
    size = content.get("image_size") or (content.get("width"), content.get("height"))
    facts = {"image_size": size_of(size), "fps": content.get("fps")}
    known = {name: value for name, value in facts.items() if value is not None}
    return Found(found.rows, found.sizes, {**known, **found.facts}, found.notes)


def _openpose(content: Any, source: str) -> Found | None:
    frames = [content] if isinstance(content, Mapping) else content
    if not _all_have(frames) or not all("people" in frame or "bodies" in frame for frame in frames):
        return None
    if all(_is_person(one) for frame in frames for one in frame.get("people", [{}])):
        return None
    rows: Rows = []
    sizes = []
    for place, frame in enumerate(frames):
        for person in frame["people"] if "people" in frame else frame["bodies"]:
            values = next((person[key] for key in _OPENPOSE_KEYS if person.get(key)), None)
            if values is None and person.get("pose_keypoints_3d"):
                raise ValueError(
                    f"{source} holds 3D joints alone (pose_keypoints_3d); predict takes the 2D "
                    "ones: run OpenPose without --3d"
                )
            if values is None:
                if _OPENPOSE_KEYS[0] in person:
                    continue
                raise KeyError(_OPENPOSE_KEYS[0])
            points, sure = _triples(values, person)
            who = person.get("person_id") or None
            rows.append((frame_of(frame, place), name_of(who), points, sure))
            sizes.append(size_of((frame.get("canvas_width"), frame.get("canvas_height"))))
    return Found(rows, tuple(sizes), {"normalised": None})


_OPENPOSE_KEYS = ("pose_keypoints_2d", "pose_keypoints", "joints")


def _coco(content: Any, source: str) -> Found | None:
    images: dict[Any, Any] = {}
    names = None
    if isinstance(content, Mapping) and "annotations" in content:
        entries = content["annotations"]
        images = {image["id"]: image for image in content.get("images", [])}
        named = [c["keypoints"] for c in content.get("categories", []) if c.get("keypoints")]
        names = tuple(named[0]) if named else None
    elif _all_have(content, "image_id", "keypoints"):
        entries = content
    else:
        return None
    entries = [entry for entry in entries if entry.get("keypoints")]
    numbers = frame_numbers([entry["image_id"] for entry in entries], source)
    rows: Rows = []
    sizes = []
    for number, entry in zip(numbers, entries, strict=True):
        points, sure = _triples(entry["keypoints"], entry)
        if not np.any(points):
            continue
        refuse_unread(entry, ("keypoints", "bbox", "box"), len(points), source)
        who = entry.get("track_id", entry.get("idx"))
        rows.append((number, name_of(who), points, sure))
        image = images.get(entry["image_id"], {})
        sizes.append(size_of((image.get("width"), image.get("height"))))
    if not any(sizes):
        sizes = []
    return Found(rows, tuple(sizes), {"names": names, "normalised": False})


def _mmpose(content: Any, source: str) -> Found | None:
    names = None
    if isinstance(content, Mapping) and "instance_info" in content:
        numbered = content.get("meta_info", {}).get("keypoint_id2name", {})
        names = tuple(numbered[key] for key in sorted(numbered, key=int)) or None
        frames = content["instance_info"]
    else:
        frames = content
    keys = ("keypoints", "keypoint_scores")
    if _all_have(frames, *keys):
        frames = [{"frame_id": 0, "instances": frames}]
    elif _lists(frames) and all(not frame or _all_have(frame, *keys) for frame in frames):
        frames = [{"frame_id": t, "instances": frame} for t, frame in enumerate(frames)]
    if not _all_have(frames, "frame_id", "instances"):
        return None
    rows: Rows = []
    for frame in frames:
        for one in frame["instances"]:
            points = np.array(one["keypoints"], dtype=np.float64)
            if points.ndim == 2 and points.shape[1] == 3:
                raise ValueError(
                    f"{source} holds 3D joints, as MMPose's lifters write them; predict takes the "
                    "2D joints of a detector"
                )
            refuse_unread(one, ("keypoints", "keypoint_scores", "bbox"), len(points), source)
            who = name_of(one.get("track_id"))
            rows.append((frame["frame_id"], who, points, one["keypoint_scores"]))
    return Found(rows, facts={"names": names, "normalised": False})


def _ultralytics(content: Any, source: str) -> Found | None:
    frames = [content] if _all_have(content, "box", "keypoints") else content
    if not _lists(frames) or not all(not f or _all_have(f, "box", "keypoints") for f in frames):
        return None
    rows: Rows = []
    largest = 0.0
    for number, persons in enumerate(frames):
        for person in persons:
            joints = person["keypoints"]
            place = np.array([joints["x"], joints["y"]], dtype=np.float64).T
            refuse_unread(joints, ("x", "y"), len(place), source)
            who = name_of(person.get("track_id"))
            rows.append((number, who, place, confidences_in(joints, len(place))))
            largest = max(largest, *map(float, person["box"].values()))
    return Found(rows, facts={"normalised": True} if rows and 0 < largest <= 1 else {})


def _by_frame(content: Any, source: str) -> Found | None:
    """A mapping of numbers of frames, or of names of images, to what was found there."""
    if not isinstance(content, Mapping) or not content:
        return None
    if not all(_FRAME.fullmatch(str(key)) for key in content):
        return None
    if not all(isinstance(value, Mapping | list) for value in content.values()):
        return None
    keys = [int(key) if str(key).isdecimal() else key for key in content]
    numbers = frame_numbers(keys, source)
    found = [found_in_json(value, source) for value in content.values()]
    return joined(zip(numbers, found, strict=True), source)


_FRAME = re.compile(
    r"\d{1,20}|.*\.(?:jpe?g|png|bmp|tiff?|webp)|(?:frame|img|image)[_ -]?\d{1,20}", re.I
)


def _arrays(content: Any, source: str) -> Found | None:
    """The arrays of an npz file as nested lists."""
    if not isinstance(content, Mapping):
        return None
    arrays: dict[str, Any] = {}
    for name, value in content.items():
        try:
            arrays[name] = np.array(value, dtype=str if name in TEXTS else np.float64)
        except (TypeError, ValueError, OverflowError):
            arrays[name] = value
    joints = next((arrays[name] for name in POINTS if name in arrays), None)
    if not isinstance(joints, np.ndarray) or joints.ndim not in (3, 4):
        return None
    for name in ("frame", "image_size"):
        if isinstance(arrays.get(name), np.ndarray):
            arrays[name] = np.array(content[name])
    return found_in_arrays(arrays, source)


def _persons(content: Any, source: str) -> Found | None:
    """Frames that hold lists of persons, each with keypoints; or persons without frames."""
    frames = [content] if isinstance(content, Mapping) else content
    if not _all_have(frames):
        return None
    key = next((key for key in PERSONS if all(isinstance(f.get(key), list) for f in frames)), None)
    if key is None and not all(_is_person(frame) for frame in frames):
        return None
    if key and not all(_is_person(one) for frame in frames for one in frame[key]):
        return None
    rows: Rows = []
    numbered = key is not None or any(frame_of(frame, -1) != -1 for frame in frames)
    for place, frame in enumerate(frames):
        for person in frame[key] if key else [frame]:
            points, sure = _triples(person["keypoints"], person)
            refuse_unread(person, ("keypoints", "bbox", "box"), len(points), source)
            who = name_of(person.get("id", person.get("track_id", person.get("person_id"))))
            rows.append((frame_of(frame, place), who, points, sure))
    rows, notes = (rows, ()) if numbered else one_a_frame(rows)
    return Found(rows, notes=notes)


PERSONS = ("persons", "people", "instances", "detections", "objects")
"""What frames call the list of those who are in them."""


def _is_person(value: Any) -> bool:
    joints = value.get("keypoints") if isinstance(value, Mapping) else None
    if not isinstance(joints, list) or not joints:
        return False
    flat = all(isinstance(number, int | float) for number in joints)
    return flat or all(isinstance(one, list) and len(one) in (2, 3) for one in joints)


def _wrapped(content: Any, source: str) -> Found | None:
    if not isinstance(content, Mapping):
        return None
    inside = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping | list)]
    return _of_a_film(content, inside[0], source) if len(inside) == 1 else None


_READERS: dict[str, Callable[[Any, str], Found | None]] = {
    "no person": _nobody,
    "own": _own,
    "openpose": _openpose,
    "coco": _coco,
    "mmpose": _mmpose,
    "ultralytics": _ultralytics,
    "arrays": _arrays,
    "persons": _persons,
    "mediapipe": from_landmarks,
    "a mapping by frame": _by_frame,
    "a mapping of joints": from_named_joints,
    "a wrapper": _wrapped,
}


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


def _lists(content: Any) -> bool:
    """Whether it is a list of lists, not all of which are empty."""
    return isinstance(content, list) and any(content) and all(isinstance(c, list) for c in content)


def _all_have(content: Any, *keys: str) -> bool:
    return (
        isinstance(content, Sequence)
        and not isinstance(content, str)
        and len(content) > 0
        and all(isinstance(one, Mapping) and all(key in one for key in keys) for one in content)
    )


def _triples(values: Any, person: Mapping[str, Any]) -> tuple[np.ndarray, Any]:
    """Points and confidence of x, y, c, x, y, c, ..., flat or one list a joint.

    Where they are pairs, the confidence may stand elsewhere in the person.
    """
    array = np.array(values, dtype=np.float64)
    if array.ndim == 1:
        if array.size % 3:
            raise ValueError(
                f"{shown(array.size)} keypoint values are no triples of x, y, confidence"
            )
        array = array.reshape(-1, 3)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise ValueError(f"keypoints of shape {array.shape} are no rows of x, y, confidence")
    if array.shape[1] == 3:
        return array[:, :2], array[:, 2]
    sure = confidences_in(person, len(array))
    return array, np.ones(len(array)) if sure is None else sure
