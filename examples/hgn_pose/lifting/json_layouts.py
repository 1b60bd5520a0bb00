"""The JSON files of pose detectors, recognised by their structure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.array_layouts import POINTS, TEXTS, found_in_arrays
from examples.hgn_pose.lifting.detections import Detections, Rows
from examples.hgn_pose.lifting.detector_layouts import (
    all_have,
    frame_numbers,
    from_coco,
    from_kinetics,
    from_mmpose,
    from_openpose,
    from_ultralytics,
    from_vitpose,
    is_person,
    triples,
)
from examples.hgn_pose.lifting.found import (
    Found,
    joined,
    name_of,
    one_a_frame,
    refuse_unread,
    size_of,
)
from examples.hgn_pose.lifting.landmark_layouts import frame_of, from_landmarks, from_named_joints

LAYOUTS = (
    "this example's own (frames), OpenPose (people), COCO annotations or results and AlphaPose "
    "(keypoints with image_id), MMPose (instance_info), easy_ViTPose (keypoints, skeleton), "
    "Kinetics skeletons (skeleton, pose), Ultralytics (box, keypoints with x and y), "
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
            points, sure = triples(person["keypoints"], person)
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
    said = {"fps": known["fps"]} if "fps" in known else {}
    return Found(found.rows, found.sizes, {**known, **found.facts, **said}, found.notes)


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
    if not all_have(frames):
        return None
    key = next((key for key in PERSONS if all(isinstance(f.get(key), list) for f in frames)), None)
    if key is None and not all(is_person(frame) for frame in frames):
        return None
    if key and not all(is_person(one) for frame in frames for one in frame[key]):
        return None
    rows: Rows = []
    numbered = key is not None or any(frame_of(frame, -1) != -1 for frame in frames)
    for place, frame in enumerate(frames):
        for person in frame[key] if key else [frame]:
            points, sure = triples(person["keypoints"], person)
            refuse_unread(person, ("keypoints", "bbox", "box"), len(points), source)
            who = name_of(person.get("id", person.get("track_id", person.get("person_id"))))
            rows.append((frame_of(frame, place), who, points, sure))
    rows, notes = (rows, ()) if numbered else one_a_frame(rows)
    return Found(rows, notes=notes)


PERSONS = ("persons", "people", "instances", "detections", "objects")
"""What frames call the list of those who are in them."""


def _wrapped(content: Any, source: str) -> Found | None:
    if not isinstance(content, Mapping):
        return None
    inside = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping | list)]
    return _of_a_film(content, inside[0], source) if len(inside) == 1 else None


_READERS: dict[str, Callable[[Any, str], Found | None]] = {
    "no person": _nobody,
    "own": _own,
    "openpose": from_openpose,
    "coco": from_coco,
    "mmpose": from_mmpose,
    "ultralytics": from_ultralytics,
    "easy_ViTPose": from_vitpose,
    "Kinetics skeletons": from_kinetics,
    "arrays": _arrays,
    "persons": _persons,
    "mediapipe": from_landmarks,
    "a mapping by frame": _by_frame,
    "a mapping of joints": from_named_joints,
    "a wrapper": _wrapped,
}
