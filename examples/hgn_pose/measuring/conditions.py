"""What networks are put through, one factor at a time: noise, hidden joints, scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.noise import KINDS, Noise, spoil_input
from examples.hgn_pose.measuring.occlusion import hidden_joints
from examples.hgn_pose.measuring.predictions import answer, seen_by
from examples.hgn_pose.measuring.scenes import SCENES, hidden_groups, show
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.sample_set import SampleSet

OCCLUSION = "occlusion"

MOST_HIDDEN = 5
"""Hidden joints of the last group, which has those with more too."""

TITLES = {
    **{name: (kind.title, kind.unit) for name, kind in KINDS.items()},
    OCCLUSION: ("self-occlusion", f"hidden joints, {MOST_HIDDEN} or more at the end"),
    **{name: (kind.title, kind.unit) for name, kind in SCENES.items()},
}
"""Title and unit of every factor, in the order of figures."""


@dataclass(frozen=True, eq=False)
class Condition:
    """A factor at one level: what networks are shown, and the truth."""

    factor: str
    level: float
    samples: SampleSet
    cameras: Cameras
    image: Tensor  # [S, 17, 2], on the device of the samples
    true_pose: np.ndarray  # [C, 17, 3]
    chosen: Tensor | None = None  # [C] int64, of the S samples; None: all
    spoil: Callable[[Tensor], Tensor] | None = None
    """What is done to the frames around those that are asked for."""

    def errors(
        self, model: nn.Module, *, frames: int = 1, spacing: int = 1, flip: bool
    ) -> dict[str, float]:
        """MPJPE and PA-MPJPE of a network that is given so many frames, millimetres."""
        samples = self.samples.of_frames(frames, spacing)
        inputs = samples.inputs(self.cameras, self.image, self.spoil)
        pose, *_ = answer(model, inputs if self.chosen is None else inputs[self.chosen], flip=flip)
        return {
            "mpjpe_mm": mpjpe(pose, self.true_pose),
            "pa_mpjpe_mm": pa_mpjpe(pose, self.true_pose),
        }


def usual_levels(factor: str) -> tuple[float, ...]:
    """A fitting range for a curve."""
    if factor == OCCLUSION:
        return tuple(range(MOST_HIDDEN + 1))
    return KINDS[factor].levels if factor in KINDS else SCENES[factor].levels


def check_levels(factor: str, levels: Sequence[float]) -> None:
    """Raises ValueError for levels that make no sense."""
    for level in levels:
        if factor in KINDS:
            KINDS[factor].make(level)
        elif factor in SCENES:
            SCENES[factor].check(level)
        elif level not in range(MOST_HIDDEN + 1):
            raise ValueError(
                f"a number of hidden joints must be one of 0 to {MOST_HIDDEN}, got {level:g}"
            )


def conditions(
    samples: SampleSet, cameras: Cameras, factor: str, levels: Sequence[float], seed: int
) -> Iterator[Condition]:
    """A factor at each of some levels, those without any sample left out.

    Parameters
    ----------
    samples, cameras
        For the test, on one device.
    factor : str
        Of ``TITLES``.
    levels : sequence of float
    seed : int
        Of noise.

    Raises
    ------
    ValueError
        If real cameras saw the samples, and the scene is another.
    """
    if factor in SCENES:
        for level in levels:
            scene = show(factor, samples, cameras, level)
            image, pose, *_ = seen_by(*scene)
            yield Condition(factor, level, *scene, image, pose.cpu().numpy())
        return
    image, pose, *_ = seen_by(samples, cameras)
    true_pose = pose.cpu().numpy()
    if factor == OCCLUSION:
        groups = hidden_groups(hidden_joints(true_pose), MOST_HIDDEN)
        for level in levels:
            chosen = groups[int(level)]
            if len(chosen):
                rows = torch.from_numpy(chosen).to(image.device)
                yield Condition(
                    factor, level, samples, cameras, image, true_pose[chosen], chosen=rows
                )
        return
    for level in levels:
        noise = KINDS[factor].make(level)

        def spoil(seen: Tensor, noise: Noise = noise) -> Tensor:
            spoiled = spoil_input(seen.cpu().numpy(), noise, seed)
            return torch.from_numpy(spoiled).to(seen.device)

        yield Condition(factor, level, samples, cameras, spoil(image), true_pose, spoil=spoil)
