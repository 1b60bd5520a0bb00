"""Human3.6M as the npz files of VideoPose3D, SemGCN and all that build on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.data_set import DataSet
from examples.hgn_pose.datasets.h36m import (
    FPS,
    JOINTS_OF_16,
    JOINTS_OF_32,
    SUBJECTS,
    TEST_SUBJECTS,
    action_of,
    calibration,
    take_name,
)
from examples.hgn_pose.datasets.takes import RealCamera, Take, join
from examples.hgn_pose.files.archives import read_objects
from examples.hgn_pose.files.reading import numbers, reading
from examples.hgn_pose.motion.motion import Clip
from examples.hgn_pose.motion.recording import Recording

POSITIONS = "data_3d_h36m.npz"
HOW_TO_GET = (
    "make it from your copy of Human3.6M with prepare_data_h36m.py in the folder data of the "
    "repository VideoPose3D or SemGCN on GitHub"
)
CORRUPT = ("S11", "Directions")


def load_h36m_npz(path: str | Path, keypoints: str = "gt") -> Recording:
    """Read ``data_3d_h36m.npz`` and the 2D joints beside it.

    Parameters
    ----------
    path : str or Path
        The folder of the files, or ``data_3d_h36m.npz`` itself.
    keypoints : str
        Which 2D joints: those of ``data_2d_h36m_{keypoints}.npz``, such as ``cpn_ft_h36m_dbb`` or
        ``sh_ft_h36m``. ``gt`` are the true ones; without a file they are computed as VideoPose3D
        computes them, through the lenses of the studio.

    Returns
    -------
    Recording
        World metres, 50 Hz; subjects 9 and 11 are held out. S11's first Directions, which is
        corrupt, is left out. Frames that only the 2D file has, at the end of a take, too.

    Raises
    ------
    ValueError
        If a file is missing or damaged, a subject is unknown, takes or cameras are missing in the
        2D file, or joints are not those of Human3.6M in metres and pixels.

    Notes
    -----
    Stacked hourglass detections have 16 joints. The nose, which they lack, is put midway between
    the neck and the head.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    with reading(folder, HOW_TO_GET):
        return _recording(folder, keypoints)


def _recording(folder: Path, keypoints: str) -> Recording:
    takes_3d = _read(folder / POSITIONS, "positions_3d", HOW_TO_GET)
    for subject in takes_3d:
        if subject not in SUBJECTS:
            raise ValueError(
                f"{folder / POSITIONS} cannot be used: subject {subject!r} is unknown; "
                f"Human3.6M's are {', '.join(SUBJECTS)}"
            )
    takes_2d = _read_2d(folder, keypoints)
    _, views_of = calibration()
    takes: list[Take] = []
    views: list[RealCamera] = []
    for subject in [subject for subject in SUBJECTS if subject in takes_3d]:
        rows = range(len(views), len(views) + len(views_of[subject]))
        views.extend(views_of[subject])
        for name, stored in takes_3d[subject].items():
            if (subject, name) == CORRUPT:
                continue
            where = f"{folder / POSITIONS}, {subject} {name}"
            positions = _joints(stored, where)
            if takes_2d is None:
                pixels = _projected(positions, subject)
            else:
                source, by_subject = takes_2d
                pixels = _pixels(by_subject, subject, name, len(positions), source)
            takes.append(
                Take(
                    Clip(f"{subject} {name}", action_of(name), subject, subject in TEST_SUBJECTS),
                    positions,
                    dict(zip(rows, pixels, strict=True)),
                    FPS,
                )
            )
    return join(takes, views, f"{folder / POSITIONS}, 2D {keypoints}")


def _read(path: Path, key: str, remedy: str) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}; {remedy}")
    stored = read_objects(path, [key])[key]
    if not isinstance(stored, dict) or not all(isinstance(v, dict) for v in stored.values()):
        raise ValueError(
            f"{path} cannot be used: {key} is no dict of subjects that are dicts of takes"
        )
    return {
        str(subject): {take_name(str(name)): take for name, take in takes.items()}
        for subject, takes in stored.items()
    }


def _read_2d(folder: Path, keypoints: str) -> tuple[Path, dict[str, dict[str, Any]]] | None:
    path = folder / f"data_2d_h36m_{keypoints}.npz"
    if not path.is_file() and keypoints == "gt":
        return None
    found = sorted(
        file.stem.removeprefix("data_2d_h36m_") for file in folder.glob("data_2d_h36m_*.npz")
    )
    remedy = (
        f"there are 2D joints called {', '.join(found)}"
        if found
        else "the repository VideoPose3D says in DATASETS.md where to get it"
    )
    return path, _read(path, "positions_2d", remedy)


def _joints(stored: Any, where: str) -> np.ndarray:  # [T, 17, 3]
    positions = numbers(stored, where)
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.dtype.kind != "f":
        raise ValueError(
            f"{where}: the positions are {positions.dtype} of shape {positions.shape}, "
            "expected floats of shape (T, 32, 3)"
        )
    if positions.shape[1] == 32:
        return positions[:, JOINTS_OF_32]
    if positions.shape[1] == len(JOINTS):
        return positions
    raise ValueError(
        f"{where}: there are {positions.shape[1]} joints, expected 32 (or the 17 of them that "
        "this example uses)"
    )


def _projected(positions: np.ndarray, subject: str) -> list[np.ndarray]:
    lenses, views = calibration()
    return [
        lens.project(view.sees(positions))
        for lens, view in zip(lenses, views[subject], strict=True)
    ]


def _pixels(
    takes: dict[str, dict[str, Any]], subject: str, name: str, frames: int, source: Path
) -> list[np.ndarray]:
    where = f"{source}, {subject} {name}"
    if subject not in takes:
        raise ValueError(f"{source} lacks subject {subject}; it has {', '.join(takes)}")
    if name not in takes[subject]:
        raise ValueError(
            f"{where}: there is no such take; {subject} has {', '.join(takes[subject])}"
        )
    by_camera = list(takes[subject][name])
    _, views = calibration()
    if len(by_camera) != len(views[subject]):
        raise ValueError(
            f"{where}: there are {len(by_camera)} cameras, expected the {len(views[subject])} "
            f"in the order {', '.join(view.name for view in views[subject])}"
        )
    return [
        _cut(pixels, frames, f"{where}, {view.name}")
        for pixels, view in zip(by_camera, views[subject], strict=True)
    ]


def _cut(stored: Any, frames: int, where: str) -> np.ndarray:  # [T, 17, 2]
    pixels = numbers(stored, where)[..., :2]
    if pixels.ndim != 3 or pixels.shape[1] not in (len(JOINTS_OF_16), len(JOINTS)):
        raise ValueError(
            f"{where}: the 2D joints have shape {pixels.shape}, expected (T, 17, 2) or (T, 16, 2)"
        )
    if len(pixels) < frames:
        raise ValueError(
            f"{where}: there are 2D joints of {len(pixels)} frames for {frames} 3D frames; "
            "the files belong to different versions of the data"
        )
    pixels = pixels[:frames]
    if pixels.shape[1] == len(JOINTS):
        return pixels
    filled = np.empty((frames, len(JOINTS), 2), pixels.dtype)
    filled[:, JOINTS_OF_16] = pixels
    neck, nose, head = (JOINTS.index(name) for name in ("Neck", "Nose", "Head"))
    filled[:, nose] = (filled[:, neck] + filled[:, head]) / 2
    return filled


DATA_SET = DataSet(
    "h36m-npz",
    lambda request: load_h36m_npz(request.path, request.keypoints),
    what="Human3.6M, in the files of VideoPose3D and SemGCN",
    expected="the folder of VideoPose3D's data_3d_h36m.npz and data_2d_h36m_*.npz",
    options=("keypoints",),
    notes=("Human3.6M: subjects 9 and 11 are held out; the four cameras are real.",),
)
