"""2D joints as detectors find them, a batch at a time: the noise models of ``measuring.noise``."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.motion.studio import BONES, bone_length

RARE = 0.005
"""Of the joints are missing, and as many misplaced, for every pixel of jitter; half that share of
the pairs of limbs is confused. As :class:`examples.hgn_pose.measuring.noise.Detector` has it."""

PIXEL = 1 / 500
"""Of an image 1,000 wide, in half image widths."""


class Errors(NamedTuple):
    """What a detector gets wrong in each of B samples."""

    jitter: Tensor  # [B, 17, 2] how far every joint is off, for a person as large as in the studio
    place: Tensor  # [B, 17, 2] from 0 to 1 in the person's box: where a misplaced joint is found
    missing: Tensor  # [B, 17] bool
    misplaced: Tensor  # [B, 17] bool
    confused: Tensor  # [B, 2] bool: left and right of the legs, of the arms


def draw_errors(count: int, pixels: float, generator: torch.Generator) -> Errors:
    """What a detector gets wrong in ``count`` samples.

    Every sample has a detector of its own, whose jitter is up to ``pixels``; good ones are more
    frequent than bad ones.
    """
    level = pixels * torch.rand(count, generator=generator) ** 2
    rare = (RARE * level).clamp(max=1)[:, None]
    jitter = torch.randn(count, len(JOINTS), 2, generator=generator)
    return Errors(
        jitter=jitter * (PIXEL * level)[:, None, None],
        place=torch.rand(count, len(JOINTS), 2, generator=generator),
        missing=torch.rand(count, len(JOINTS), generator=generator) < rare,
        misplaced=torch.rand(count, len(JOINTS), generator=generator) < rare,
        confused=torch.rand(count, 2, generator=generator) < rare / 2,
    )


def spoiled(
    image: Tensor,  # [B, 17, 2]
    errors: Errors,
) -> Tensor:  # [B, 17, 2]
    """Confuse limbs, then lose joints, then misplace some, then let all jitter.

    The jitter grows with the person in the image, since detectors look at people, not at images.
    A missing joint stands in the place of the next one towards the pelvis, and a missing pelvis
    in the middle of what is found.
    """
    missing = errors.missing
    size = (bone_length(image) / BONES)[:, None, None]
    legs, arms = errors.confused.unbind(1)
    other = [image[:, FLIP[j]] for j in range(len(JOINTS))]
    joints = list(image.unbind(1))
    for j, name in enumerate(JOINTS):
        if name[:2] in ("L_", "R_"):
            mixed = legs if name[2:] in ("Hip", "Knee", "Ankle") else arms
            joints[j] = torch.where(mixed[:, None], other[j], joints[j])
    found = torch.stack(joints, dim=1)
    seen = (~missing | missing.all(1, keepdim=True))[..., None]
    middle = (found * seen).sum(1) / seen.sum(1)
    joints[0] = torch.where(missing[:, :1], middle, joints[0])
    for parent, child in EDGES:  # parents come first
        joints[child] = torch.where(missing[:, child, None], joints[parent], joints[child])
    found = torch.stack(joints, dim=1)
    low, high = found.amin(1, keepdim=True), found.amax(1, keepdim=True)
    found = torch.where(errors.misplaced[..., None], low + errors.place * (high - low), found)
    return found + errors.jitter * size
