"""Scenes that networks were not trained on: other cameras, and people of other proportions.

Each changes one thing, and has one number to turn. Only what virtual cameras see can be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.motion.cameras import AZIMUTHS, Cameras, ring_of_cameras
from examples.hgn_pose.samples.samples import RecordedSamples, Samples

Scene = tuple[Samples, Cameras]

_LIMBS = ("Knee", "Ankle", "Elbow", "Wrist")


@dataclass(frozen=True)
class SceneKind:
    """A family of scenes with one number to turn."""

    make: Callable[[Samples, Cameras, float], Scene]
    levels: tuple[float, ...]
    """A fitting range for a curve."""
    least: float
    most: float
    """Beyond these a level makes no sense."""
    title: str
    unit: str

    def check(self, level: float) -> None:
        """Raises ValueError for a level that makes no sense."""
        if not self.least <= level <= self.most:
            raise ValueError(
                f"a level of {self.title} must lie between {self.least:g} and {self.most:g} "
                f"({self.unit}), got {level:g}"
            )


def _height(samples: Samples, cameras: Cameras, level: float) -> Scene:
    return samples, _ring(cameras, ring_of_cameras(height=level))


def _azimuth(samples: Samples, cameras: Cameras, level: float) -> Scene:
    return samples, _ring(cameras, ring_of_cameras([usual + level for usual in AZIMUTHS]))


def _focal(samples: Samples, cameras: Cameras, level: float) -> Scene:
    return samples, replace(cameras, focal=level)


def _limbs(samples: Samples, cameras: Cameras, level: float) -> Scene:
    return replace(samples, positions=with_limbs(samples.positions, level)), cameras


SCENES = {
    "height": SceneKind(
        _height, (0.3, 0.9, 1.55, 2.2, 3.0, 4.0), 0.0, 10.0, "height of the cameras", "m"
    ),
    "azimuth": SceneKind(
        _azimuth, (0, 15, 30, 45), -360.0, 360.0, "direction of the cameras", "degrees turned"
    ),
    "focal": SceneKind(_focal, (800, 950, 1145, 1350, 1600), 100.0, 10000.0, "focal length", "px"),
    "limbs": SceneKind(
        _limbs, (0.8, 0.9, 1, 1.1, 1.2), 0.5, 2.0, "length of arms and legs", "times theirs"
    ),
}


def show(kind: str, samples: Samples, cameras: Cameras, level: float) -> Scene:
    """Samples and cameras of a scene, on their device.

    Raises
    ------
    ValueError
        If real cameras saw the samples.
    """
    if isinstance(samples, RecordedSamples):
        raise ValueError(
            f"the scene {kind} changes what virtual cameras see, and real ones saw these data; "
            "leave it out or take cmu17"
        )
    return SCENES[kind].make(samples, cameras, level)


def with_limbs(
    positions: Tensor,  # [T, 17, 3]
    factor: float,
) -> Tensor:  # [T, 17, 3]
    """The same poses of people with longer or shorter arms and legs, as high above the ground.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> positions = torch.from_numpy(load_builtin().positions[:2])
    >>> longer = with_limbs(positions, 1.2)
    >>> forearm = (positions[:, 13] - positions[:, 12]).norm(dim=1)
    >>> bool(torch.allclose((longer[:, 13] - longer[:, 12]).norm(dim=1), 1.2 * forearm))
    True
    """
    moved = positions.clone()
    for parent, child in EDGES:  # parents come first
        scale = factor if JOINTS[child].endswith(_LIMBS) else 1.0
        moved[:, child] = moved[:, parent] + scale * (positions[:, child] - positions[:, parent])
    lowest = [points[..., 2].amin(dim=1, keepdim=True) for points in (positions, moved)]
    moved[..., 2] += lowest[0] - lowest[1]
    return moved


def hidden_groups(hidden: np.ndarray, most: int) -> list[np.ndarray]:
    """Samples with 0, 1, ... hidden joints; those of the last group have so many or more.

    Examples
    --------
    >>> import numpy as np
    >>> [group.tolist() for group in hidden_groups(np.array([0, 5, 1, 0]), 2)]
    [[0, 3], [2], [1]]
    """
    of = np.minimum(hidden, most)
    return [np.flatnonzero(of == count) for count in range(most + 1)]


def _ring(cameras: Cameras, ring: Cameras) -> Cameras:
    ring = replace(ring, focal=cameras.focal, width=cameras.width, height=cameras.height)
    return ring.to(cameras.position.device)
