"""Motion as 17 joints over time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from examples.hgn_pose.body.poses import BodyPose, SmplParameters
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.motion.cameras import Cameras, ring_of_cameras

WORST_FIT = 25.0
"""Millimetres; frames whose fitted body is worse do not supervise the meshes, as in Pose2Mesh."""

VIRTUAL_CAMERAS = (
    "Cameras are virtual and 2D joints exact, so the figures cannot be compared with published "
    "ones on Human3.6M."
)
"""What to keep in mind of figures on motion that no real camera saw."""


@dataclass(frozen=True)
class Clip:
    """One take: its name, what is done in it, by whom, and whether it is kept for the test."""

    name: str
    action: str
    performer: int | str
    held_out: bool = False


@dataclass(frozen=True, eq=False)
class Motion:
    """Joint positions of T frames in C clips; virtual cameras look at them.

    It has the face of :class:`~examples.hgn_pose.motion.footage.Footage`.

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

    @property
    def number(self) -> np.ndarray:  # [T] int64
        """Number of every frame in its clip, from 0."""
        return numbers_in_clips(self.clip)

    def every(self, n: int) -> Motion:
        """The frames number 0, n, 2n, ... of every clip."""
        return self.select(every_nth(self.clip, n)) if len(self) else self

    @property
    def motion(self) -> Motion:
        """Itself."""
        return self

    def with_motion(self, motion: Motion) -> Motion:
        """The other motion."""
        return motion

    @property
    def cameras(self) -> Cameras:
        """The virtual ones."""
        return ring_of_cameras()

    @property
    def camera_names(self) -> tuple[str, ...]:
        """``virtual 0`` and so on."""
        return tuple(f"virtual {number}" for number in range(len(self.cameras)))

    @property
    def sights(self) -> None:
        """None: every camera sees every frame."""
        return None

    def misfits(self, most: int) -> list[tuple[str, int, float]]:
        """None: the 2D joints are computed from the 3D ones."""
        return []

    def input_by(self, keypoints: str) -> str:
        """What the 2D joints are, for reports."""
        return "exact 2D joints"

    @property
    def notes(self) -> tuple[str, ...]:
        """What to keep in mind of figures on it."""
        return (VIRTUAL_CAMERAS,)

    def __repr__(self) -> str:
        fitted = "" if self.poses is None else ", with body poses"
        return f"Motion({len(self)} frames, {len(np.unique(self.clip))} clips{fitted})"


def held_out_frames(motion: Motion) -> np.ndarray:  # [T] bool
    """Whether each frame belongs to a clip that is kept for the test.

    For the built-in motion four whole clips are held out, so the test asks for actions that were
    never trained; all clips are of one humanoid, so it says nothing about unseen bodies. For
    cmu17 four performers are held out with all of their clips, as its authors ask.
    """
    return np.array([clip.held_out for clip in motion.clips], dtype=bool)[motion.clip]


def every_nth(clip: np.ndarray, n: int) -> np.ndarray:
    """Mask of the frames number 0, n, 2n, ... of each clip, for clips with contiguous frames.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.motion.motion import every_nth
    >>> every_nth(np.array([0, 0, 0, 1, 1, 1]), 2)
    array([ True, False,  True,  True, False,  True])
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    return numbers_in_clips(clip) % n == 0


def numbers_in_clips(clip: np.ndarray) -> np.ndarray:  # [T] int64
    """Number of each frame in its clip, for clips with contiguous frames.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.motion.motion import numbers_in_clips
    >>> numbers_in_clips(np.array([0, 0, 0, 4, 4]))
    array([0, 1, 2, 0, 1])
    """
    if not len(clip):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.diff(clip, prepend=clip[0] - 1))
    return np.arange(len(clip)) - np.repeat(starts, np.diff(starts, append=len(clip)))
