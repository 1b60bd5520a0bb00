"""The protocol ``wild``: people seen by phones that strangers hold, with a detector's errors.

Every test frame is seen by some random cameras, and by the level ones of the studio with the same
errors. A camera looks from any side, is tilted, rolled, near or far, and has the person anywhere
in its image, whole. Nothing of this is known to who lifts, save where it is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from examples.hgn_pose.measuring.noise import WIDTH, Detector
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.motion.hand_held import places, rotations
from examples.hgn_pose.motion.studio import BONES, FOCAL, bone_length
from examples.hgn_pose.samples.samples import Samples

PITCH, ROLL, DISTANCE = (-10.0, 35.0), (-15.0, 15.0), (2.0, 8.0)
"""Degrees, degrees and metres, from least to most, all equally often."""

PHONE, TELE, TELE_SHARE = (60.0, 80.0), (20.0, 40.0), 0.25
"""Degrees across the longer side of the image: of the main cameras of phones, and of zooms, and
the share of these."""

ASPECT = 9 / 16
"""Shorter by longer side of the image; half of the cameras are held upright."""

MOST_DRAWS = 1000
"""How often a camera is drawn anew until it sees the whole person."""


@dataclass(frozen=True, eq=False)
class Views:
    """S samples: what a camera saw of a person, and the truth.

    Parameters
    ----------
    slopes : array of float64, shape (S, 17, 2)
        Of the rays to the joints.
    pose : array of float32, shape (S, 17, 3)
        Camera frame, relative to the pelvis, metres.
    field : array of float64, shape (S,)
        Degrees that the camera sees across the longer side of its image.
    down : array of float64, shape (S, 3)
        Where things fall, in camera axes.
    rotation : array of float64, shape (S, 3, 3)
        From world to camera axes.
    position : array of float64, shape (S, 3)
        Of the cameras, in the world of the samples.
    half : array of float64, shape (S, 2)
        Slopes of the rays to the right and the lower edge of the image.
    """

    slopes: NDArray[np.float64]
    pose: NDArray[np.float32]
    field: NDArray[np.float64]
    down: NDArray[np.float64]
    rotation: NDArray[np.float64]
    position: NDArray[np.float64]
    half: NDArray[np.float64]

    def detected(self, pixels: float, seed: int) -> NDArray[np.float64]:  # [S, 17, 2]
        """The slopes as a detector finds them, whose errors are as large as the person appears.

        Parameters
        ----------
        pixels : float
            Jitter in the studio's images, see :class:`.noise.Detector`.
        seed : int
        """
        size = bone_length(torch.from_numpy(self.slopes)).numpy()[:, None, None]
        unit = BONES * WIDTH / 2 / size
        random = np.random.default_rng(seed)
        return Detector(pixels).spoil(self.slopes * unit, random) / unit

    def stretched(self, field: float) -> NDArray[np.float64]:  # [S]
        """How many times as large slopes seem to who takes this for the field of all cameras."""
        true, believed = np.tan(np.deg2rad(self.field / 2)), np.tan(np.deg2rad(field / 2))
        ratio: NDArray[np.float64] = believed / true
        return ratio


def level_views(samples: Samples, cameras: Cameras) -> Views:
    """Every frame in every camera of the studio, whose images have no edges."""
    views = len(cameras)
    everything = torch.arange(len(samples) * views, device=samples.positions.device)
    batch = samples.batch(cameras, everything // views, everything % views)
    view = everything % views
    down = -cameras.rotation[view, :, 2]
    field = 2 * np.rad2deg(np.arctan(1 / FOCAL))
    return Views(
        slopes=batch.image.double().cpu().numpy() / FOCAL,
        pose=batch.pose.cpu().numpy(),
        field=np.full(len(everything), field),
        down=down.double().cpu().numpy(),
        rotation=cameras.rotation[view].double().cpu().numpy(),
        position=cameras.position[view].double().cpu().numpy(),
        half=np.full((len(everything), 2), np.inf),
    )


def wild_views(samples: Samples, views: int, seed: int) -> Views:
    """Every frame in some random cameras of its own; the same for every network.

    Raises
    ------
    ValueError
        When a person does not fit into the image of any camera that was drawn.
    """
    points = samples.positions.double().cpu().repeat_interleave(views, dim=0)
    random = np.random.default_rng(seed)
    parts = _drawn(points, random)
    for _ in range(MOST_DRAWS):
        outside = torch.nonzero(~parts["inside"])[:, 0]
        if not len(outside):
            break
        for name, again in _drawn(points[outside], random).items():
            parts[name][outside] = again
    else:
        raise ValueError("a person fits into no image; leave out frames with points far apart")
    seen = parts["seen"]
    return Views(
        slopes=(seen[..., :2] / seen[..., 2:]).numpy(),
        pose=(seen - seen[:, :1]).float().numpy(),
        field=parts["field"].numpy(),
        **{name: parts[name].numpy() for name in ("down", "rotation", "position", "half")},
    )


def _drawn(points: Tensor, random: np.random.Generator) -> dict[str, Tensor]:
    """A camera for each element of points: what it sees, and whether it sees all of it."""
    count = len(points)

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(random.uniform(low, high, count))

    heading = uniform(0, 2 * np.pi)
    pitch, roll = torch.deg2rad(uniform(*PITCH)), torch.deg2rad(uniform(*ROLL))
    distance = uniform(*DISTANCE)
    phone, tele = uniform(*PHONE), uniform(*TELE)
    field = torch.where(uniform(0, 1) < TELE_SHARE, tele, phone)
    upright = uniform(0, 1) < 0.5
    longer = torch.deg2rad(field / 2).tan()
    half = torch.stack(
        [
            torch.where(upright, ASPECT * longer, longer),
            torch.where(upright, longer, ASPECT * longer),
        ],
        dim=1,
    )
    slope = half * torch.stack([uniform(-1, 1), uniform(-1, 1)], dim=1)
    rotation = rotations(heading, pitch, roll)
    position = places(rotation, points[:, 0], distance, slope)
    seen = (points - position[:, None]) @ rotation.transpose(1, 2)
    picture = seen[..., :2] / seen[..., 2:]
    inside = (seen[..., 2] > 0).all(1) & (picture.abs() < half[:, None]).all(2).all(1)
    return {
        "seen": seen,
        "inside": inside,
        "field": field,
        "down": -rotation[:, :, 2],
        "rotation": rotation,
        "position": position,
        "half": half,
    }
