"""How training samples vary: turned, scaled and mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.other_bodies import LENGTHS, rebuilt
from multiscale_gcn.checks.arguments import real_number


@dataclass(frozen=True)
class Augmentation:
    """How much the training poses vary; every variation is drawn anew for every sample."""

    heading: bool = True
    """Turn the scene about the vertical axis by any angle; not with real cameras."""
    size: float = 0.08
    """Scale the scene by up to this fraction, up or down; not with real cameras."""
    flip: bool = True
    """Mirror half of the samples, left to right."""
    bones: float = 0.0
    """Change the lengths of bones by up to this fraction, in nine groups, left and right alike;
    coarse meshes follow. Not with real cameras."""
    crossover: float = 0.0
    """In this share of the samples the legs or an arm are those of another frame, and coarse
    meshes do not count. Not with real cameras."""

    def __post_init__(self) -> None:
        real_number(self.bones, "bones", least=0, most=0.5)
        real_number(self.crossover, "crossover", least=0, most=1)

    @property
    def changes_bodies(self) -> bool:
        """Whether there are bodies among the samples that nobody recorded."""
        return self.bones > 0 or self.crossover > 0

    def draw(self, count: int, generator: torch.Generator) -> Variation:
        """One variation for each of ``count`` samples; always draws the same amount."""
        heading, size, flip = torch.rand(3, count, generator=generator)
        bones = limb = None
        if self.bones:
            bones = 1 + self.bones * (2 * torch.rand(count, len(LENGTHS), generator=generator) - 1)
        if self.crossover:
            limb = _limbs(torch.rand(count, generator=generator), self.crossover)
        return Variation(
            heading=heading * (2 * torch.pi * self.heading),
            size=1 + self.size * (2 * size - 1),
            flip=(flip < 0.5) & self.flip,
            bones=bones,
            limb=limb,
        )


def _limbs(chance: Tensor, share: float) -> Tensor:  # [B] int64
    """Rows of ``LIMBS``: half of those that take a limb take the legs, a quarter each arm."""
    quarter = (chance * (4 / share)).long()
    return torch.where(chance < share, quarter.clamp(1, 3), torch.zeros_like(quarter))


NO_AUGMENTATION = Augmentation(heading=False, size=0.0, flip=False)


@dataclass(frozen=True, eq=False)
class Variation:
    """What is done to each sample of a batch; None is done to none."""

    heading: Tensor  # [B] radians
    size: Tensor  # [B]
    flip: Tensor  # [B] bool
    bones: Tensor | None = None  # [B, 9] factors of other_bodies.LENGTHS
    limb: Tensor | None = None  # [B] int64, row of other_bodies.LIMBS

    def to(self, device: torch.device | str) -> Variation:
        return Variation(**{name: value.to(device) for name, value in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Those that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @staticmethod
    def joined(parts: Sequence[Variation]) -> Variation:
        """The variations of several batches as one."""
        columns = [part.tensors() for part in parts]
        return Variation(
            **{name: torch.cat([column[name] for column in columns]) for name in columns[0]}
        )

    def mirror(
        self,
        points: Tensor,  # [B, N, D]
        flip: Tensor,  # [N] int64
    ) -> Tensor:  # [B, N, D]
        """The points of those samples that are to be mirrored; the others as they are."""
        return torch.where(self.flip[:, None, None], mirrored(points, flip), points)

    def rebuild(
        self,
        points: Tensor,  # [B, 17, 3]
    ) -> Tensor:  # [B, 17, 3]
        """Bodies with other bones and other limbs, where these are to be had."""
        if self.bones is None and self.limb is None:
            return points
        return rebuilt(points, self.bones, self.limb)

    def turn_and_scale(self) -> Tensor:  # [B, 3, 3], multiplied from the right
        """Matrices that turn about the vertical axis, and scale."""
        cos, sin = self.heading.cos(), self.heading.sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        turn = torch.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], dim=1)
        return turn.view(-1, 3, 3) * self.size[:, None, None]
