"""Read the 2D joints that a pose detector wrote, in a file or a folder of one file a frame."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.files.archives import names_in, read_objects
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.texts import read_json, read_text
from examples.hgn_pose.files.unpickling import read_pickle, unpickle
from examples.hgn_pose.lifting.array_layouts import found_in_arrays
from examples.hgn_pose.lifting.csv_tables import read_csv
from examples.hgn_pose.lifting.deeplabcut import read_deeplabcut
from examples.hgn_pose.lifting.detections import MOST_DIGITS, Detections, frame_number
from examples.hgn_pose.lifting.found import Found, joined
from examples.hgn_pose.lifting.json_layouts import found_in_json
from examples.hgn_pose.lifting.yolo_texts import read_yolo
from multiscale_gcn.checks.npy import read_array, read_header

ENDINGS = (
    ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".npz", ".npy", ".pkl", ".pickle",
    ".h5", ".hdf5",
)  # fmt: skip
FILMS = (
    ".avi", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".png", ".tif", ".tiff", ".webm", ".webp",
)  # fmt: skip
PACKED = (".7z", ".bz2", ".gz", ".tar", ".tgz", ".xz", ".zip", ".zst")
REMEDY = "give what a pose detector wrote"


def read_keypoints(path: Path, video: str | None = None) -> Detections:
    """Read a file of detections, or a folder of one file a frame.

    Parameters
    ----------
    path : Path
        JSON: see ``json_layouts.LAYOUTS``; also one JSON a line. CSV: see ``csv_tables``. npz,
        npy and pickles: see ``array_layouts``. Text files of Ultralytics, and HDF5 of DeepLabCut.
        A folder has files of one kind; the last number in a file's name is that of its frame.
    video : str, optional
        Which to take if the file holds several.

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
        with reading(path, "give a folder of one file a frame"):
            return _folder(path).detections(str(path))
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give what a pose detector wrote")
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(_no_joints(path))
    with reading(path, REMEDY):
        return _file(path, video, one_frame=False).detections(str(path))


def _no_joints(path: Path) -> str:
    """What is wrong with a file by its name alone."""
    ending = path.suffix.lower()
    if ending in FILMS:
        return (
            f"{path} is an image or a video, and predict takes the joints in it; run a detector of "
            "2D joints on it first, such as MediaPipe, MMPose, OpenPose or YOLO, and give what it "
            "wrote"
        )
    if ending in PACKED:
        return f"{path} is packed; unpack it, and give the file or the folder"
    return f"{path} is none of {', '.join(ENDINGS)}, nor a folder; {REMEDY}"


def _file(path: Path, video: str | None, *, one_frame: bool) -> Found:
    readers: dict[str, Callable[[], Found]] = {
        ".json": lambda: _read_json(path),
        ".csv": lambda: read_csv(path),
        ".txt": lambda: _read_txt(path, one_frame),
        ".npz": lambda: _arrays(_archive(path), path, video, one_frame),
        ".npy": lambda: _arrays(_npy(path), path, video, one_frame),
        ".pkl": lambda: _arrays(read_pickle(path), path, video, one_frame),
        ".h5": lambda: read_deeplabcut(path),
    }
    same = {
        ".jsonl": ".json",
        ".ndjson": ".json",
        ".tsv": ".csv",
        ".pickle": ".pkl",
        ".hdf5": ".h5",
    }
    ending = path.suffix.lower()
    return readers[same.get(ending, ending)]()


def _folder(path: Path) -> Found:
    """Files of one kind, one a frame, of any name with a number in it."""
    files = [child for child in sorted(path.iterdir()) if child.suffix.lower() in ENDINGS]
    kinds = sorted({child.suffix.lower() for child in files})
    if len(kinds) > 1 and ".json" in kinds:
        files, kinds = [child for child in files if child.suffix.lower() == ".json"], [".json"]
    if len(kinds) != 1:
        raise ValueError(
            f"the folder {path} has "
            + (f"files of several kinds ({', '.join(kinds)})" if kinds else "no files of joints")
            + "; give OpenPose's --write_json folder, another of one file a frame, or a file"
        )
    numbers = []
    for child in files:
        digits = re.findall(r"\d+", child.stem)
        if len(files) > 1 and not digits:
            raise ValueError(f"{child} has no frame number in its name; number the files")
        numbers.append(frame_number(digits[-1][-MOST_DIGITS:], str(path)) if digits else 0)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{path} has two files for one frame; keep one video in a folder")
    return joined(
        (
            (number, _file(child, None, one_frame=True))
            for number, child in zip(numbers, files, strict=True)
        ),
        str(path),
    )


def _read_json(path: Path) -> Found:
    """One JSON, or one a line."""
    try:
        content = read_json(path)
    except ValueError as error:
        if "Extra data" not in str(error):
            raise
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        try:
            content = [json.loads(line) for line in lines]
        except json.JSONDecodeError:
            raise error from None
    return found_in_json(content, str(path))


def _read_txt(path: Path, one_frame: bool) -> Found:
    """Lines of numbers are Ultralytics's; below a head they are a table."""
    first = read_text(path).strip().split("\n")[0]
    if not first and not one_frame:
        raise ValueError(f"{path} is empty, and no .json, .csv or .npz file of joints; {REMEDY}")
    if first[:1] in ("[", "{"):
        return _read_json(path)
    return read_csv(path) if re.search(r"[^\W\d_]{2}", first) else read_yolo(path)


def _archive(path: Path) -> dict[str, Any]:
    return read_objects(path, names_in(path))


def _npy(path: Path) -> Any:
    with path.open("rb") as file:
        header = read_header(file)
        if header.dtype.hasobject:
            value = unpickle(file, str(path))
            return value.item() if isinstance(value, np.ndarray) and not value.ndim else value
        return read_array(file, header, path.stat().st_size - file.tell(), "the array")


def _arrays(content: Any, path: Path, video: str | None, one_frame: bool) -> Found:
    """Named arrays, one bare array, or lists and mappings as JSON has them."""
    if isinstance(content, np.ndarray) and not (content.dtype.hasobject and _mappings(content)):
        content = {"keypoints": content}
    elif isinstance(content, np.ndarray):
        content = content.tolist()
    if isinstance(content, Mapping) and any(
        isinstance(value, np.ndarray) or key == "positions_2d" for key, value in content.items()
    ):
        return found_in_arrays(content, str(path), video=video, one_frame=one_frame)
    return found_in_json(_plain(content), str(path))


def _mappings(content: np.ndarray) -> bool:
    return all(isinstance(one, Mapping) for one in content.ravel())


def _plain(content: Any) -> Any:
    """Lists in the place of tuples and arrays."""
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, np.ndarray | np.generic) and not (
        isinstance(content, np.ndarray) and content.dtype.hasobject
    ):
        return content.tolist()
    if isinstance(content, list | tuple | np.ndarray):
        return [_plain(value) for value in content]
    return content
