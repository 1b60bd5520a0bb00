"""Poses of bodies, as the fitter finds them and the files keep them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.carrying import Shape


@dataclass(frozen=True, eq=False)
class BodyPose:
    """T poses of P people, each person with a body of their own.

    Parameters
    ----------
    rotations : array of float, shape (T, J, 3)
        Rotation vector of every bone relative to its parent, radians, along the axes of the rest
        pose; the root's is its rotation in the world.
    translation : array of float, shape (T, 3)
        World position of the root bone's head, metres.
    person : array of int, shape (T,)
        Row of ``blend`` and ``scale``.
    blend : array of float, shape (P, S)
        Share of every shape of the body, see :meth:`BodyModel.shape`.
    scale : array of float, shape (P, J)
        Size of every bone.
    """

    rotations: np.ndarray
    translation: np.ndarray
    person: np.ndarray
    blend: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        count, people = len(self.translation), len(self.blend)
        for name, expected in (
            ("rotations", (count, self.scale.shape[-1], 3)),
            ("translation", (count, 3)),
            ("person", (count,)),
            ("scale", (people, self.scale.shape[-1])),
        ):
            if getattr(self, name).shape != expected:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {expected}")
        outside = np.flatnonzero((self.person < 0) | (self.person >= people))
        if len(outside):
            frame = outside[0]
            raise ValueError(f"person[{frame}] = {self.person[frame]}, but blend has {people} rows")

    def __len__(self) -> int:
        return len(self.translation)

    def arrays(self) -> dict[str, Any]:
        """The fields by name, for ``np.savez``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def select(self, frames: np.ndarray | slice) -> BodyPose:
        """The poses of a boolean mask, ids or a slice."""
        return replace(
            self,
            rotations=self.rotations[frames],
            translation=self.translation[frames],
            person=self.person[frames],
        )

    def shape(self, body: BodyModel, person: int) -> Shape:
        """The person's body at rest."""
        return body.shape(self.blend[person], self.scale[person])


@dataclass(frozen=True, eq=False)
class SmplParameters:
    """SMPL's own parameters of T frames.

    Parameters
    ----------
    pose : array of float, shape (T, 3 J)
        Rotation vectors of the bones; the first turns the body into the world.
    shape : array of float, shape (T, S)
        Shape coefficients, which may differ from frame to frame.
    translation : array of float, shape (T, 3)
        Of the body into the world, metres.
    """

    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray

    def __len__(self) -> int:
        return len(self.pose)

    def select(self, frames: np.ndarray | slice) -> SmplParameters:
        """The parameters of a boolean mask, ids or a slice."""
        return SmplParameters(self.pose[frames], self.shape[frames], self.translation[frames])
