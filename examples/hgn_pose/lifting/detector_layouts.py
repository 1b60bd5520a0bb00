"""The JSON files that OpenPose, COCO, AlphaPose, MMPose, ViTPose and Ultralytics write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.detections import MOST_DIGITS, Rows
from examples.hgn_pose.lifting.found import (
    Found,
    confidences_in,
    name_of,
    refuse_unread,
    size_of,
)
from examples.hgn_pose.lifting.landmark_layouts import frame_of
from multiscale_gcn.checks.arguments import shown

_OPENPOSE_KEYS = ("pose_keypoints_2d", "pose_keypoints", "joints")


def from_openpose(content: Any, source: str) -> Found | None:
    """OpenPose: ``people``, of one frame or in a list of frames; AlphaPose: ``bodies``."""
    frames = [content] if isinstance(content, Mapping) else content
    if not all_have(frames) or not all("people" in frame or "bodies" in frame for frame in frames):
        return None
    if all(is_person(one) for frame in frames for one in frame.get("people", [{}])):
        return None
    rows: Rows = []
    sizes = []
    for place, frame in enumerate(frames):
        for person in frame["people"] if "people" in frame else frame["bodies"]:
            if person == {}:  # nobody, as Pose2Sim writes it
                continue
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
            points, sure = triples(values, person)
            who = person.get("person_id") or None
            rows.append((frame_of(frame, place), name_of(who), points, sure))
            sizes.append(size_of((frame.get("canvas_width"), frame.get("canvas_height"))))
    return Found(rows, tuple(sizes), {"normalised": None})


def from_coco(content: Any, source: str) -> Found | None:
    """COCO: annotations, or results with ``image_id``, as AlphaPose and Detectron2 have them."""
    images: dict[Any, Any] = {}
    names = None
    if isinstance(content, Mapping) and "annotations" in content:
        entries = content["annotations"]
        images = {image["id"]: image for image in content.get("images", [])}
        named = [c["keypoints"] for c in content.get("categories", []) if c.get("keypoints")]
        names = tuple(named[0]) if named else None
    elif all_have(content, "image_id", "keypoints"):
        entries = content
    else:
        return None
    entries = [entry for entry in entries if entry.get("keypoints")]
    numbers = frame_numbers([entry["image_id"] for entry in entries], source)
    rows: Rows = []
    sizes = []
    for number, entry in zip(numbers, entries, strict=True):
        points, sure = triples(entry["keypoints"], entry)
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


def from_mmpose(content: Any, source: str) -> Found | None:
    """MMPose: ``instance_info``, lists of instances, or lists of frames."""
    names = None
    if isinstance(content, Mapping) and "instance_info" in content:
        numbered = content.get("meta_info", {}).get("keypoint_id2name", {})
        names = tuple(numbered[key] for key in sorted(numbered, key=int)) or None
        frames = content["instance_info"]
    else:
        frames = content
    keys = ("keypoints", "keypoint_scores")
    if all_have(frames, *keys):
        frames = [{"frame_id": 0, "instances": frames}]
    elif lists(frames) and all(not frame or all_have(frame, *keys) for frame in frames):
        frames = [{"frame_id": t, "instances": frame} for t, frame in enumerate(frames)]
    if not all_have(frames, "frame_id", "instances"):
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


def from_ultralytics(content: Any, source: str) -> Found | None:
    """Ultralytics: ``box``, and ``keypoints`` with lists ``x`` and ``y``."""
    frames = [content] if all_have(content, "box", "keypoints") else content
    if not lists(frames) or not all(not f or all_have(f, "box", "keypoints") for f in frames):
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


def from_vitpose(content: Any, source: str) -> Found | None:
    """easy_ViTPose: for each frame joints y, x, score by person, and ``skeleton`` with names."""
    if not isinstance(content, Mapping) or not isinstance(content.get("skeleton"), Mapping):
        return None
    frames: Any = content.get("keypoints")
    if not all_have(frames):
        return None
    numbered = content["skeleton"]
    names = tuple(numbered[key] for key in sorted(numbered, key=int))
    rows: Rows = []
    for number, frame in enumerate(frames):
        for who, joints in frame.items():
            place = np.array(joints, dtype=np.float64).reshape(len(joints), 3)
            rows.append((number, name_of(who), place[:, 1::-1], place[:, 2]))
    return Found(rows, facts={"names": names, "normalised": False})


def from_kinetics(content: Any, source: str) -> Found | None:
    """Skeletons of Kinetics, as ST-GCN has them: OpenPose's joints as shares of the image."""
    frames: Any = content.get("data") if isinstance(content, Mapping) else None
    if not all_have(frames, "frame_index", "skeleton"):
        return None
    rows: Rows = []
    for frame in frames:
        for person in frame["skeleton"]:
            place = np.array(person["pose"], dtype=np.float64).reshape(-1, 2)
            rows.append((frame["frame_index"], None, place, person["score"]))
    return Found(rows, facts={"normalised": True})


def frame_numbers(ids: Sequence[Any], source: str) -> list[int]:
    """Frame numbers from image ids: numbers, or file names that end in one.

    Raises
    ------
    ValueError
        If several frames bear no number, as their order in time is then unknown.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.detector_layouts import frame_numbers
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


def lists(content: Any) -> bool:
    """Whether it is a list of lists, not all of which are empty."""
    return isinstance(content, list) and any(content) and all(isinstance(c, list) for c in content)


def all_have(content: Any, *keys: str) -> bool:
    """Whether it is a list of mappings, not empty, that all have the keys."""
    return (
        isinstance(content, Sequence)
        and not isinstance(content, str)
        and len(content) > 0
        and all(isinstance(one, Mapping) and all(key in one for key in keys) for one in content)
    )


def is_person(value: Any) -> bool:
    """Whether it is a mapping with keypoints as numbers, or as a list of numbers for each joint."""
    joints = value.get("keypoints") if isinstance(value, Mapping) else None
    if not isinstance(joints, list) or not joints:
        return False
    flat = all(isinstance(number, int | float) for number in joints)
    return flat or all(isinstance(one, list) and len(one) in (2, 3) for one in joints)


def triples(values: Any, person: Mapping[str, Any]) -> tuple[np.ndarray, Any]:
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
