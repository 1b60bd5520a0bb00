"""2D joints as detectors find them, a batch at a time: the noise models of ``measuring.noise``.

Over a clip, errors have a course. Half of the variance of a joint's jitter is new in every frame,
the other half drifts: it is another in half a second. A joint that is missing or misplaced, and
limbs that are confused, are so for a fifth of a second. Each frame by itself has the errors of a
single frame. In one clip in four the person is not found before some moment, and in as many not
after one, as they come into the image and go.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.motion.studio import BONES, bone_length
from examples.hgn_pose.samples.counted import normal, uniform

RARE = 0.005
"""Of the joints are missing, and as many misplaced, for every pixel of jitter; half that share of
the pairs of limbs is confused. As :class:`examples.hgn_pose.measuring.noise.Detector` has it."""

PIXEL = 1 / 500
"""Of an image 1,000 wide, in half image widths."""

NEW = 0.5
"""Of the variance of the jitter: what is new in every frame of a clip. The rest drifts."""

DRIFT = 0.5
"""Seconds after which the drift is another."""

LASTING = 0.2
"""Seconds that a joint is missing or misplaced, and that limbs are confused."""

PARTLY = 0.25
"""Of the clips: those that begin late, and those that end early."""


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
    return errors_at(draw_levels(count, pixels, generator), generator)


def draw_levels(count: int, pixels: float, generator: torch.Generator) -> Tensor:  # [B] pixels
    """The jitter of the detector of each of ``count`` samples."""
    return pixels * torch.rand(count, generator=generator) ** 2


def errors_at(
    level: Tensor,  # [B] pixels
    generator: torch.Generator,
) -> Errors:
    """What detectors of so much jitter get wrong in a sample each."""
    count = len(level)
    rare = (RARE * level).clamp(max=1)[:, None]
    jitter = torch.randn(count, len(JOINTS), 2, generator=generator)
    return Errors(
        jitter=jitter * (PIXEL * level)[:, None, None],
        place=torch.rand(count, len(JOINTS), 2, generator=generator),
        missing=torch.rand(count, len(JOINTS), generator=generator) < rare,
        misplaced=torch.rand(count, len(JOINTS), generator=generator) < rare,
        confused=torch.rand(count, 2, generator=generator) < rare / 2,
    )


class Course(NamedTuple):
    """What the errors in the other frames of B clips follow from."""

    level: Tensor  # [B] pixels of jitter
    key: Tensor  # [B] int64


def draw_course(
    level: Tensor,  # [B] pixels
    generator: torch.Generator,
) -> Course:
    """A course for each of B clips."""
    return Course(level, torch.randint(2**32, level.shape, generator=generator))


def present(
    course: Course,
    frames: int,
) -> Tensor:  # [B, T] bool
    """In which of so many frames of each clip the person is found; in the middle always."""
    half = frames // 2
    sides = torch.arange(2, device=course.key.device)
    most = (uniform(course.key[:, None], sides, 11) * ((half + 1) / PARTLY)).floor()
    step = torch.arange(-half, half + 1, device=course.key.device)
    return (-step <= most[:, :1]) & (step <= most[:, 1:])


def over_time(
    errors: Errors,
    course: Course,
    time: Tensor,  # [T] seconds, 0 in the middle
) -> Errors:  # of B * T
    """What the detector gets wrong in every frame of B clips, clip by clip.

    Parameters
    ----------
    errors : Errors
        In the frame in the middle of each clip, which keeps them.
    course : Course
    time : Tensor, shape (T,), float32
        Of the frames of a clip, T odd; neither the number of frames nor their distance changes what
        is wrong at a time, but for what is new in every frame.

    Notes
    -----
    The drift goes from knot to knot, a standard normal number each, half a second apart, with
    weights cos and sin of a quarter turn, whose squares sum to 1. The two knots around the middle
    are drawn given the jitter there. The fifths of a second are others for every joint.
    """
    key = course.key[:, None, None]
    frames, joints = time[:, None], torch.arange(len(JOINTS), device=time.device)
    level = course.level.to(errors.jitter.dtype)[:, None, None]
    rare = (RARE * level).clamp(max=1)

    def lasting(middle: Tensor, share: Tensor, stream: int) -> tuple[Tensor, Tensor]:
        """Yes or no in every frame, and in which fifth of a second it lies; 0 is the middle's."""
        columns = joints[: middle.shape[1]]
        begun = uniform(key, columns, stream)
        piece = (frames / LASTING + begun).floor().long()
        drawn = uniform(key, len(JOINTS) * piece + columns, stream + 1) < share
        return torch.where(piece == 0, middle[:, None], drawn), piece

    missing, _ = lasting(errors.missing, rare, 0)
    misplaced, piece = lasting(errors.misplaced, rare, 2)
    confused, _ = lasting(errors.confused, rare / 2, 4)
    corner = 2 * joints[:, None] + joints[:2]
    places = 2 * len(JOINTS) * piece[..., None] + corner
    other = uniform(key[..., None], places, 6).to(errors.place.dtype)
    place = torch.where((piece == 0)[..., None], errors.place[:, None], other)
    jitter = _jitter(errors.jitter, PIXEL * level, key, time, corner.flatten())
    parts = Errors(jitter, place, missing, misplaced, confused)
    return Errors(*(part.flatten(0, 1) for part in parts))


def _jitter(
    middle: Tensor,  # [B, 17, 2]
    size: Tensor,  # [B, 1, 1]
    key: Tensor,  # [B, 1, 1] int64
    time: Tensor,  # [T]
    corner: Tensor,  # [34] int64
) -> Tensor:  # [B, T, 17, 2]
    """New in every frame, and drifting, so that it comes to what is given in the middle."""
    lasts, comes_anew = math.sqrt(1 - NEW), math.sqrt(NEW)
    there = (middle.flatten(1) / size[:, 0].clamp(min=1e-12))[:, None]  # [B, 1, 34]
    begun = uniform(key, torch.zeros_like(corner[:1]), 7)  # [B, 1, 1]

    def knots(place: Tensor) -> Tensor:
        """Standard normal numbers at some knots, of which 0 and 1 lie around the middle."""
        return normal(key, len(corner) * place + corner, 8).to(middle.dtype)

    def weights(part: Tensor) -> tuple[Tensor, Tensor]:
        quarter = part * (math.pi / 2)
        return quarter.cos(), quarter.sin()

    first, second = weights(begun)
    zero = torch.zeros_like(corner[:1])
    drawn = first * knots(zero) + second * knots(zero + 1)
    wanted = lasts * there + comes_anew * normal(key, corner, 9).to(middle.dtype)
    passed = time[:, None] / DRIFT + begun  # [B, T, 1]
    knot = passed.floor().long()
    before, after = weights(passed - knot)
    drift = before * knots(knot) + after * knots(knot + 1)
    of_middle = before * (first * (knot == 0) + second * (knot == 1))
    of_middle = of_middle + after * (first * (knot == -1) + second * (knot == 0))
    drift = drift + of_middle * (wanted - drawn)
    number = torch.arange(len(time), device=time.device)[:, None]
    new = normal(key, len(corner) * number + corner, 10).to(middle.dtype)
    jitter = lasts * drift + comes_anew * new
    whole = torch.where(number == len(time) // 2, there, jitter)
    return (size * whole).unflatten(2, middle.shape[1:])


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
