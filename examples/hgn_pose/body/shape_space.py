"""All people that a body can be, as the fitter sees them: unknowns and what they change."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from examples.hgn_pose.body.carrying import Carried, Fold

BETA_SPREAD = 1.0
"""Standard deviation of the unknowns: SMPL's coefficients are made to have 1."""

MOST_BETAS = 10
"""Shape coefficients that are fitted; 17 joints tell little of the later ones."""


class ShapeSpace(ABC):
    """People by K unknowns with a Gaussian prior about zero, the first guess.

    Parameters
    ----------
    joints : Fold
        The 17 joints of the body.
    spread : array of float64, shape (K,)
        Standard deviations.
    """

    def __init__(self, joints: Fold, spread: np.ndarray) -> None:
        self.joints = joints
        self.spread = spread

    @abstractmethod
    def person(
        self,
        unknowns: np.ndarray,  # [K]
    ) -> tuple[np.ndarray, np.ndarray]:  # [S], [J]
        """A row of ``BodyPose.blend`` and one of ``BodyPose.scale``."""

    @abstractmethod
    def changes(
        self,
        unknowns: np.ndarray,  # [K]
    ) -> tuple[np.ndarray, np.ndarray]:  # [K, J, 3], [K, 17, J, 3]
        """How heads and carried joints at rest move with each unknown."""

    def carried(self, unknowns: np.ndarray) -> Carried:
        """The person's bones and joints at rest."""
        blend, scale = self.person(unknowns)
        return self.joints(blend[None], scale[None])


class LinearShapes(ShapeSpace):
    """SMPL's: shape coefficients, in which heads and joints at rest are linear."""

    def __init__(self, joints: Fold, num_betas: int, num_bones: int) -> None:
        count = min(num_betas, MOST_BETAS)
        super().__init__(joints, np.full(count, BETA_SPREAD))
        self.scale = np.ones(num_bones)
        basis = np.concatenate([np.zeros((1, count)), np.eye(count)])
        people = joints(basis, np.ones((count + 1, num_bones)))
        self._changes = (
            people.heads[1:] - people.heads[0],
            people.points[1:, ..., :3] - people.points[0, ..., :3],
        )

    def person(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return unknowns, self.scale

    def changes(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._changes
