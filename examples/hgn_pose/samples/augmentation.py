"""How training samples vary: turned, scaled and mirrored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.motion.hand_held import HandHeld, HeldCameras, places
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.detecting import (
    Course,
    Errors,
    draw_course,
    draw_levels,
    errors_at,
    over_time,
    spoiled,
)
from examples.hgn_pose.samples.other_bodies import LENGTHS, SWUNG, rebuilt
from multiscale_gcn.checks.arguments import one_of, real_number


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
    swing: float = 0.0
    """Turn ten bones of trunk and limbs by up to about so many degrees, and with each what hangs on
    it; one way for a whole clip. Coarse meshes follow. Not with real cameras."""
    cameras: Literal["studio", "wild"] = "studio"
    """studio: those of the data; wild: as people hold them, see --augmentation.wild. Not with
    real cameras."""
    wild: HandHeld = field(default_factory=HandHeld)
    """How the wild cameras vary."""
    detector: float = 0.0
    """Jitter of the 2D joints, in pixels of an image 1,000 wide, up to which each sample has its
    own, with the missing joints, misplaced joints and confused limbs that go with it. Over a clip
    half of it drifts, and half is new in every frame."""

    def __post_init__(self) -> None:
        real_number(self.bones, "bones", least=0, most=0.5)
        real_number(self.crossover, "crossover", least=0, most=1)
        real_number(self.swing, "swing", least=0, most=90)
        real_number(self.detector, "detector", least=0, most=100)
        one_of(self.cameras, "cameras", ("studio", "wild"))

    @property
    def unseen(self) -> bool:
        """Whether there are bodies or views among the samples that nobody recorded."""
        return self.bones > 0 or self.points_anywhere or self.cameras == "wild"

    @property
    def points_anywhere(self) -> bool:
        """Whether bones may point elsewhere than they did."""
        return self.crossover > 0 or self.swing > 0

    def as_json(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back; what is off and was not always there is left out.

        Examples
        --------
        >>> from examples.hgn_pose.samples.augmentation import Augmentation
        >>> Augmentation(bones=0.1).as_json()
        {'heading': True, 'size': 0.08, 'flip': True, 'bones': 0.1}
        """
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.cameras == "studio":
            del plain["cameras"], plain["wild"]
        later = ("bones", "crossover", "swing", "detector")
        return {name: value for name, value in plain.items() if value or name not in later}

    def robust(self) -> Augmentation:
        """The same for real video: where a variation is off, as much of it as serves there.

        Examples
        --------
        >>> from examples.hgn_pose.samples.augmentation import Augmentation
        >>> robust = Augmentation(bones=0.2).robust()
        >>> robust.bones, robust.crossover, robust.cameras, robust.detector
        (0.2, 0.3, 'wild', 10.0)
        """
        return replace(
            self,
            bones=self.bones or 0.1,
            crossover=self.crossover or 0.3,
            cameras="wild",
            detector=self.detector or 10.0,
        )

    def draw(self, count: int, generator: torch.Generator, *, clips: bool = False) -> Variation:
        """One variation for each of ``count`` samples, or clips; always draws the same amount."""
        heading, size, flip = torch.rand(3, count, generator=generator)
        bones = limb = None
        if self.bones:
            bones = 1 + self.bones * (2 * torch.rand(count, len(LENGTHS), generator=generator) - 1)
        if self.crossover:
            limb = _limbs(torch.rand(count, generator=generator), self.crossover)
        swing = None
        if self.swing:
            turned = 2 * torch.rand(count, len(SWUNG), 3, generator=generator) - 1
            swing = turned * math.radians(self.swing)
        camera = self.wild.draw(count, generator) if self.cameras == "wild" else None
        errors = course = None
        if self.detector:
            level = draw_levels(count, self.detector, generator)
            errors = errors_at(level, generator)
            course = draw_course(level, generator) if clips else None
        return Variation(
            heading=heading * (2 * torch.pi * self.heading),
            size=1 + self.size * (2 * size - 1),
            flip=(flip < 0.5) & self.flip,
            bones=bones,
            limb=limb,
            swing=swing,
            camera=camera,
            errors=errors,
            course=course,
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
    swing: Tensor | None = None  # [B, 10, 3] rotation vectors of other_bodies.SWUNG, radians
    camera: HeldCameras | None = None
    errors: Errors | None = None
    course: Course | None = None
    """Of the errors over a clip; those are of its frame in the middle then."""
    window: int = 1
    """Elements in a row that are frames of one sample."""

    @property
    def as_filmed(self) -> bool:
        """Whether somebody holds the camera, or a detector errs."""
        return self.camera is not None or self.errors is not None

    def to(self, device: torch.device | str) -> Variation:
        return Variation.of({name: value.to(device) for name, value in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Those that are not None, by name."""
        named: dict[str, Tensor] = {}
        for name in (column.name for column in fields(self)):
            value = getattr(self, name)
            if isinstance(value, Tensor):
                named[name] = value
            elif isinstance(value, HeldCameras | Errors | Course):
                named |= {f"{name}.{key}": part for key, part in value._asdict().items()}
        return named

    @staticmethod
    def of(tensors: Mapping[str, Tensor]) -> Variation:
        """The variation of which these are the :meth:`tensors`."""
        parts: dict[str, Any] = {}
        for name, tensor in tensors.items():
            whole, _, part = name.partition(".")
            if part:
                parts.setdefault(whole, {})[part] = tensor
            else:
                parts[whole] = tensor
        for name, kind in (("camera", HeldCameras), ("errors", Errors), ("course", Course)):
            if name in parts:
                parts[name] = kind(**parts[name])
        return Variation(**parts)

    @staticmethod
    def joined(variations: Sequence[Variation]) -> Variation:
        """The variations of several batches as one."""
        columns = [variation.tensors() for variation in variations]
        return Variation.of(
            {name: torch.cat([column[name] for column in columns]) for name in columns[0]}
        )

    def over_time(
        self,
        time: Tensor,  # [T] seconds, 0 in the middle
    ) -> Variation:  # of B * T
        """The same for every frame of a window, window by window, but for the detector's errors.

        Raises
        ------
        ValueError
            When there are such errors, and it was not drawn for clips.
        """
        alike = replace(self, errors=None, course=None).tensors()
        every = Variation.of({name: _for_each(values, len(time)) for name, values in alike.items()})
        errors = self.errors
        if errors is not None:
            if self.course is None:
                raise ValueError(
                    "the detector's errors are of single frames; draw them with clips=True"
                )
            errors = over_time(errors, self.course, time)
        return replace(every, errors=errors, window=len(time))

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
        if self.bones is None and self.limb is None and self.swing is None:
            return points
        return rebuilt(points, self.bones, self.limb, self.window, self.swing)

    def turn_and_scale(self) -> Tensor:  # [B, 3, 3], multiplied from the right
        """Matrices that turn about the vertical axis, and scale."""
        cos, sin = self.heading.cos(), self.heading.sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        turn = torch.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], dim=1)
        return turn.view(-1, 3, 3) * self.size[:, None, None]

    def seen_by(
        self,
        cameras: Cameras,
        view: Tensor,  # [B] int64
        pelvis: Tensor,  # [B, 3]
    ) -> tuple[Cameras, Tensor]:
        """The cameras that see the samples, and which of them each: those given, or held ones.

        A window is seen by one, which is told by what it sees of the frame in the middle.
        """
        if self.camera is None:
            return cameras, view
        held, rotation, distance, slope, _ = self.camera
        if self.window > 1:
            middle = pelvis.unflatten(0, (-1, self.window))[:, self.window // 2]
            pelvis = _for_each(middle, self.window)
        place = places(rotation, pelvis, distance, slope)
        own = replace(
            cameras,
            rotation=torch.where(held[:, None, None], rotation, cameras.rotation[view]),
            position=torch.where(held[:, None], place, cameras.position[view]),
        )
        return own, torch.arange(len(view), device=view.device)

    def detected(
        self,
        image: Tensor,  # [B, 17, 2]
    ) -> Tensor:  # [B, 17, 2]
        """The 2D joints as a detector finds them, through a lens that is not quite known."""
        if self.camera is not None:
            held, lens = self.camera.held, self.camera.lens
            image = image * torch.where(held, lens, torch.ones_like(lens))[:, None, None]
        return image if self.errors is None else spoiled(image, self.errors)


def _for_each(values: Tensor, frames: int) -> Tensor:  # [B, ...] -> [B * frames, ...]
    return values[:, None].expand(-1, frames, *values.shape[1:]).flatten(0, 1)
