"""Points of people at rest, by the bones that carry them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Shape:
    """One person at rest, in metres and in the axes of the body model.

    Parameters
    ----------
    vertices : array of float64, shape (V, 3)
    heads : array of float64, shape (J, 3)
        Where every bone begins, which is the joint that it turns about.
    """

    vertices: np.ndarray
    heads: np.ndarray


@dataclass(frozen=True, eq=False)
class Carried:
    """N points of P people at rest, by the bones that carry them.

    A posed point is the sum over the bones of ``[R | t]``, which takes a bone from rest to its
    pose, times what that bone carries: a homogeneous point times its share.

    Parameters
    ----------
    heads : array of float64, shape (P, J, 3)
        Where the bones begin, metres.
    points : array of float64, shape (P, N, J, 4)
    """

    heads: np.ndarray
    points: np.ndarray

    def of(self, person: int) -> Carried:
        """One person alone."""
        return Carried(self.heads[person : person + 1], self.points[person : person + 1])


Fold = Callable[[np.ndarray, np.ndarray], Carried]
"""From rows of ``BodyPose.blend`` and ``BodyPose.scale`` to what those people's bones carry."""
