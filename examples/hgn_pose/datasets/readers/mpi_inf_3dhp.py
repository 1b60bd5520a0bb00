"""MPI-INF-3DHP: its test set as published, and the npz files of P-STMO and of GraphMLP.

D. Mehta et al., "Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision",
3DV 2017. The data are given for research at https://vcai.mpi-inf.mpg.de/3dhp-dataset; none of them
come with the example. All positions are in the frame of their camera.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.datasets.data_set import DataSet
from examples.hgn_pose.datasets.takes import Y_DOWN_TO_Z_UP, RealCamera, Take, join, level_camera
from examples.hgn_pose.files.archives import read_objects
from examples.hgn_pose.files.reading import numbers, reading
from examples.hgn_pose.motion.motion import Clip
from examples.hgn_pose.motion.recording import Recording
from multiscale_gcn.checks.archives import MOST_COMPRESSED

TEST_SEQUENCES = ("TS1", "TS2", "TS3", "TS4", "TS5", "TS6")
"""1 and 2 stand before a green screen, 3 and 4 in the studio without one, 5 and 6 outdoors."""

ACTIVITIES = {
    1: "Standing/Walking",
    2: "Exercising",
    3: "Sitting",
    4: "Reaching/Crouching",
    5: "On The Floor",
    6: "Sports",
    7: "Miscellaneous",
}
"""As ``mpii_get_activity_name.m`` calls them, which comes with the test set."""

JOINTS_OF_17 = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
"""``skeleton.JOINTS`` in the data set's order: head top, neck, right and left arm, right and left
leg, pelvis, spine, head. Its head is our nose, its head top our head."""

STUDIO = (2048.0, 2048.0)
OUTDOORS = (1920.0, 1080.0)
FPS = 25.0

ANNOTATIONS = "annot_data.mat"
P_STMO_TEST = "data_test_3dhp.npz"
P_STMO_TRAIN = "data_train_3dhp.npz"
GRAPHMLP = ("data_3d_3dhp.npz", "data_2d_3dhp.npz")
HOW_TO_GET = (
    f"expected folders TS1 to TS6 with {ANNOTATIONS} (the test set of MPI-INF-3DHP), or "
    f"{P_STMO_TEST} (the README of the repository P-STMO says where to get it), or "
    f"{GRAPHMLP[0]} and {GRAPHMLP[1]} (that of GraphMLP)"
)


def load_mpi_inf_3dhp(path: str | Path, *, true_size: bool = False) -> Recording:
    """Read MPI-INF-3DHP from a folder, whichever of the three forms is in it.

    Parameters
    ----------
    path : str or Path
        The folder, or one of its npz files.
    true_size : bool
        Take the people as tall as they are (``annot3``), not scaled to one height
        (``univ_annot3``), which is what the published figures and all npz files are of. Only the
        published test set has both.

    Returns
    -------
    Recording
        World metres, where each camera has a world of its own. The test sequences are held out;
        frames that are not valid are left out. Subjects of the labels are the sequences, such as
        ``TS1``, and actions the activities, where the files tell them.

    Raises
    ------
    ValueError
        If no form is found, a file is damaged, or an array is missing or of the wrong shape.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    with reading(folder, HOW_TO_GET):
        return _recording(folder, true_size)


def _recording(folder: Path, true_size: bool) -> Recording:
    if any((folder / name / ANNOTATIONS).is_file() for name in TEST_SEQUENCES):
        return _published(folder, "annot3" if true_size else "univ_annot3")
    if true_size:
        raise ValueError(
            f"true_size asks for annot3, which only the published test set has; {HOW_TO_GET}"
        )
    if (folder / P_STMO_TEST).is_file():
        return _p_stmo(folder)
    if (folder / GRAPHMLP[0]).is_file():
        return _graphmlp(folder)
    raise ValueError(f"there is no MPI-INF-3DHP in {folder}; {HOW_TO_GET}")


def image_size(sequence: str) -> tuple[float, float]:
    """Width and height of a sequence's images, pixels.

    Examples
    --------
    >>> from examples.hgn_pose.datasets.readers.mpi_inf_3dhp import image_size
    >>> image_size("TS1"), image_size("TS6")
    ((2048.0, 2048.0), (1920.0, 1080.0))
    """
    return OUTDOORS if sequence in ("TS5", "TS6") else STUDIO


def _published(folder: Path, truth: str) -> Recording:
    joiner = _Joiner(folder)
    for sequence in TEST_SEQUENCES:
        path = folder / sequence / ANNOTATIONS
        if not path.is_file():
            continue
        data = _read_mat(path, ("annot2", truth, "valid_frame", "activity_annotation"))
        frames = len(data["valid_frame"].ravel())
        valid = data["valid_frame"].ravel() > 0
        activity = data["activity_annotation"].ravel().astype(int)
        if len(activity) != frames:
            raise ValueError(
                f"{path}: activity_annotation is for {len(activity)} frames, valid_frame for "
                f"{frames}"
            )
        unknown = sorted(set(activity[valid].tolist()) - set(ACTIVITIES))
        if unknown:
            raise ValueError(f"{path}: activity {unknown[0]} is unknown; they are 1 to 7")
        pixels = _array(data["annot2"], frames, 2, f"{path}, annot2")
        joints = _array(data[truth], frames, 3, f"{path}, {truth}")
        for number in sorted(set(activity[valid].tolist())):
            joiner.add(
                sequence,
                ACTIVITIES[number],
                joints[:, JOINTS_OF_17] / 1000,
                pixels[:, JOINTS_OF_17],
                valid & (activity == number),
            )
    return joiner.recording()


def _p_stmo(folder: Path) -> Recording:
    joiner = _Joiner(folder)
    test = read_objects(folder / P_STMO_TEST, ["data"])["data"]
    _dict(test, folder / P_STMO_TEST, "data")
    for sequence, stored in test.items():
        where = f"{folder / P_STMO_TEST}, {sequence}"
        _has(stored, ("data_2d", "data_3d", "valid"), where)
        valid = numbers(stored["valid"], f"{where}, valid").ravel() > 0
        joints = _array(stored["data_3d"], len(valid), 3, f"{where}, data_3d")
        pixels = _array(stored["data_2d"], len(valid), 2, f"{where}, data_2d")
        joiner.add(sequence, "all", joints[:, JOINTS_OF_17] / 1000, pixels[:, JOINTS_OF_17], valid)
    train_path = folder / P_STMO_TRAIN
    if train_path.is_file():
        train = read_objects(train_path, ["data"])["data"]
        _dict(train, train_path, "data")
        for name, stored in train.items():
            by_camera = stored[0] if isinstance(stored, (list, tuple)) else stored
            _dict(by_camera, train_path, name)
            for camera, take in by_camera.items():
                where = f"{train_path}, {name}, camera {camera}"
                _has(take, ("data_2d", "data_3d"), where)
                frames = len(take["data_3d"])
                joints = _array(take["data_3d"], frames, 3, f"{where}, data_3d")
                pixels = _array(take["data_2d"], frames, 2, f"{where}, data_2d")
                joiner.add(
                    str(name),
                    "all",
                    joints[:, JOINTS_OF_17] / 1000,
                    pixels[:, JOINTS_OF_17],
                    np.ones(frames, bool),
                    f"camera {camera}",
                )
    return joiner.recording()


def _graphmlp(folder: Path) -> Recording:
    path_3d, path_2d = (folder / name for name in GRAPHMLP)
    if not path_2d.is_file():
        raise ValueError(f"there is no file {path_2d}, which belongs to {path_3d.name}")
    stored_3d = read_objects(path_3d, ["positions_3d"])["positions_3d"]
    stored_2d = read_objects(path_2d, ["positions_2d"])["positions_2d"]
    _dict(stored_3d, path_3d, "positions_3d")
    _dict(stored_2d, path_2d, "positions_2d")
    joiner = _Joiner(folder)
    for sequence, takes in stored_3d.items():
        for take, by_camera in takes.items():
            where = f"{sequence} {take}"
            pixels = stored_2d.get(sequence, {}).get(take)
            if pixels is None:
                raise ValueError(f"{path_2d} lacks {where}, which {path_3d.name} has")
            if len(pixels) != len(by_camera):
                raise ValueError(
                    f"{path_2d}, {where}: there are {len(pixels)} cameras, in {path_3d.name} "
                    f"{len(by_camera)}"
                )
            for camera, (joints, image) in enumerate(zip(by_camera, pixels, strict=True)):
                frames = len(joints)
                joiner.add(
                    str(sequence),
                    str(take),
                    _array(joints, frames, 3, f"{path_3d}, {where}"),
                    _array(image[:frames], frames, 2, f"{path_2d}, {where}"),
                    np.ones(frames, bool),
                    f"camera {camera}",
                )
    return joiner.recording()


class _Joiner:
    """Collects takes, each in the world of its camera."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.takes: list[Take] = []
        self.views: list[RealCamera] = []

    def add(
        self,
        sequence: str,
        action: str,
        joints: np.ndarray,
        pixels: np.ndarray,
        valid: np.ndarray,
        camera: str = "camera",
    ) -> None:
        if not valid.any():
            return
        subject = sequence.split(" ")[0]
        row = len(self.views)
        self.views.append(level_camera(camera, image_size(subject)))
        self.takes.append(
            Take(
                Clip(f"{sequence} {action}", action, subject, subject in TEST_SEQUENCES),
                joints[valid] @ Y_DOWN_TO_Z_UP.T,
                {row: pixels[valid]},
                FPS,
                np.flatnonzero(valid),
            )
        )

    def recording(self) -> Recording:
        return join(self.takes, self.views, str(self.folder))


def _read_mat(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    import h5py

    remedy = "it must be MATLAB's file of version 7.3 as published"
    with reading(path, remedy), h5py.File(path, "r") as file:
        missing = [name for name in names if name not in file]
        if missing:
            raise ValueError(f"it has no array {missing[0]!r}; it has {', '.join(file)}; {remedy}")
        most = MOST_COMPRESSED * path.stat().st_size
        return {name: _dataset(file, name, most) for name in names}


def _dataset(file: Any, name: str, most: int) -> np.ndarray:
    """An array that lies in the file itself and is no larger than that can hold."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link to another place, and links are not followed")
    stored = file[name]
    if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "biuf":
        raise ValueError(f"{name} is no array of numbers")
    if stored.external or stored.is_virtual:
        raise ValueError(f"the numbers of {name} lie in another file")
    if stored.nbytes > most:
        raise ValueError(f"{name} claims the shape {stored.shape}, more than the file can hold")
    array: np.ndarray = stored[()]
    return array


def _array(stored: Any, frames: int, axes: int, where: str) -> np.ndarray:  # [T, 17, axes]
    array = numbers(stored, where).astype(np.float64)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    array = array[..., :axes]
    if array.shape != (frames, 17, axes):
        raise ValueError(f"{where}: it has shape {array.shape}, expected ({frames}, 17, {axes})")
    return array


def _dict(value: Any, path: Path, name: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{path} cannot be used: {name} is no dict but {type(value).__name__}")


def _has(value: Any, names: tuple[str, ...], where: str) -> None:
    missing = [name for name in names if not isinstance(value, dict) or name not in value]
    if missing:
        raise ValueError(f"{where}: it has no {missing[0]!r}")


DATA_SET = DataSet(
    "mpi-inf-3dhp",
    lambda request: load_mpi_inf_3dhp(request.path, true_size=request.true_size),
    what="MPI-INF-3DHP: the test set as published, or P-STMO's or GraphMLP's files",
    expected="the folder of MPI-INF-3DHP's test set, or of P-STMO's or GraphMLP's npz files",
    options=("true_size",),
    notes=("MPI-INF-3DHP: the sequences TS1 to TS6 are held out; the cameras are real.",),
)
