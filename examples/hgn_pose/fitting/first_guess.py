"""A first guess of poses from 17 joints: torso and limbs laid along what is seen."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.carrying import Carried
from examples.hgn_pose.fitting.articulation import FOLDED, STRETCHED, Articulation

TORSO_JOINTS = [0, 1, 4, 7, 8, 11, 14]
TWIST = 0.2
"""Sine of the bend below which a limb's own twist is taken from the rest pose, not the bend."""


def first_guess(
    articulation: Articulation,
    person: Carried,
    positions: np.ndarray,  # [T, 17, 3]
) -> np.ndarray:  # [3 P + 3, T]
    """Rotation vectors of the bones that turn, and the place of the root's head.

    The rest pose is moved as a whole to lie on the torso best (Kabsch 1976). Then each arm and leg
    is turned along its upper part, about that so that it bends the right way, and bent.
    """
    heads = person.heads[0]
    rest = person.points[0, ..., :3].sum(1)
    turn = _rigid(rest[TORSO_JOINTS], positions[:, TORSO_JOINTS].astype(np.float64))
    guess = np.zeros((len(articulation.bones) + 1, 3, len(positions)))
    guess[0] = Rotation.from_matrix(turn).as_rotvec().T
    guess[-1] = (positions[:, 0] - (rest[0] - heads[0]) @ turn.transpose(0, 2, 1)).T
    for hinge in articulation.hinges:
        seen = positions[:, hinge.joints] @ turn
        along, below = seen[:, 1] - seen[:, 0], seen[:, 2] - seen[:, 1]
        rest_along = _unit(heads[hinge.lower] - heads[hinge.upper])
        untwisted = _shortest(rest_along, _unit(along)).apply(hinge.axis)
        normal = np.cross(_unit(along), _unit(below)) + TWIST * untwisted
        rest_frame = _frame(rest_along[None], hinge.axis[None])[0]
        limb = _frame(_unit(along), normal) @ rest_frame.T
        bent = np.einsum("tji,tj->ti", limb, below)
        angle = np.arctan2(np.cross(rest_along, bent) @ hinge.axis, bent @ rest_along)
        angle = angle.clip(STRETCHED, FOLDED) - hinge.rest
        guess[articulation.carrier[hinge.upper]] = Rotation.from_matrix(limb).as_rotvec().T
        guess[articulation.carrier[hinge.lower]] = hinge.axis[:, None] * angle
    return guess.reshape(-1, len(positions))


def _rigid(
    points: np.ndarray,  # [N, 3]
    seen: np.ndarray,  # [T, N, 3]
) -> np.ndarray:  # [T, 3, 3]
    points = points - points.mean(axis=0)
    seen = seen - seen.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd(np.einsum("tki,kj->tij", seen, points))
    left[..., 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return left @ right


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _shortest(
    source: np.ndarray,  # [3]
    target: np.ndarray,  # [T, 3]
) -> Rotation:
    """The rotations by the least angle that take one direction to others."""
    normal = np.cross(source, target)
    angle = np.arctan2(np.linalg.norm(normal, axis=1), target @ source)
    return Rotation.from_rotvec(_unit(normal) * angle[:, None])


def _frame(
    first: np.ndarray,  # [T, 3]
    third: np.ndarray,  # [T, 3]
) -> np.ndarray:  # [T, 3, 3]
    """Right-handed frames, as columns: the first vector, and the third made square to it."""
    third = _unit(third - first * np.einsum("ti,ti->t", first, third)[:, None])
    return np.stack([first, np.cross(third, first), third], axis=-1)
