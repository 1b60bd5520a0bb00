"""CMU's motion capture as 17 joints, from ``cmu17.npz``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.hgn_pose.datasets.data_set import DataSet
from examples.hgn_pose.files.archives import read_npz
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.motion.motion import Clip, Motion

HELD_OUT_PERFORMERS = (7, 14, 60, 61)
"""Performers of cmu17 for the test; 60 and 61 are the partners of the same dances."""

FOLDS = (("1", "9"), ("13", "8"), ("135", "6"), ("94", "3"), ("5", "2"))
"""The training performers in pairs, of whom the one has many frames and the other few."""

CMU17_JOINTS = [
    "Hip",
    "RHip",
    "RKnee",
    "RFoot",
    "LHip",
    "LKnee",
    "LFoot",
    "Spine",
    "Thorax",
    "Nose",
    "Head",
    "LShoulder",
    "LElbow",
    "LWrist",
    "RShoulder",
    "RElbow",
    "RWrist",
]
"""The file's names for ``skeleton.JOINTS``."""

CMU17_ARRAYS = {
    "positions_3d": 3,
    "clip": 1,
    "clip_subject": 1,
    "clip_name": 1,
    "clip_action": 1,
    "joints": 1,
    "fps": 0,
}
"""Arrays that are read from cmu17, and their number of axes."""

_KINDS = {
    "clip": "iu",
    "clip_subject": "iu",
    "clip_name": "US",
    "clip_action": "US",
    "joints": "US",
}


def load_cmu17(path: str | Path) -> Motion:
    """CMU's motion capture as 17-joint skeletons, from ``cmu17.npz``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Motion
        Without body poses; :func:`examples.hgn_pose.fitting.fitted_motion.fit_motion` adds them.

    Raises
    ------
    ValueError
        If the file is missing, is no npz file, lacks an array or holds one of the wrong shape,
        type or joint order.

    Notes
    -----
    The data were obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
    EIA-0196217.
    """
    with reading(path, "make it with build-cmu17"):
        return _motion(Path(path))


def _motion(path: Path) -> Motion:
    data = _read_cmu17(path)
    clips = tuple(
        Clip(str(name), str(action), int(performer), int(performer) in HELD_OUT_PERFORMERS)
        for name, action, performer in zip(
            data["clip_name"], data["clip_action"], data["clip_subject"], strict=True
        )
    )
    try:
        return Motion(
            positions=data["positions_3d"].astype(np.float32, copy=False),
            clip=data["clip"].astype(np.int64),
            clips=clips,
            fps=np.full(len(clips), float(data["fps"])),
        )
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from error


def _read_cmu17(path: Path) -> dict[str, np.ndarray]:
    data = read_npz(path, CMU17_ARRAYS)
    for name, axes in CMU17_ARRAYS.items():
        array = data[name]
        kind = _KINDS.get(name, "iuf")
        if array.ndim != axes or array.dtype.kind not in kind:
            raise ValueError(
                f"{path} cannot be used: {name} is {array.dtype} of shape {array.shape}"
            )
    if not 0 < data["fps"] < np.inf:
        raise ValueError(f"{path} cannot be used: fps is {data['fps']}, expected a positive number")
    if data["joints"].tolist() != CMU17_JOINTS:
        raise ValueError(
            f"{path} cannot be used: its joints are {', '.join(data['joints'])}, "
            f"expected {', '.join(CMU17_JOINTS)}"
        )
    count = len(data["clip_name"])
    for name in ("clip_subject", "clip_action"):
        if len(data[name]) != count:
            raise ValueError(
                f"{path} cannot be used: {name} is for {len(data[name])} clips, "
                f"clip_name for {count}"
            )
    return data


CMU17_VARIABLE = "MULTISCALE_GCN_CMU17"
"""Environment variable that names the file."""


DATA_SET = DataSet(
    "cmu17",
    lambda request: load_cmu17(request.path),
    what="CMU's motion capture as 17 joints, seen by virtual cameras",
    expected="the file cmu17.npz",
    joints="skeleton17",
    strides=(2, 8),
    variable=CMU17_VARIABLE,
    folds=FOLDS,
    notes=(
        "Whole performers are held out, with all of their clips.",
        "The motion was obtained from mocap.cs.cmu.edu. The database was created with funding "
        "from NSF EIA-0196217.",
    ),
)
