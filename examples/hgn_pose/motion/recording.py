"""Motion that real cameras saw, with the 2D joints of every sight."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.motion.footage import Sights
from examples.hgn_pose.motion.lens import lens_misfit
from examples.hgn_pose.motion.motion import Motion


@dataclass(frozen=True, eq=False)
class Recording:
    """T frames of motion and S sights of them, each by one of V cameras.

    It has the face of :class:`~examples.hgn_pose.motion.footage.Footage`.

    Parameters
    ----------
    motion : Motion
        The true joints in the world of the cameras, metres, z up.
    number : array of int64, shape (T,)
        Number of every frame in its take, from 0.
    cameras : Cameras
        Only where they stand and look matters, for the lens has done its work already.
    camera_names : tuple of str, length V
    frame, camera : array of int64, shape (S,)
        Row of ``motion`` and of ``cameras`` of every sight.
    image : array of float32, shape (S, 17, 2)
        2D joints, true or detected, as :func:`normalised` gives them.

    Raises
    ------
    ValueError
        If shapes do not fit together, a row is out of range or a 2D joint is not finite.
    """

    motion: Motion
    number: np.ndarray
    cameras: Cameras
    camera_names: tuple[str, ...]
    frame: np.ndarray
    camera: np.ndarray
    image: np.ndarray

    def __post_init__(self) -> None:
        frames, sights, views = len(self.motion), len(self.frame), len(self.cameras)
        shapes = {
            "number": (frames,),
            "camera": (sights,),
            "image": (sights, len(JOINTS), 2),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")
        if len(self.camera_names) != views:
            raise ValueError(f"there are {views} cameras and {len(self.camera_names)} names")
        for name, count in (("frame", frames), ("camera", views)):
            rows = getattr(self, name)
            outside = np.flatnonzero((rows < 0) | (rows >= count))
            if len(outside):
                raise ValueError(
                    f"{name}[{outside[0]}] = {rows[outside[0]]}, but there are {count}"
                )
        bad = np.argwhere(~np.isfinite(self.image))
        if len(bad):
            sight, joint, _ = bad[0]
            clip = self.motion.clips[self.motion.clip[self.frame[sight]]]
            raise ValueError(
                f"the 2D {JOINTS[joint]} of frame {self.number[self.frame[sight]]} of {clip.name} "
                "is not finite; drop the frame or fill the joint"
            )

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, frames: np.ndarray) -> Recording:
        """The frames of a boolean mask of shape (T,), with all sights of them."""
        place = np.cumsum(frames) - 1
        kept = frames[self.frame]
        return replace(
            self,
            motion=self.motion.select(frames),
            number=self.number[frames],
            frame=place[self.frame[kept]],
            camera=self.camera[kept],
            image=self.image[kept],
        )

    def every(self, n: int) -> Recording:
        """The frames whose number in their take is a multiple of n."""
        return self.select(self.number % n == 0)

    def with_motion(self, motion: Motion) -> Recording:
        """The same sights of another motion, such as one with bodies."""
        return replace(self, motion=motion)

    @property
    def sights(self) -> Sights:
        """What the cameras saw."""
        return Sights(self.frame, self.camera, self.image)

    def misfits(self, most: int) -> list[tuple[str, int, float]]:
        """How well the 2D joints fit the 3D ones, by name of the camera.

        Where cameras of one name stood in several worlds, the median over these is taken.
        """
        positions = torch.from_numpy(self.motion.positions)
        names = np.array(self.camera_names)[self.camera]
        found = []
        for name in np.unique(names):
            rows = np.flatnonzero(names == name)
            misfits = []
            for camera in np.unique(self.camera[rows]):
                few = rows[self.camera[rows] == camera]
                few = few[:: max(1, len(few) // most)]
                which = torch.from_numpy(self.camera[few])
                seen = self.cameras.to_camera(positions[self.frame[few]], which)
                misfits.append(lens_misfit(self.image[few], seen.double().numpy()) / 2)
            found.append((str(name), len(rows), float(np.median(misfits))))
        return found

    def input_by(self, keypoints: str) -> str:
        """What the 2D joints are, for reports."""
        return f"2D joints of real cameras ({keypoints})"

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: real cameras saw it."""
        return ()

    def __repr__(self) -> str:
        return f"Recording({self.motion!r}, {len(self)} sights by {len(self.cameras)} cameras)"


def normalised(
    pixels: NDArray[np.number],  # [..., 2]
    width: float,
    height: float,
) -> NDArray[np.float32]:  # [..., 2]
    """Pixels to the network's input, ``x / w * 2 - [1, h / w]``: the aspect is kept.

    Examples
    --------
    >>> from examples.hgn_pose.motion.recording import normalised
    >>> import numpy as np
    >>> normalised(np.array([[0, 0], [1000, 500]]), 1000, 1000).tolist()
    [[-1.0, -1.0], [1.0, 0.0]]
    """
    return (np.asarray(pixels) / width * 2 - [1, height / width]).astype(np.float32)
