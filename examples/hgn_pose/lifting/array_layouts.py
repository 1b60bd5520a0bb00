"""Arrays of 2D joints: one's own, VideoPose3D's, Detectron2's, and those of action recognition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS, conventions_with
from examples.hgn_pose.lifting.detections import ONLY, Rows
from examples.hgn_pose.lifting.found import CONFIDENCE, Found, Size, size_of, whole_size
from multiscale_gcn.checks.arguments import shown

POINTS = (
    "keypoints", "keypoints_2d", "keypoints2d", "keypoint", "kpts", "kpts_2d", "kps", "kp2d",
    "joints_2d", "joints2d", "pose_2d", "poses_2d", "pose2d", "pred_keypoints", "points",
    "landmarks", "reconstruction", "arr_0",
)  # fmt: skip
"""Names of the array of joints, the best first."""
PERSONS_FIRST = ("keypoint", "reconstruction")
"""Names whose arrays have persons before frames: those of MMAction and of MHFormer's demo."""
LAYOUT_NAMES = {"coco": "coco17", "h36m": "human36m17", "openpose": "openpose18"}
"""What VideoPose3D's metadata call the conventions."""
NAMES = ("joints", "joint_names", "keypoint_names", "keypoints_names", "kpt_names", "bodyparts")
TEXTS = (*NAMES, "person", "convention")
"""Arrays of text: the names of the joints, and others."""
DEEP = 4
"""How deep lists in the arrays of Detectron2's dumps go."""


def found_in_arrays(
    data: Mapping[str, Any], source: str, *, video: str | None = None, one_frame: bool = False
) -> Found:
    """Read named arrays.

    Parameters
    ----------
    data : mapping of str to array or object
    source : str
        For messages.
    video : str, optional
        Which to take of VideoPose3D's.
    one_frame : bool
        The arrays are of one frame: without the axis of frames.

    Raises
    ------
    ValueError
        Naming the array that is missing, has another shape, or was not read.
    """
    if isinstance(data.get("positions_2d"), Mapping):
        return _videopose3d(data, source, video)
    name = next((name for name in POINTS if name in data), None)
    if name is None:
        raise ValueError(
            f"{source} has no array keypoints; it has {', '.join(map(shown, data))}; give the 2D "
            "joints that name"
        )
    keypoints = data[name]
    objects = isinstance(keypoints, np.ndarray) and keypoints.dtype.hasobject
    if objects or isinstance(keypoints, list):
        return _detectron2(data, list(keypoints), source)
    return _numbers(data, name, source, one_frame)


def _numbers(data: Mapping[str, Any], name: str, source: str, one_frame: bool) -> Found:
    keypoints = data[name]
    keypoints = keypoints if isinstance(keypoints, np.ndarray) else np.asarray(keypoints)
    shape = keypoints.shape
    if one_frame:
        keypoints = keypoints[None, None] if keypoints.ndim == 2 else keypoints[None]
    elif name in PERSONS_FIRST and keypoints.ndim == 4:
        keypoints = np.swapaxes(keypoints, 0, 1)
    one = keypoints.ndim == 3
    if one:
        keypoints = keypoints[:, None]
    if keypoints.ndim == 4 and keypoints.shape[2] == 4 and conventions_with(keypoints.shape[3]):
        keypoints = np.swapaxes(keypoints, 2, 3)[..., [0, 1, 3]]  # x, y, logit, probability
    turned = keypoints.ndim == 4 and keypoints.shape[2] in (2, 3)
    if turned and keypoints.shape[3] not in (2, 3) and conventions_with(keypoints.shape[3]):
        keypoints = np.swapaxes(keypoints, 2, 3)
    landmarks = keypoints.ndim == 4 and keypoints.shape[2] == len(CONVENTIONS["mediapipe33"].points)
    notes: list[str] = []
    if landmarks and keypoints.shape[3] == 4:
        keypoints = keypoints[..., [0, 1, 3]]  # x, y, z, visibility
    elif landmarks and keypoints.shape[3] == 3 and (keypoints[..., 2] < 0).any():
        keypoints = keypoints[..., :2]
        notes.append("the third number of a landmark is its depth, and was not read")
    if keypoints.ndim != 4 or keypoints.shape[3] not in (2, 3) or keypoints.dtype.kind not in "iuf":
        raise ValueError(
            f"{source}: {name} is {keypoints.dtype} of shape {shape}, expected numbers of shape "
            "(T, K, 2 or 3) or (T, P, K, 2 or 3)"
        )
    frames, persons, joints = keypoints.shape[:3]
    there = [c for c in CONFIDENCE if c in data]
    whole = [c for c in there if np.size(data[c]) == frames * persons * joints]
    of_persons = [c for c in there if np.size(data[c]) in (1, frames, frames * persons)]
    which = next(iter(whole or [c for c in there if c not in of_persons]), None)
    if which is not None:
        sure = data[which]
        if name in PERSONS_FIRST and np.ndim(sure) == 3:
            sure = np.swapaxes(sure, 0, 1)
        sure = _shaped(source, which, sure, (frames, persons, joints), "biuf")
    elif keypoints.shape[3] == 3:
        sure = keypoints[..., 2]
    else:
        sure = np.ones((frames, persons, joints))
    number = _shaped(source, "frame", data.get("frame", np.arange(frames)), (frames,), "iu")
    who: Any = [ONLY] if one else [None] * persons
    if "person" in data:
        who = _shaped(source, "person", data["person"], (persons,), "iuUS")
    rows: Rows = [
        (
            int(number[t]),
            None if who[p] is None else str(who[p]),
            keypoints[t, p, :, :2],
            sure[t, p],
        )
        for t in range(frames)
        for p in range(persons)
        if np.isfinite(keypoints[t, p]).any() and keypoints[t, p].any()
    ]
    facts = _facts(data, joints, source)
    notes += _not_read(data, {name, which or ""}, (frames, persons, joints), source)
    return Found(rows, facts=facts, notes=tuple(notes))


_KNOWN = {"frame", "person", *NAMES, "convention", "image_size", "fps"}


def _facts(data: Mapping[str, Any], joints: int, source: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"x_first": "convention" in data}
    called = next((name for name in NAMES if name in data), None)
    if called is not None:
        names = _shaped(source, called, data[called], (joints,), "US")
        facts["names"] = tuple(str(name) for name in names)
    if "convention" in data:
        facts["convention"] = str(_shaped(source, "convention", data["convention"], (), "US"))
    if "image_size" in data:
        width, height = _shaped(source, "image_size", data["image_size"], (2,), "iuf")
        facts["image_size"] = whole_size((width.item(), height.item()))
    elif "img_shape" in data:
        height, width = np.asarray(data["img_shape"]).tolist()
        facts["image_size"] = whole_size((width, height))
    if "fps" in data:
        facts["fps"] = float(_shaped(source, "fps", data["fps"], (), "iuf"))
    return facts


def _not_read(
    data: Mapping[str, Any], read: set[str], shape: tuple[int, int, int], source: str
) -> list[str]:
    """Say what was not read; refuse what has a number for each joint."""
    others = [name for name in data if name not in read | _KNOWN | {"img_shape"}]
    frames, persons, joints = shape
    for name in others:
        there = np.shape(data[name]) if isinstance(data[name], np.ndarray) else ()
        if there in ((frames, joints), (frames, persons, joints), (frames, joints, 1)):
            raise ValueError(
                f"{source}: the array {shown(name)} has a number for each joint, and is not read; "
                "if these are confidences name it confidence, else leave it out"
            )
    return [f"not read: {', '.join(map(str, others))}"] if others else []


def _shaped(source: str, name: str, value: Any, shape: tuple[int, ...], kinds: str) -> np.ndarray:
    array = np.asarray(value)
    if array.size != np.prod(shape, dtype=int) or array.dtype.kind not in kinds:
        raise ValueError(
            f"{source}: {name} is {array.dtype} of shape {array.shape}, expected the shape {shape}"
        )
    return array.reshape(shape)


def _videopose3d(data: Mapping[str, Any], source: str, video: str | None) -> Found:
    """``positions_2d``: for each subject and action an array (T, K, 2) for each camera."""
    videos = dict(_videos(data["positions_2d"]))
    if video is None and len(videos) == 1:
        video = next(iter(videos))
    if video not in videos:
        some = ", ".join(list(videos)[:12])
        raise ValueError(
            f"{source} holds {len(videos)} videos: {some}"
            + (f" and {len(videos) - 12} more" if len(videos) > 12 else "")
            + (f", and no {video!r}" if video else "")
            + "; choose one with --video"
        )
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    keypoints = np.asarray(videos[video])
    found = _numbers({"keypoints": keypoints}, "keypoints", f"{source}, {video}", False)
    facts = dict(found.facts)
    layout = LAYOUT_NAMES.get(str(metadata.get("layout_name")))
    if layout and keypoints.shape[1] == len(CONVENTIONS[layout].points):
        facts["convention"] = layout
    sizes = metadata.get("video_metadata", {})
    own = sizes.get(video.split("/")[0]) if isinstance(sizes, Mapping) else None
    size = _width_and_height(own)
    if size:
        facts["image_size"] = size
    return Found(found.rows, facts=facts, notes=found.notes)


def _videos(subjects: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for subject, actions in subjects.items():
        for action, cameras in actions.items():
            if (
                isinstance(cameras, np.ndarray)
                and not cameras.dtype.hasobject
                and cameras.ndim == 3
            ):
                cameras = [cameras]
            for row, points in enumerate(cameras):
                name = f"{subject}/{action}"
                yield (name if len(cameras) == 1 else f"{name}/{row}"), points


def _detectron2(data: Mapping[str, Any], frames: list[Any], source: str) -> Found:
    """An object for each frame: the persons' (4, K) of x, y, logit and probability, or (K, 3)."""
    rows: Rows = []
    for number, frame in enumerate(frames):
        for person in _persons(frame, DEEP):
            if person.dtype.kind not in "iuf":
                raise ValueError(
                    f"{source}: the joints of frame {number} are {person.dtype}, expected numbers"
                )
            if person.shape[0] == 4 and conventions_with(person.shape[1]):
                person = person[[0, 1, 3]].T
            if person.shape[1] not in (2, 3):
                raise ValueError(
                    f"{source}: the joints of a person in frame {number} have shape "
                    f"{person.shape}, expected (4, K), (K, 2) or (K, 3)"
                )
            sure = person[:, 2] if person.shape[1] == 3 else None
            rows.append((number, None, person[:, :2], sure))
    size = _width_and_height(data.get("metadata")) or size_of(data.get("image_size"))
    read = {*POINTS, "metadata", "image_size", "boxes", "segments"}
    others = [name for name in data if name not in read]
    return Found(
        rows,
        facts={"image_size": size} if size else {},
        notes=(f"not read: {', '.join(map(str, others))}",) if others else (),
    )


def _persons(value: Any, deep: int) -> Iterator[np.ndarray]:
    """All matrices of numbers in nested lists and arrays."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        if value.ndim == 2 and value.size:
            yield value
        elif value.ndim == 3:
            yield from value
        elif value.size:
            raise ValueError(f"joints of shape {value.shape}, expected (P, 4, K) or (P, K, 3)")
        return
    if isinstance(value, list | tuple) and value and all(_is_row(row) for row in value):
        yield np.array(value)
        return
    if not isinstance(value, list | tuple | np.ndarray):
        raise ValueError(f"{type(value).__name__} {shown(value)} stands in the place of joints")
    if deep == 0:
        raise ValueError("the lists of joints are nested too deep")
    for one in value if np.ndim(value) or isinstance(value, list | tuple) else [value.item()]:
        yield from _persons(one, deep - 1)


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, list | tuple)
        and len(row) > 0
        and all(isinstance(number, int | float) for number in row)
    )


def _width_and_height(value: Any) -> Size | None:
    if not isinstance(value, Mapping):
        return None
    return size_of((value.get("w", value.get("width")), value.get("h", value.get("height"))))
