"""All people that the built-in body can be: blends of its shapes, with sizes of its bones."""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.carrying import Fold
from examples.hgn_pose.body.shape_space import ShapeSpace

SCALE_SPREAD = 0.1
BLEND_SPREAD = 1.0
"""Standard deviations of logarithms of sizes, and of logits of shares."""

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


class BlendedShapes(ShapeSpace):
    """S logits of the blend, and G logarithms of sizes.

    The joints keep their offsets from the heads, whatever the sizes.

    Parameters
    ----------
    joints : Fold
        The 17 joints of the body.
    bones : tuple of str, length J
    parents : array of int64, shape (J,)
    heads : array of float64, shape (S, J, 3)
        Bone heads of the shapes at rest, metres.
    joint_weights : array of float64, shape (17, J)
        A joint is this mean of bone heads.
    """

    def __init__(
        self,
        joints: Fold,
        bones: tuple[str, ...],
        parents: np.ndarray,
        heads: np.ndarray,
        joint_weights: np.ndarray,
    ) -> None:
        self.above = parents.clip(min=0)
        self.heads = heads
        self.joint_weights = joint_weights
        self.members = _members(bones)  # [J, G]
        spread = [BLEND_SPREAD] * len(heads) + [SCALE_SPREAD] * self.members.shape[1]
        super().__init__(joints, np.array(spread))

    def person(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, sizes = np.split(unknowns, [len(self.heads)])
        share = np.exp(logits - logits.max())
        return share / share.sum(), np.exp(self.members @ sizes)

    def changes(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share, scale = self.person(unknowns)
        above = self.above
        steps = self.heads - self.heads[:, above]
        blended = np.tensordot(share, steps, 1)
        by_logit = share[:, None, None] * (steps - blended)
        by_size = self.members[above].T[:, :, None] * blended
        moved = scale[above, None] * np.concatenate([by_logit, by_size])
        for bone in range(1, len(above)):
            moved[:, bone] += moved[:, above[bone]]
        return moved, self.joint_weights[..., None] * moved[:, None]


def _members(bones: tuple[str, ...]) -> np.ndarray:  # [J, G]
    """Which of G sizes each bone has."""
    row = {stem: number for number, group in enumerate(SIZES) for stem in group}
    column: dict[tuple[int, str], int] = {}
    members = np.zeros((len(bones), 2 * len(SIZES)))
    for bone, name in enumerate(bones):
        stem, _, side = name.partition(".")
        if stem in row:
            members[bone, column.setdefault((row[stem], side), len(column))] = 1
    return members[:, : len(column)]
