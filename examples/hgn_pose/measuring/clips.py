"""How clips of a motion look to a camera, what goes wrong in them, and how answers tremble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from examples.hgn_pose.body.skeleton import FLIP, JOINTS
from examples.hgn_pose.measuring.metrics import MILLIMETRES
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.motion import Motion
from examples.hgn_pose.samples.gathering import clip_centres

WRIST = JOINTS.index("L_Wrist")
ANKLES = [JOINTS.index("R_Ankle"), JOINTS.index("L_Ankle")]
STANDING = 0.15
"""Metres a second below which a true ankle stands."""
SWAPPED = 4
"""Frames in a row with left and right confused."""


@dataclass(frozen=True, eq=False)
class Filmed:
    """A clip before a camera.

    Parameters
    ----------
    name : str
    fps : float
    pixels : array of float64, shape (T, 17, 2)
        Exact.
    pose : array of float32, shape (T, 17, 3)
        In the frame of the camera, relative to the pelvis, metres.
    root : array of float64, shape (T, 3)
        Where the pelvis is, metres from the camera.
    slopes : array of float64, shape (T, 17, 2)
        Of the joints' rays.
    down : array of float64, shape (3,)
        In the axes of the camera.
    image_size : pair of int
    """

    name: str
    fps: float
    pixels: np.ndarray
    pose: np.ndarray
    root: np.ndarray
    slopes: np.ndarray
    down: np.ndarray
    image_size: tuple[int, int]


def filmed_clips(motion: Motion, every: int, most: int) -> Iterator[Filmed]:
    """Every n-th held-out clip before one of the four cameras in turn, its first frames."""
    cameras = ring_of_cameras()
    held_out = [number for number, clip in enumerate(motion.clips) if clip.held_out]
    for turn, number in enumerate(held_out[::every]):
        positions = motion.positions[motion.clip == number][:most]
        centre = clip_centres(positions, np.zeros(len(positions), np.int64))[:, None]
        world = torch.from_numpy((positions - centre).astype(np.float32))
        seen = cameras.to_camera(world, torch.full((len(world),), turn % len(cameras)))
        yield Filmed(
            motion.clips[number].name,
            float(motion.fps[number]),
            cameras.project(seen).numpy().astype(np.float64),
            (seen - seen[:, :1]).numpy(),
            seen[:, 0].double().numpy(),
            (seen[..., :2] / seen[..., 2:]).double().numpy(),
            -cameras.rotation[turn % len(cameras), :, 2].double().numpy(),
            (cameras.width, cameras.height),
        )


def wrist_off(
    pixels: np.ndarray,  # [T, 17, 2]
    frame: int,
    share: float,
    random: np.random.Generator,
) -> np.ndarray:
    """The left wrist of one frame, off by a share of the person's height in any direction."""
    spoiled = pixels.copy()
    angle = random.uniform(0, 2 * np.pi)
    height = float(np.ptp(pixels[frame], axis=0).max())
    spoiled[frame, WRIST] += share * height * np.array([np.cos(angle), np.sin(angle)])
    return spoiled


def sides_swapped(
    pixels: np.ndarray,  # [T, 17, 2]
    frame: int,
) -> np.ndarray:
    """Left and right confused for ``SWAPPED`` frames."""
    spoiled = pixels.copy()
    rows = slice(frame, frame + SWAPPED)
    spoiled[rows] = pixels[rows, FLIP]
    return spoiled


def sliding(
    joints: np.ndarray,  # [T, 17, 3] metres from the camera
    clip: Filmed,
) -> float:
    """How far ankles move in a frame in which the true ones stand, mm; NaN where none stands."""
    true = (clip.pose + clip.root[:, None])[:, ANKLES]
    still = np.linalg.norm(np.diff(true, axis=0), axis=2) * clip.fps < STANDING
    moved = np.linalg.norm(np.diff(joints[:, ANKLES], axis=0), axis=2)[still]
    return float(moved.mean()) * MILLIMETRES if len(moved) else np.nan


def acceleration(
    pose: np.ndarray,  # [T, 17, 3] metres
) -> float:
    """Mean length of the second difference over frames of all joints, mm a frame squared.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.clips import acceleration
    >>> time = np.arange(10.0)
    >>> round(acceleration(0.001 * time[:, None, None] ** 2 * np.array([0.0, 0.0, 1.0])), 6)
    2.0
    """
    return float(np.linalg.norm(np.diff(pose, 2, axis=0), axis=-1).mean() * MILLIMETRES)
