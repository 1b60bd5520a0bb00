"""Which bones of a body turn when it is fitted, how far they like to, and which are hinges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TORSO_SPREAD, LIMB_SPREAD = 0.4, 1.5
"""Radians by which bones of trunk and neck, and upper arms and thighs, like to turn."""

LIMBS = {
    ("leg", "L"): (4, 5, 6),
    ("leg", "R"): (1, 2, 3),
    ("arm", "L"): (11, 12, 13),
    ("arm", "R"): (14, 15, 16),
}
"""Rows of ``skeleton.JOINTS`` of every limb: where it begins, where it bends, where it ends."""


@dataclass(frozen=True, eq=False)
class Hinge:
    """A knee or an elbow.

    Parameters
    ----------
    upper, lower, end : int
        Bones of the body: before the hinge, the one that turns, and behind it.
    joints : tuple of int
        Rows of ``skeleton.JOINTS`` where the three bones begin.
    axis : array of float64, shape (3,)
        About which a positive angle bends the limb.
    rest : float
        Angle between the two parts of the limb at rest, about ``axis``, radians.
    """

    upper: int
    lower: int
    end: int
    joints: tuple[int, int, int]
    axis: np.ndarray
    rest: float

    @classmethod
    def of(
        cls,
        heads: np.ndarray,  # [J, 3]
        bones: tuple[int, int, int],
        joints: tuple[int, int, int],
        across: np.ndarray | None = None,  # [3]
    ) -> Hinge:
        """The hinge of a limb at rest.

        Parameters
        ----------
        heads : array of float, shape (J, 3)
        bones : tuple of int
            Upper, lower and end.
        joints : tuple of int
        across : array of float, shape (3,), optional
            The axis of a limb that is too straight at rest to tell; made square to the limb.
        """
        upper, lower, end = bones
        above, below = heads[lower] - heads[upper], heads[end] - heads[lower]
        if across is None:
            axis = np.cross(above, below)
        else:
            limb = above + below
            axis = across - limb * (across @ limb) / (limb @ limb)
        axis = axis / np.linalg.norm(axis)
        rest = np.arctan2(np.cross(above, below) @ axis, above @ below)
        return cls(upper, lower, end, joints, axis, float(rest))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What turns in a body.

    Parameters
    ----------
    turning : mapping of int to float or None
        Bones that turn freely, the root among them, and by how much they like to, radians; None:
        as much as it needs.
    hinges : tuple of Hinge
        Their lower bones turn too, and about one axis.
    """

    turning: Mapping[int, float | None]
    hinges: tuple[Hinge, ...]

    @property
    def bones(self) -> np.ndarray:
        """All bones that turn, ascending, int64."""
        return np.array(sorted([*self.turning, *(hinge.lower for hinge in self.hinges)]))
