"""All people that a body can be, as the fitter sees them: unknowns and what they change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from examples.hgn_pose.body_model import Carried, Fold

if TYPE_CHECKING:
    from examples.hgn_pose.body import Body

SCALE_SPREAD = 0.1
BLEND_SPREAD = 1.0
BETA_SPREAD = 1.0
"""Standard deviations of the unknowns; SMPL's coefficients are made to have 1."""

MOST_BETAS = 10
"""Shape coefficients that are fitted; 17 joints tell little of the later ones."""

SIZES = (
    ("pelvis",),
    ("spine05", "spine04", "spine03", "spine02"),
    ("spine01",),
    ("neck01", "neck02", "neck03"),
    ("clavicle", "shoulder01"),
    ("upperarm01", "upperarm02"),
    ("lowerarm01", "lowerarm02"),
    ("upperleg01", "upperleg02"),
    ("lowerleg01", "lowerleg02"),
)
"""Bones of the built-in body that share one size, on either side."""


class Family(ABC):
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


class SizedFamily(Family):
    """The built-in body's: S logits of the blend, and G logarithms of sizes.

    The joints keep their offsets from the heads, whatever the sizes.
    """

    def __init__(self, body: Body) -> None:
        self.body = body
        self.members = _members(body)  # [J, G]
        spread = [BLEND_SPREAD] * len(body.shape_names) + [SCALE_SPREAD] * self.members.shape[1]
        super().__init__(body.joints(), np.array(spread))

    def person(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, sizes = np.split(unknowns, [len(self.body.shape_names)])
        share = np.exp(logits - logits.max())
        return share / share.sum(), np.exp(self.members @ sizes)

    def changes(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        body = self.body
        share, scale = self.person(unknowns)
        above = body.parents.clip(min=0)
        steps = body.heads - body.heads[:, above]
        blended = np.tensordot(share, steps, 1)
        by_logit = share[:, None, None] * (steps - blended)
        by_size = self.members[above].T[:, :, None] * blended
        moved = scale[above, None] * np.concatenate([by_logit, by_size])
        for bone in range(1, len(above)):
            moved[:, bone] += moved[:, above[bone]]
        return moved, body.joint_weights[..., None] * moved[:, None]


class LinearFamily(Family):
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


def _members(body: Body) -> np.ndarray:  # [J, G]
    """Which of G sizes each bone has."""
    row = {stem: number for number, group in enumerate(SIZES) for stem in group}
    column: dict[tuple[int, str], int] = {}
    members = np.zeros((len(body.bones), 2 * len(SIZES)))
    for bone, name in enumerate(body.bones):
        stem, _, side = name.partition(".")
        if stem in row:
            members[bone, column.setdefault((row[stem], side), len(column))] = 1
    return members[:, : len(column)]
