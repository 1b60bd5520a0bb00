"""How training samples vary: turned, scaled and mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from examples.hgn_pose.samples.batches import mirrored


@dataclass(frozen=True)
class Augmentation:
    """How much the training poses vary; every variation is drawn anew for every sample."""

    heading: bool = True
    """Turn the scene about the vertical axis by any angle; not with real cameras."""
    size: float = 0.08
    """Scale the scene by up to this fraction, up or down; not with real cameras."""
    flip: bool = True
    """Mirror half of the samples, left to right."""

    def draw(self, count: int, generator: torch.Generator) -> Variation:
        """One variation for each of ``count`` samples; always draws the same amount."""
        heading, size, flip = torch.rand(3, count, generator=generator)
        return Variation(
            heading=heading * (2 * torch.pi * self.heading),
            size=1 + self.size * (2 * size - 1),
            flip=(flip < 0.5) & self.flip,
        )


NO_AUGMENTATION = Augmentation(heading=False, size=0.0, flip=False)


@dataclass(frozen=True, eq=False)
class Variation:
    """What is done to each sample of a batch."""

    heading: Tensor  # [B] radians
    size: Tensor  # [B]
    flip: Tensor  # [B] bool

    def to(self, device: torch.device | str) -> Variation:
        return Variation(self.heading.to(device), self.size.to(device), self.flip.to(device))

    def for_each(self, frames: int) -> Variation:
        """The same for every frame of a window, window by window: [B * frames]."""
        return Variation(
            *(
                values[:, None].expand(-1, frames).flatten()
                for values in (self.heading, self.size, self.flip)
            )
        )

    def mirror(
        self,
        points: Tensor,  # [B, N, D]
        flip: Tensor,  # [N] int64
    ) -> Tensor:  # [B, N, D]
        """The points of those samples that are to be mirrored; the others as they are."""
        return torch.where(self.flip[:, None, None], mirrored(points, flip), points)

    def turn_and_scale(self) -> Tensor:  # [B, 3, 3], multiplied from the right
        """Matrices that turn about the vertical axis, and scale."""
        cos, sin = self.heading.cos(), self.heading.sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        turn = torch.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], dim=1)
        return turn.view(-1, 3, 3) * self.size[:, None, None]
