"""The bones that turn when a body is fitted, how far they like to turn, and what that moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from examples.hgn_pose.body.anatomy import Hinge
from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.carrying import Carried
from examples.hgn_pose.body.kinematics import forward_kinematics, rotation_matrices

JOINT_NOISE = 0.005
"""Metres by which a joint may miss; the priors below are measured against it."""
HINGE_SPREAD, OFF_HINGE_SPREAD = 2.0, 0.1
"""Radians by which knees and elbows like to turn, about their axis and off it."""
STRETCHED, FOLDED = -0.1, 2.7
"""Least and greatest angle between the two parts of a limb, radians: 0 is straight."""
LIMIT_SPREAD = 0.05
"""Radians by which a hinge may go beyond its limits."""
LIMIT = (JOINT_NOISE / LIMIT_SPREAD) ** 2


@dataclass(frozen=True, eq=False)
class Articulation:
    """P bones of a body that turn; the others go with the nearest of them above.

    Parameters
    ----------
    bones : array of int64, shape (P,)
        Ids in the body, parents first; the root is number 0.
    parents : list of int, length P
        Place in ``bones`` of the next one above, -1 for the root.
    carrier : array of int64, shape (J,)
        Place in ``bones`` of the one that each bone of the body goes with.
    above : array of int64, shape (J,)
        Parent of every bone of the body; the root's is the root.
    stiffness : array of float64, shape (P, 3, 3)
        Of the Gaussian prior over rotation vectors, in square metres.
    hinges : tuple of Hinge
    parts : array of int64, shape (M, 2)
        Pairs of a joint and a place in ``bones`` that carries a share of it.
    levers : array of int64, shape (L, 2)
        Pairs of a joint and a place in ``bones`` whose turning moves it.
    """

    bones: np.ndarray
    parents: list[int]
    carrier: np.ndarray
    above: np.ndarray
    stiffness: np.ndarray
    hinges: tuple[Hinge, ...]
    parts: np.ndarray
    levers: np.ndarray

    @classmethod
    def of(cls, body: BodyModel, person: Carried) -> Articulation:
        """The articulation of a body; any person of it tells what its joints hang on."""
        anatomy = body.anatomy
        bones = anatomy.bones
        place = {int(bone): i for i, bone in enumerate(bones)}
        carrier = np.zeros(len(body.parents), dtype=np.int64)
        for bone, parent in enumerate(body.parents):
            carrier[bone] = place[bone] if bone in place else carrier[parent]
        parents = [-1] + [int(carrier[body.parents[bone]]) for bone in bones[1:]]
        stiffness = np.zeros((len(bones), 3, 3))
        for bone, spread in anatomy.turning.items():
            if spread is not None:
                stiffness[place[bone]] = np.eye(3) / spread**2
        for hinge in anatomy.hinges:
            along = np.outer(hinge.axis, hinge.axis)
            stiffness[place[hinge.lower]] = (
                along / HINGE_SPREAD**2 + (np.eye(3) - along) / OFF_HINGE_SPREAD**2
            )
        parts, levers = _parts_and_levers(person, bones, parents, carrier)
        return cls(
            bones,
            parents,
            carrier,
            body.parents.clip(min=0),
            JOINT_NOISE**2 * stiffness,
            anatomy.hinges,
            parts,
            levers,
        )


def _parts_and_levers(
    person: Carried, bones: np.ndarray, parents: list[int], carrier: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    parts, levers = [], set()
    [points], [heads] = person.points, person.heads
    aside = np.abs(points[..., :3] - points[..., 3:] * heads).max(-1) > 1e-9  # [17, J]
    for joint, carried in enumerate(points):
        of_joint = np.flatnonzero(np.abs(carried).max(-1))
        for part in np.unique(carrier[of_joint]):
            parts.append((joint, part))
            mine = of_joint[carrier[of_joint] == part]
            still = set(mine) == {bones[part]} and not aside[joint, mine].any()
            above = parents[part] if still else int(part)
            while above >= 0:
                levers.add((joint, above))
                above = parents[above]
    return np.array(parts), np.array(sorted(levers))


@dataclass(frozen=True, eq=False)
class Posed:
    """A rig in T poses.

    Parameters
    ----------
    turned : Tensor, shape (P, 3, 3, T)
        World rotation of every bone.
    heads : Tensor, shape (P, 3, T)
    parts : Tensor, shape (M, 3, T)
        What every part adds to its joint.
    joints : Tensor, shape (17, 3, T)
    """

    turned: Tensor
    heads: Tensor
    parts: Tensor
    joints: Tensor


@dataclass(frozen=True, eq=False)
class Rig:
    """One person's articulated bones, as tensors on one device.

    Frames are the last axis, but for matrices of many unknowns.

    Parameters
    ----------
    parents : list of int, length P
    offsets : Tensor, shape (P, 3)
        From the parent's head to the bone's at rest.
    parts : Tensor, shape (M, 2), int64
    carried : Tensor, shape (M, 4)
        Homogeneous point at rest, from the bone's head, that each part carries, times its weight.
    levers : Tensor, shape (L, 2), int64
    sums : Tensor, shape (L, M)
        Which parts each lever moves.
    prior : Tensor, shape (3 P + 3, 3 P + 3)
        Gaussian prior over all unknowns of a frame: P rotation vectors and the root's place.
    hinges : Tensor, shape (H, 3 P + 3)
        The hinges' axes at the places of their unknowns.
    limits : Tensor, shape (2, H)
        Least and greatest angle of every hinge.
    """

    parents: list[int]
    offsets: Tensor
    parts: Tensor
    carried: Tensor
    levers: Tensor
    sums: Tensor
    prior: Tensor
    hinges: Tensor
    limits: Tensor

    @classmethod
    def of(
        cls,
        articulation: Articulation,
        person: Carried,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Rig:
        """The rig of one person."""
        a = articulation
        count = len(a.bones)
        rest = person.heads[0, a.bones]
        local = person.points[0].copy()  # [17, J, 4]
        local[..., :3] -= local[..., 3:] * rest[a.carrier]
        carried = np.stack([local[j, a.carrier == p].sum(0) for j, p in a.parts])
        below = np.eye(count, dtype=bool)
        for bone in range(count - 1, 0, -1):
            below[a.parents[bone]] |= below[bone]
        joint, part = a.parts.T
        sums = np.stack([(joint == j) & below[q, part] for j, q in a.levers])
        prior = torch.block_diag(*torch.tensor(a.stiffness), torch.zeros(3, 3, dtype=torch.float64))
        hinges = np.zeros((len(a.hinges), 3 * count + 3))
        limits = np.zeros((2, len(a.hinges)))
        for row, hinge in enumerate(a.hinges):
            at = 3 * int(a.carrier[hinge.lower])
            hinges[row, at : at + 3] = hinge.axis
            limits[:, row] = STRETCHED - hinge.rest, FOLDED - hinge.rest

        def tensor(array: np.ndarray | Tensor) -> Tensor:
            return torch.as_tensor(array).to(device, dtype)

        return cls(
            parents=a.parents,
            offsets=tensor(rest - rest[np.maximum(a.parents, 0)]),
            parts=torch.tensor(a.parts, device=device),
            carried=tensor(carried),
            levers=torch.tensor(a.levers, device=device),
            sums=tensor(sums),
            prior=tensor(prior),
            hinges=tensor(hinges),
            limits=tensor(limits),
        )

    def pose(
        self,
        unknowns: Tensor,  # [3 P + 3, T]
    ) -> Posed:
        """Where the bones and joints are."""
        vectors = unknowns[:-3].unflatten(0, (-1, 3))
        turned, heads = forward_kinematics(
            self.parents, self.offsets[..., None], rotation_matrices(vectors), unknowns[-3:]
        )
        joint, bone = self.parts.T
        parts = (turned[bone] * self.carried[:, None, :3, None]).sum(2)
        parts += heads[bone] * self.carried[:, 3:, None]
        joints = parts.new_zeros(int(joint.max()) + 1, 3, parts.shape[-1])
        return Posed(turned, heads, parts, joints.index_add(0, joint, parts))

    def jacobian(
        self,
        unknowns: Tensor,  # [3 P + 3, T]
        posed: Posed,
    ) -> Tensor:  # [T, 51, 3 P + 3]
        """Derivative of the joints' coordinates by the unknowns of their frame.

        A small change d of bone q's rotation vector v turns all below its head about the axis
        ``W J(v) d``, with W the world rotation of its parent and J the left Jacobian of the
        rotation group. A joint then moves by that axis times the lever: the vector from the
        bone's head to the joint, for the share of the joint that hangs below.
        """
        frames = unknowns.shape[-1]
        axes = _left_jacobian(unknowns[:-3].unflatten(0, (-1, 3)))
        around = posed.turned[self.parents[1:]]
        axes = torch.cat([axes[:1], (around[:, :, :, None] * axes[1:, None]).sum(2)])
        joint, bone = self.levers.T
        levers = (self.sums @ posed.parts.flatten(1)).unflatten(1, (3, frames))
        levers -= (self.sums @ self.carried[:, 3:])[:, :, None] * posed.heads[bone]
        ax, ay, az = axes[bone].unbind(1)  # [L, 3, T]
        x, y, z = levers[:, :, None].unbind(1)
        moves = torch.stack([ay * z - az * y, az * x - ax * z, ax * y - ay * x], 1)
        result = moves.new_zeros(len(posed.joints), 3, len(axes) + 1, 3, frames)
        result[joint, :, bone] = moves
        for axis in range(3):
            result[:, axis, -1, axis] = 1
        return result.flatten(2, 3).flatten(0, 1).permute(2, 0, 1).contiguous()

    def unlikeliness(
        self,
        unknowns: Tensor,  # [3 P + 3, T]
    ) -> Tensor:  # [T]
        """Prior over the rotations and limits of the hinges, in square metres."""
        beyond = self.beyond(unknowns)
        return (unknowns * (self.prior @ unknowns)).sum(0) + LIMIT * (beyond**2).sum(0)

    def unlikeliness_derivatives(
        self,
        unknowns: Tensor,  # [3 P + 3, T]
    ) -> tuple[Tensor, Tensor]:  # [T, 3 P + 3], [T, 3 P + 3, 3 P + 3]
        """Half the gradient and half the second derivative of :meth:`unlikeliness`."""
        beyond = self.beyond(unknowns)
        gradient = self.prior @ unknowns + LIMIT * self.hinges.T @ beyond
        acting = (beyond != 0).to(beyond.dtype).T
        curvature = self.prior + LIMIT * (self.hinges.T * acting[:, None]) @ self.hinges
        return gradient.T, curvature

    def beyond(
        self,
        unknowns: Tensor,  # [3 P + 3, T]
    ) -> Tensor:  # [H, T]
        """How far every hinge is below (negative) or above its limits, radians."""
        angle = self.hinges @ unknowns
        least, greatest = self.limits[..., None]
        return angle - angle.clamp(least, greatest)


def _left_jacobian(
    vectors: Tensor,  # [P, 3, T]
) -> Tensor:  # [P, 3, 3, T]
    """``exp(v + d)`` is about ``exp(J d) exp(v)`` for small d, with exp the rotation matrix."""
    x, y, z = vectors.unbind(1)
    square = x * x + y * y + z * z
    small = square < 1e-2
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 0.5 - square / 24 + square**2 / 720, (1 - angle.cos()) / angle**2)
    second = torch.where(
        small, 1 / 6 - square / 120 + square**2 / 5040, (angle - angle.sin()) / angle**3
    )
    sx, sy, sz = first * x, first * y, first * z
    cx, cy, cz = second * x, second * y, second * z
    rows = [
        1 - cy * y - cz * z, cx * y - sz, cx * z + sy,
        cx * y + sz, 1 - cx * x - cz * z, cy * z - sx,
        cx * z - sy, cy * z + sx, 1 - cx * x - cy * y,
    ]  # fmt: skip
    return torch.stack(rows, 1).unflatten(1, (3, 3))
