"""Four virtual cameras around the scene, like those of Human3.6M."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Cameras:
    """Pinhole cameras with one common lens.

    The frame of a camera has x to the right, y down and z forward, as images have.

    Parameters
    ----------
    rotation : Tensor, shape (V, 3, 3), float32
        From world to camera axes; the rows are right, down and forward.
    position : Tensor, shape (V, 3), float32
        Optical centres in the world, metres.
    focal : float
        Focal length in pixels.
    width, height : int
        Size of the image in pixels; the principal point is its middle.
    """

    rotation: Tensor
    position: Tensor
    focal: float = 1145.0
    width: int = 1000
    height: int = 1000

    def __len__(self) -> int:
        return len(self.position)

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return Cameras(
            self.rotation.to(device),
            self.position.to(device),
            self.focal,
            self.width,
            self.height,
        )

    def to_camera(
        self,
        points: Tensor,  # [B, N, 3] world, metres
        camera: Tensor,  # [B] which camera sees each element
    ) -> Tensor:  # [B, N, 3] camera frame, metres
        """Express world points in the frames of their cameras."""
        moved = points - self.position[camera][:, None]
        return moved @ self.rotation[camera].transpose(1, 2)

    def project(
        self,
        points: Tensor,  # [..., 3] camera frame, metres, z > 0
    ) -> Tensor:  # [..., 2] pixels
        """Perspective projection to pixels."""
        x, y = (self.focal * points[..., :2] / points[..., 2:]).unbind(-1)
        return torch.stack([x + self.width / 2, y + self.height / 2], dim=-1)

    def normalise(
        self,
        pixels: Tensor,  # [..., 2]
    ) -> Tensor:  # [..., 2]
        """Pixels to the network's input, ``x / w * 2 - [1, h / w]``: the aspect is kept."""
        x, y = (pixels / self.width * 2).unbind(-1)
        return torch.stack([x - 1, y - self.height / self.width], dim=-1)


AZIMUTHS = (52, 142, 232, 322)
"""Degrees; where the four cameras stand."""


def ring_of_cameras(
    azimuths: Sequence[float] = AZIMUTHS,
    distance: float = 5.2,
    height: float = 1.55,
    target: tuple[float, float, float] = (0.0, 0.0, 0.95),
) -> Cameras:
    """Cameras on a circle around the z axis, all looking at one point.

    The defaults are close to the studio of Human3.6M: about 5 m away, 1.5 m up, f = 1145 px,
    1000 x 1000 pixels.

    Parameters
    ----------
    azimuths : sequence of float
        Directions from the z axis to the cameras, degrees from the x axis.
    distance : float
        Radius of the circle, metres.
    height : float
        Height of the circle above the ground, metres.
    target : tuple of three floats
        The point in the middle of every image, metres.

    Returns
    -------
    Cameras

    Examples
    --------
    >>> from examples.hgn_pose.motion.cameras import ring_of_cameras
    >>> cameras = ring_of_cameras()
    >>> len(cameras)
    4
    >>> import torch
    >>> middle = torch.tensor([[[0.0, 0.0, 0.95]]])
    >>> seen = cameras.to_camera(middle, torch.tensor([2]))
    >>> cameras.project(seen).round()
    tensor([[[500., 500.]]])
    """
    angle = torch.deg2rad(torch.tensor(azimuths, dtype=torch.float64))
    position = torch.stack(
        [distance * angle.cos(), distance * angle.sin(), torch.full_like(angle, height)], dim=1
    )
    forward = torch.nn.functional.normalize(torch.tensor(target).double() - position, dim=1)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=1)
    down = torch.linalg.cross(forward, right)
    return Cameras(torch.stack([right, down, forward], dim=1).float(), position.float())
