"""Read the 2D joints that a pose detector wrote: JSON, CSV, npz, or OpenPose's folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.files.archives import names_in, read_npz
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.texts import read_json
from examples.hgn_pose.lifting.csv_tables import read_csv
from examples.hgn_pose.lifting.detections import ONLY, Detections, Rows, collect, frame_number
from examples.hgn_pose.lifting.json_layouts import from_json, openpose_frames, whole_size

_OPENPOSE = re.compile(r"(?:.*?)(\d*)_keypoints\.json")


def read_keypoints(path: Path) -> Detections:
    """Read a file of detections, or OpenPose's folder of one JSON file a frame.

    Parameters
    ----------
    path : Path
        ``.json``: see ``json_layouts.LAYOUTS``. ``.csv``: either the columns frame, person
        (may be left out), joint, x, y, confidence; or frame, person and for each joint
        ``<joint>_x``, ``<joint>_y``, ``<joint>_confidence``. ``.npz``: ``keypoints`` of shape
        (T, K, 2 or 3) or (T, P, K, 2 or 3), and if known ``confidence``, ``frame``, ``person``,
        ``joints``, ``convention``, ``image_size``, ``fps``. A folder: OpenPose's files
        ``*_keypoints.json``.

    Returns
    -------
    Detections

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it cannot be read; the message names the file and the first bad place.
    """
    if path.is_dir():
        with reading(path, "give OpenPose's --write_json folder"):
            return _openpose_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give what a pose detector wrote")
    readers = {".json": _read_json, ".csv": read_csv, ".npz": _read_npz}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} is no .json, .csv or .npz file, nor a folder")
    with reading(path, "give what a pose detector wrote"):
        return readers[path.suffix.lower()](path)


def _read_json(path: Path) -> Detections:
    return from_json(read_json(path), str(path))


def _openpose_folder(path: Path) -> Detections:
    matches = [_OPENPOSE.fullmatch(child.name) for child in sorted(path.iterdir())]
    names = [match for match in matches if match]
    if not names:
        raise ValueError(
            f"the folder {path} has no files *_keypoints.json; give OpenPose's --write_json "
            "folder, or a file"
        )
    if len(names) > 1 and not all(match[1] for match in names):
        missing = next(match[0] for match in names if not match[1])
        raise ValueError(f"{path / missing} has no frame number before _keypoints.json")
    numbers = [frame_number(match[1] or "0", str(path)) for match in names]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{path} has two files for one frame; keep one video in a folder")
    frames = []
    for number, match in zip(numbers, names, strict=True):
        content = read_json(path / match[0])
        if not isinstance(content, dict) or not isinstance(content.get("people"), list):
            raise ValueError(f"{path / match[0]} is not OpenPose's: it has no list of people")
        frames.append((number, content))
    return openpose_frames(frames, str(path))


def _read_npz(path: Path) -> Detections:
    there = set(names_in(path))
    optional = {"confidence", "frame", "person", "joints", "convention", "image_size", "fps"}
    data = read_npz(path, ["keypoints", *sorted(there & optional)])
    keypoints = data["keypoints"]
    one = keypoints.ndim == 3
    if one:
        keypoints = keypoints[:, None]
    if keypoints.ndim != 4 or keypoints.shape[3] not in (2, 3) or keypoints.dtype.kind not in "iuf":
        raise ValueError(
            f"{path}: keypoints is {data['keypoints'].dtype} of shape {data['keypoints'].shape}, "
            "expected numbers of shape (T, K, 2 or 3) or (T, P, K, 2 or 3)"
        )
    frames, persons, joints = keypoints.shape[:3]
    sure = data.get("confidence")
    if sure is None:
        three = keypoints.shape[3] == 3
        sure = keypoints[..., 2] if three else np.ones((frames, persons, joints))
    sure = _shaped(path, "confidence", sure, (frames, persons, joints), "iuf")
    number = _shaped(path, "frame", data.get("frame", np.arange(frames)), (frames,), "iu")
    who: Any = [ONLY] if one else [None] * persons
    if "person" in data:
        who = _shaped(path, "person", data["person"], (persons,), "iuUS")
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
    facts: dict[str, Any] = {}
    if "joints" in data:
        names = _shaped(path, "joints", data["joints"], (joints,), "US")
        facts["names"] = tuple(str(name) for name in names)
    if "convention" in data:
        facts["convention"] = str(_shaped(path, "convention", data["convention"], (), "US"))
    if "image_size" in data:
        width, height = _shaped(path, "image_size", data["image_size"], (2,), "iuf")
        facts["image_size"] = whole_size((width.item(), height.item()))
    if "fps" in data:
        facts["fps"] = float(_shaped(path, "fps", data["fps"], (), "iuf"))
    return collect(rows, str(path), **facts)


def _shaped(
    path: Path, name: str, array: np.ndarray, shape: tuple[int, ...], kinds: str
) -> np.ndarray:
    if array.size != np.prod(shape, dtype=int) or array.dtype.kind not in kinds:
        raise ValueError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}, expected the shape {shape}"
        )
    return array.reshape(shape)
