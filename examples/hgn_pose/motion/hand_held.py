"""Cameras that people hold: tilted, rolled, near or far, with the person anywhere in the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from multiscale_gcn.checks.arguments import real_number

LOWEST = 0.2
"""Metres above the ground that a camera stands at least."""


def rotations(
    heading: Tensor,  # [B] radians
    pitch: Tensor,  # [B] radians
    roll: Tensor,  # [B] radians
) -> Tensor:  # [B, 3, 3]
    """Right, down and forward of cameras in a world with z up.

    Parameters
    ----------
    heading : Tensor, shape (B,)
        Where they look, from the x axis towards the y axis.
    pitch : Tensor, shape (B,)
        How far down they look.
    roll : Tensor, shape (B,)
        How far they are turned clockwise about the line of sight, seen from behind, so that an
        upright person leans to the left in the image.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.motion.hand_held import rotations
    >>> level = rotations(*torch.zeros(3, 1))
    >>> level[0] + 0.0
    tensor([[ 0., -1.,  0.],
            [ 0.,  0., -1.],
            [ 1.,  0.,  0.]])
    """
    ch, sh, cp, sp = heading.cos(), heading.sin(), pitch.cos(), pitch.sin()
    zero = torch.zeros_like(ch)
    forward = torch.stack([ch * cp, sh * cp, -sp], dim=1)
    across = torch.stack([sh, -ch, zero], dim=1)
    below = torch.linalg.cross(forward, across)
    cr, sr = roll.cos()[:, None], roll.sin()[:, None]
    return torch.stack([cr * across + sr * below, cr * below - sr * across, forward], dim=1)


def places(
    rotation: Tensor,  # [B, 3, 3]
    person: Tensor,  # [B, 3] world, metres
    distance: Tensor,  # [B] metres
    slope: Tensor,  # [B, 2]
) -> Tensor:  # [B, 3]
    """Where cameras stand that see a person at a distance and along a ray, but above the ground.

    Parameters
    ----------
    rotation : Tensor, shape (B, 3, 3)
    person : Tensor, shape (B, 3)
        The pelvis.
    distance : Tensor, shape (B,)
    slope : Tensor, shape (B, 2)
        Of the ray to the pelvis, to the right and down. A camera that would stand lower than
        ``LOWEST`` is raised to it and sees the person lower.
    """
    ray = torch.cat([slope, torch.ones_like(slope[:, :1])], dim=1)
    ray = distance[:, None] * torch.nn.functional.normalize(ray, dim=1)
    place = person - (rotation * ray[:, :, None]).sum(1)
    return torch.cat([place[:, :2], place[:, 2:].clamp(min=LOWEST)], dim=1)


class HeldCameras(NamedTuple):
    """A camera for each of B samples, told by what it sees of the person."""

    held: Tensor  # [B] bool: whether it is used
    rotation: Tensor  # [B, 3, 3] from world to camera axes
    distance: Tensor  # [B] metres to the pelvis
    slope: Tensor  # [B, 2] of the ray to the pelvis
    lens: Tensor  # [B] the focal length that is taken for the true one, divided by it


@dataclass(frozen=True)
class HandHeld:
    """How the cameras vary that people hold; every one is drawn anew for every sample."""

    share: float = 0.75
    """Of the samples; the others are seen by the cameras of the studio."""
    pitch: tuple[float, float] = (-10.0, 35.0)
    """Degrees by which they look down, from least to most."""
    roll: float = 15.0
    """Degrees by which they are rolled at most, either way."""
    distance: tuple[float, float] = (2.0, 8.0)
    """Metres to the pelvis; near ones are drawn more often, each doubling as often as another."""
    aside: float = 25.0
    """Degrees by which the person stands to the side of the axis, and above or below it, at
    most."""
    lens: float = 0.2
    """How wrong the focal length is that is taken for the true one: up to this fraction."""

    def __post_init__(self) -> None:
        real_number(self.share, "share", least=0, most=1)
        real_number(self.roll, "roll", least=0, most=180)
        real_number(self.aside, "aside", least=0, most=45)
        real_number(self.lens, "lens", least=0, most=0.9)
        for name, least, most in (("pitch", -60, 60), ("distance", 1.5, 100)):
            low, high = getattr(self, name)
            real_number(low, f"{name}[0]", least=least, most=most)
            real_number(high, f"{name}[1]", least=low, most=most)

    def draw(self, count: int, generator: torch.Generator) -> HeldCameras:
        """A camera for each of ``count`` samples."""
        used, heading, pitch, roll, distance, right, down, lens = torch.rand(
            8, count, generator=generator
        )
        near, far = self.distance
        low, high = self.pitch
        aside = torch.deg2rad(torch.stack([right, down], dim=1) * 2 - 1) * self.aside
        return HeldCameras(
            held=used < self.share,
            rotation=rotations(
                heading * (2 * torch.pi),
                torch.deg2rad(low + (high - low) * pitch),
                torch.deg2rad(self.roll * (2 * roll - 1)),
            ),
            distance=near * (far / near) ** distance,
            slope=aside.tan(),
            lens=1 + self.lens * (2 * lens - 1),
        )
