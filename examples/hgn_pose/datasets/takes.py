"""What every reader makes first: takes, which are then joined to one recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from examples.hgn_pose.datasets.plausible import check_image, check_skeleton
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.motion.motion import Clip, Motion
from examples.hgn_pose.motion.recording import Recording, normalised

Y_DOWN_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], dtype=np.float32)
"""From the frame of a level camera (right, down, forward) to a world with z up."""


@dataclass(frozen=True, eq=False)
class RealCamera:
    """One real camera: where it looks, where it stands, and the size of its image.

    Parameters
    ----------
    name : str
    rotation : array, shape (3, 3)
        From world to camera axes; the rows are right, down and forward.
    position : array, shape (3,)
        Optical centre in the world, metres.
    size : tuple of float
        Width and height of the image, pixels.
    """

    name: str
    rotation: np.ndarray
    position: np.ndarray
    size: tuple[float, float]

    def sees(
        self,
        points: np.ndarray,  # [..., 3] world, metres
    ) -> np.ndarray:  # [..., 3] camera frame, metres
        """Express world points in the camera's frame."""
        return (points - self.position) @ self.rotation.T


def level_camera(name: str, size: tuple[float, float]) -> RealCamera:
    """A camera at the origin of its own world, for data that come in the camera's frame.

    Multiply such data by ``Y_DOWN_TO_Z_UP.T`` from the right to get world coordinates.
    """
    return RealCamera(name, Y_DOWN_TO_Z_UP.T, np.zeros(3), size)


@dataclass(frozen=True, eq=False)
class Take:
    """One clip and what each camera saw of it.

    Parameters
    ----------
    clip : Clip
    positions : array, shape (T, 17, 3)
        World positions, metres, z up.
    pixels : mapping of int to array of shape (T, 17, 2)
        2D joints by row of the table of views.
    fps : float
    number : array of int, shape (T,), optional
        Numbers of the frames in the take; 0, 1, 2, ... by default.
    seen : mapping of int to array of bool, shape (T,), optional
        Which frames each camera saw; all by default.
    """

    clip: Clip
    positions: np.ndarray
    pixels: Mapping[int, np.ndarray]
    fps: float
    number: np.ndarray | None = None
    seen: Mapping[int, np.ndarray] | None = None


def join(takes: Sequence[Take], views: Sequence[RealCamera], source: str) -> Recording:
    """One recording of all takes.

    Parameters
    ----------
    takes : sequence of Take
    views : sequence of RealCamera
    source : str
        Where they come from, for errors.

    Returns
    -------
    Recording
        Its sights run over the takes, over the cameras of a take, and over its frames.

    Raises
    ------
    ValueError
        If there is no frame, or if joints cannot be metres or pixels in the order of
        ``skeleton.JOINTS``.
    """
    if not any(len(take.positions) for take in takes):
        raise ValueError(f"{source} cannot be used: there are no frames")
    starts = np.cumsum([0, *(len(take.positions) for take in takes)])
    frame, camera, image = [], [], []
    for start, take in zip(starts, takes, strict=False):
        where = f"{source}, {take.clip.name}"
        check_skeleton(take.positions, where)
        for row, pixels in take.pixels.items():
            view = views[row]
            kept = np.arange(len(take.positions))
            if take.seen is not None:
                kept = np.flatnonzero(take.seen[row])
            seen = view.sees(take.positions[kept])
            check_image(pixels[kept], seen, view.size, f"{where}, {view.name}")
            frame.append(start + kept)
            camera.append(np.full(len(kept), row))
            image.append(normalised(pixels[kept], *view.size))
    try:
        return Recording(
            motion=Motion(
                positions=np.concatenate([take.positions for take in takes]).astype(np.float32),
                clip=np.repeat(np.arange(len(takes)), np.diff(starts)),
                clips=tuple(take.clip for take in takes),
                fps=np.array([take.fps for take in takes]),
            ),
            number=np.concatenate(
                [
                    np.arange(len(take.positions)) if take.number is None else take.number
                    for take in takes
                ]
            ),
            cameras=Cameras(
                torch.tensor(np.stack([view.rotation for view in views]), dtype=torch.float32),
                torch.tensor(np.stack([view.position for view in views]), dtype=torch.float32),
            ),
            camera_names=tuple(view.name for view in views),
            frame=np.concatenate(frame),
            camera=np.concatenate(camera),
            image=np.concatenate(image),
        )
    except ValueError as error:
        raise ValueError(f"{source} cannot be used: {error}") from error
