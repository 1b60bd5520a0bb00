"""Motion as 17 joints over time: what comes with the example, and cmu17."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from examples.hgn_pose.archives import read_npz, read_shipped_npz
from examples.hgn_pose.caching import cached, checksum_of
from examples.hgn_pose.poses import BodyPose, SmplParameters
from examples.hgn_pose.skeleton import JOINTS

if TYPE_CHECKING:
    from examples.hgn_pose.body_model import BodyModel

MOTION_PATH = Path(__file__).parent / "data" / "motion.npz"

MESH_VERSION = 1
"""Raised when the coarse meshes change, so that old cached ones are not taken."""

HELD_OUT_CLIPS = ("dance_b", "jump", "kick", "walk")
"""Built-in clips for the test: a dance, a leap, a fight and a gait; 346 of 1,620 frames."""

HELD_OUT_PERFORMERS = (7, 14, 60, 61)
"""Performers of cmu17 for the test; 60 and 61 are the partners of the same dances."""

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


@dataclass(frozen=True)
class Clip:
    """One take: its name, what is done in it, by whom, and whether it is kept for the test."""

    name: str
    action: str
    performer: int | str
    held_out: bool = False


@dataclass(frozen=True, eq=False)
class Motion:
    """Joint positions of T frames in C clips.

    Parameters
    ----------
    positions : array of float32, shape (T, 17, 3)
        World positions of the joints in the order of ``skeleton.JOINTS``, metres, z up.
    clip : array of int, shape (T,)
        Row of ``clips``; the frames of a clip are contiguous and in order of time.
    clips : tuple of Clip, length C
    fps : array of float, shape (C,)
        Frames per second of every clip.
    poses : BodyPose, optional
        The body fitted to every frame.
    fit_error : array of float32, shape (T,), optional
        Mean distance of the fitted body's joints from ``positions``, millimetres.
    smpl : SmplParameters, optional
        SMPL's parameters, where they come with the data set.

    Raises
    ------
    ValueError
        If shapes do not fit together, a position is not finite or a clip is unknown.
    """

    positions: np.ndarray
    clip: np.ndarray
    clips: tuple[Clip, ...]
    fps: np.ndarray
    poses: BodyPose | None = None
    fit_error: np.ndarray | None = None
    smpl: SmplParameters | None = None

    def __post_init__(self) -> None:
        count = len(self.positions)
        if self.positions.shape != (count, len(JOINTS), 3):
            raise ValueError(
                f"positions has shape {self.positions.shape}, expected (T, {len(JOINTS)}, 3)"
            )
        bad = np.argwhere(~np.isfinite(self.positions))
        if len(bad):
            frame, joint, axis = bad[0]
            raise ValueError(
                f"positions[{frame}, {joint}, {axis}] is {self.positions[tuple(bad[0])]}; drop "
                "the frame or fill the joint"
            )
        if self.clip.shape != (count,):
            raise ValueError(f"clip has shape {self.clip.shape}, expected ({count},)")
        if self.fps.shape != (len(self.clips),):
            raise ValueError(f"fps has shape {self.fps.shape}, expected ({len(self.clips)},)")
        outside = np.flatnonzero((self.clip < 0) | (self.clip >= len(self.clips)))
        if len(outside):
            frame = outside[0]
            raise ValueError(
                f"clip[{frame}] = {self.clip[frame]}, but there are {len(self.clips)} clips"
            )
        for name in ("poses", "fit_error", "smpl"):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"{name} is for {len(value)} frames, positions for {count}")

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, frames: np.ndarray | slice) -> Motion:
        """The frames of a boolean mask, ids or a slice; the table of clips stays whole."""
        return replace(
            self,
            positions=self.positions[frames],
            clip=self.clip[frames],
            poses=None if self.poses is None else self.poses.select(frames),
            fit_error=None if self.fit_error is None else self.fit_error[frames],
            smpl=None if self.smpl is None else self.smpl.select(frames),
        )

    def __repr__(self) -> str:
        fitted = "" if self.poses is None else ", with body poses"
        return f"Motion({len(self)} frames, {len(np.unique(self.clip))} clips{fitted})"


def load_builtin() -> Motion:
    """The 15 clips that come with the example, with the body fitted to every frame.

    Returns
    -------
    Motion

    Notes
    -----
    The clips are those of DeepMimic (Peng et al. 2018) as the package pybullet ships them: motion
    capture put on one humanoid of 1.6 m, so all bones have constant lengths. ``data/NOTICE`` says
    what is known of their origin. Frame rates differ from clip to clip.

    Examples
    --------
    >>> from examples.hgn_pose.motion import held_out_frames, load_builtin
    >>> motion = load_builtin()
    >>> motion
    Motion(1620 frames, 15 clips, with body poses)
    >>> motion.select(held_out_frames(motion))
    Motion(346 frames, 4 clips, with body poses)
    """
    pose_names = [field.name for field in fields(BodyPose)]
    data = read_shipped_npz(
        MOTION_PATH,
        ["positions_3d", "clip", "clip_name", "clip_action", "fps", "fit_error", *pose_names],
    )
    clips = tuple(
        Clip(name, action, performer=0, held_out=name in HELD_OUT_CLIPS)
        for name, action in zip(
            data["clip_name"].tolist(), data["clip_action"].tolist(), strict=True
        )
    )
    return Motion(
        positions=data["positions_3d"],
        clip=data["clip"].astype(np.int64),
        clips=clips,
        fps=data["fps"],
        poses=BodyPose(**{name: data[name] for name in pose_names}),
        fit_error=data["fit_error"],
    )


def load_cmu17(path: str | Path) -> Motion:
    """CMU's motion capture as 17-joint skeletons, from ``cmu17.npz``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Motion
        Without body poses; :func:`examples.hgn_pose.fitting.fit_motion` adds them.

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
    data = _read_cmu17(Path(path))
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


def held_out_frames(motion: Motion) -> np.ndarray:  # [T] bool
    """Whether each frame belongs to a clip that is kept for the test.

    For the built-in motion four whole clips are held out, so the test asks for actions that were
    never trained; all clips are of one humanoid, so it says nothing about unseen bodies. For
    cmu17 four performers are held out with all of their clips, as its authors ask.
    """
    return np.array([clip.held_out for clip in motion.clips], dtype=bool)[motion.clip]


def mesh_targets(
    body: BodyModel,
    motion: Motion,
    restrictions: Sequence[Any],
    cache: Path | None = None,
) -> list[np.ndarray]:
    """Coarse meshes of the fitted bodies.

    Parameters
    ----------
    body : BodyModel
    motion : Motion
        With body poses.
    restrictions : sequence of sparse matrix, each of shape (N, V)
        From the body's vertices to those of a coarse mesh.
    cache : Path, optional
        Folder of meshes that were computed earlier, found by a checksum.

    Returns
    -------
    list of array of float32, each of shape (T, N, 3)
        World metres.

    Raises
    ------
    ValueError
        If the motion has no poses, or a restriction does not fit the body.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from examples.hgn_pose.body import load_body
    >>> centroid = sp.csr_array(np.full((1, 13348), 1 / 13348))
    >>> motion = load_builtin().select(slice(0, 5))
    >>> mesh_targets(load_body(), motion, [centroid])[0].shape
    (5, 1, 3)
    """
    from examples.hgn_pose.skinning import CoarseSkinning

    if motion.poses is None:
        raise ValueError("motion has no body poses; add them with fitting.fit_motion")
    poses = motion.poses
    targets = []
    for restriction in restrictions:
        skinning = CoarseSkinning(body, restriction)

        def make(skinning: CoarseSkinning = skinning) -> dict[str, np.ndarray]:
            return {"vertices": skinning.vertices(poses).astype(np.float32, copy=False)}

        checksum = checksum_of(
            MESH_VERSION, body.fingerprint, skinning.restriction, *poses.arrays().values()
        )
        targets.append(cached(cache, "meshes", checksum, ["vertices"], make)["vertices"])
    return targets


def _read_cmu17(path: Path) -> dict[str, np.ndarray]:
    data = read_npz(path, CMU17_ARRAYS)
    for name, axes in CMU17_ARRAYS.items():
        array = data[name]
        kind = "US" if name in ("clip_name", "clip_action", "joints") else "iuf"
        if array.ndim != axes or array.dtype.kind not in kind:
            raise ValueError(
                f"{path} cannot be used: {name} is {array.dtype} of shape {array.shape}"
            )
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
