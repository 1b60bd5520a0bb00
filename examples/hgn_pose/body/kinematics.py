"""Where the bones go when each turns about its head, for many poses at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.poses import BodyPose


def rotation_matrices(
    vectors: Tensor,  # [..., 3, T]
) -> Tensor:  # [..., 3, 3, T]
    """Rotation matrices of rotation vectors (Rodrigues' formula), with gradients at zero too.

    Frames are the last axis, here and in :func:`forward_kinematics`: the arithmetic then runs
    along them, several times as fast as many products of 3 x 3 matrices.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.body.kinematics import rotation_matrices
    >>> quarter_turn = rotation_matrices(torch.tensor([[0.0], [0.0], [torch.pi / 2]]))
    >>> (quarter_turn[..., 0] @ torch.tensor([1.0, 0.0, 0.0])).round(decimals=3) + 0.0
    tensor([0., 1., 0.])
    """
    x, y, z = vectors.unbind(-2)
    square = x * x + y * y + z * z
    small = square < 1e-6
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / (angle * angle))
    sx, sy, sz = first * x, first * y, first * z
    cx, cy, cz = second * x, second * y, second * z
    rows = [
        1 - cy * y - cz * z, cx * y - sz, cx * z + sy,
        cx * y + sz, 1 - cx * x - cz * z, cy * z - sx,
        cx * z - sy, cy * z + sx, 1 - cx * x - cy * y,
    ]  # fmt: skip
    return torch.stack(rows, -2).unflatten(-2, (3, 3))


def forward_kinematics(
    parents: Sequence[int],
    offsets: Tensor,  # [J, 3, T], or [J, 3, 1] for one person
    rotations: Tensor,  # [J, 3, 3, T]
    translation: Tensor,  # [3, T]
) -> tuple[Tensor, Tensor]:  # [J, 3, 3, T], [J, 3, T]
    """World rotation of every bone and world position of its head.

    Parameters
    ----------
    parents : sequence of int, length J
        Parents first; -1 for the root, bone 0.
    offsets : Tensor
        From the parent's head to the bone's at rest, metres; the root's is not looked at.
    rotations : Tensor
        Rotation of every bone relative to its parent, along the axes of the rest pose.
    translation : Tensor
        World position of the root's head.

    Returns
    -------
    rotations, heads : Tensor
        A point x of bone b at rest goes to ``rotations[b] @ (x - rest_heads[b]) + heads[b]``.
    """
    turned = [rotations[0]]
    moved = [translation]
    for bone, parent in enumerate(parents[1:], start=1):
        around = turned[parent]
        turned.append((around[:, :, None] * rotations[bone][None]).sum(1))
        moved.append(moved[parent] + (around * offsets[bone]).sum(1))
    return torch.stack(turned), torch.stack(moved)


def bone_transforms(
    body: BodyModel,
    heads: np.ndarray,  # [T, J, 3], or [1, J, 3] for one person
    poses: BodyPose,
) -> Tensor:  # [J, 3, 4, T]
    """Affine map of every bone from rest to pose: ``[R | t]`` takes x to ``R x + t``.

    Computed in the floating type of ``poses.rotations``; the person of the poses is not looked
    at, ``heads`` says where the bones begin at rest.
    """
    vectors = torch.tensor(poses.rotations).permute(1, 2, 0).contiguous()
    translation = torch.tensor(poses.translation).to(vectors.dtype).T
    rest = torch.tensor(heads).to(vectors.dtype).permute(1, 2, 0)
    offsets = rest - rest[body.parents.clip(min=0)]
    turned, moved = forward_kinematics(
        body.parents.tolist(), offsets, rotation_matrices(vectors), translation
    )
    shift = moved - (turned * rest[:, None]).sum(2)
    return torch.cat([turned, shift[:, :, None]], 2)


def carry(
    points: np.ndarray,  # [T, N, J, 4], or [1, N, J, 4] for one person
    transforms: Tensor,  # [J, 3, 4, T]
) -> np.ndarray:  # [T, N, 3]
    """Sum over the bones of what each carries: ``sum_b transforms[b] @ points[n, b]``."""
    matrix = torch.as_tensor(points).to(transforms.dtype).flatten(2)  # [T, N, 4 J]
    columns = transforms.permute(3, 0, 2, 1).flatten(1, 2)  # [T, 4 J, 3]
    if len(matrix) > 1:
        return (matrix @ columns).numpy()
    together = columns.permute(1, 0, 2).flatten(1)  # [4 J, 3 T]
    return (matrix[0] @ together).unflatten(1, (-1, 3)).transpose(0, 1).numpy()
