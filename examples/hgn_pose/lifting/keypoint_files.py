"""Read the 2D joints that a pose detector wrote: JSON, CSV, npz, or OpenPose's folder."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.files.archives import read_npz
from examples.hgn_pose.lifting.detections import Detections, collect
from examples.hgn_pose.lifting.json_layouts import Rows, from_json, openpose_frames

_OPENPOSE = re.compile(r"(?:.*?)(\d*)_keypoints\.json")
ONLY = "0"
"""The person of a file whose form has room for one alone."""
_CONFIDENCE = ("confidence", "conf", "c", "score", "likelihood", "visibility")


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
        return _openpose_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give what a pose detector wrote")
    readers = {".json": _read_json, ".csv": _read_csv, ".npz": _read_npz}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} is no .json, .csv or .npz file, nor a folder")
    return readers[path.suffix.lower()](path)


def _read_json(path: Path) -> Detections:
    return from_json(_parsed(path), str(path))


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}") from None


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
    numbers = [int(match[1] or 0) for match in names]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{path} has two files for one frame; keep one video in a folder")
    frames = []
    for number, match in zip(numbers, names, strict=True):
        content = _parsed(path / match[0])
        if not isinstance(content, dict) or not isinstance(content.get("people"), list):
            raise ValueError(f"{path / match[0]} is not OpenPose's: it has no list of people")
        frames.append((number, content))
    try:
        return openpose_frames(frames, str(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not OpenPose's: {type(error).__name__} {error}") from None


def _read_csv(path: Path) -> Detections:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            head = [name.strip() for name in table.fieldnames or []]
            table.fieldnames = head
            lines = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file: {error}") from None
    if "frame" not in head:
        raise ValueError(f"{path} has no column frame; its columns are {', '.join(head)}")
    long = {"joint", "x", "y"} <= set(head)
    return _long_csv(path, head, lines) if long else _wide_csv(path, head, lines)


def _wide_csv(path: Path, head: list[str], lines: list[dict[str, str]]) -> Detections:
    joints = [name[:-2] for name in head if name.endswith("_x") and f"{name[:-2]}_y" in head]
    if not joints:
        raise ValueError(
            f"{path} has neither the columns joint, x, y nor any pair <joint>_x, <joint>_y"
        )
    sure = [next((f"{j}_{c}" for c in _CONFIDENCE if f"{j}_{c}" in head), None) for j in joints]
    rows: Rows = []
    for number, line in enumerate(lines, start=2):
        place = [[_number(path, number, line, f"{j}_{axis}") for axis in "xy"] for j in joints]
        c = [1.0 if name is None else _number(path, number, line, name) for name in sure]
        rows.append((_frame(path, number, line), line.get("person") or None, place, c))
    return collect(_one_a_frame(head, rows), str(path), names=tuple(joints))


def _long_csv(path: Path, head: list[str], lines: list[dict[str, str]]) -> Detections:
    for line in lines:
        line["joint"] = (line["joint"] or "").strip()
    names = list(dict.fromkeys(line["joint"] for line in lines))
    if all(name.isdigit() for name in names):
        names = [str(i) for i in range(max(map(int, names), default=-1) + 1)]
    place_of = {name: i for i, name in enumerate(names)}
    sure = next((c for c in _CONFIDENCE if c in head), None)
    found: dict[tuple[int, str | None], np.ndarray] = {}
    for number, line in enumerate(lines, start=2):
        key = (_frame(path, number, line), line.get("person") or None)
        table = found.setdefault(key, np.full((len(names), 3), np.nan))
        joint = place_of[line["joint"]]
        if not np.isnan(table[joint]).all():
            raise ValueError(f"{path}, line {number}: a second {line['joint']} in frame {key[0]}")
        table[joint] = [
            _number(path, number, line, "x"),
            _number(path, number, line, "y"),
            1.0 if sure is None else _number(path, number, line, sure),
        ]
    rows: Rows = [(*key, table[:, :2], table[:, 2]) for key, table in found.items()]
    numbered = all(name.isdigit() for name in names)
    names_known = None if numbered else tuple(names)
    return collect(_one_a_frame(head, rows), str(path), names=names_known)


def _one_a_frame(head: list[str], rows: Rows) -> Rows:
    """The rows, of one person if no column names persons and no frame has two."""
    if "person" in head or len({frame for frame, *_ in rows}) < len(rows):
        return rows
    return [(frame, ONLY, points, sure) for frame, _, points, sure in rows]


def _frame(path: Path, number: int, line: dict[str, str]) -> int:
    value = _number(path, number, line, "frame")
    if not value.is_integer():
        raise ValueError(f"{path}, line {number}: frame is {line['frame']!r}, no whole number")
    return int(value)


def _number(path: Path, number: int, line: dict[str, str], column: str) -> float:
    text = line[column]
    try:
        return float(text) if text and text.strip() else float("nan")
    except ValueError:
        raise ValueError(f"{path}, line {number}: {column} is {text!r}, no number") from None


def _read_npz(path: Path) -> Detections:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no npz file, or cut off")
    with zipfile.ZipFile(path) as archive:
        there = {name.removesuffix(".npy") for name in archive.namelist()}
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
        facts["image_size"] = (int(width), int(height))
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
