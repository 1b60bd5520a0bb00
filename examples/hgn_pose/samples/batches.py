"""What a network sees and what it should answer, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from examples.hgn_pose.body.skeleton import FLIP


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network sees and what it should answer, in metres, camera frame, root-relative."""

    image: Tensor  # [B, 17, 2]; [B, T, 17, 2] of networks that are given clips
    pose: Tensor  # [B, 17, 3]
    meshes: tuple[Tensor, ...]  # each [B, N, 3]
    fitted: Tensor  # [B] bool
    poses: Tensor | None = None  # [B, T, 17, 3]: of all frames, of networks that are given clips


def input_shape(frames: int) -> tuple[int, ...]:
    """Of one input of a network that is given so many frames.

    Examples
    --------
    >>> from examples.hgn_pose.samples.batches import input_shape
    >>> input_shape(1), input_shape(27)
    ((17, 2), (27, 17, 2))
    """
    joint = (len(FLIP), 2)
    return joint if frames == 1 else (frames, *joint)


def mirrored(
    points: Tensor,  # [..., N, D]
    flip: Tensor,  # [N] int64
) -> Tensor:  # [..., N, D]
    """Points of the mirrored body: every point at its image's place, x negated.

    Serves joints with ``skeleton.FLIP`` and coarse meshes with the node symmetry of their level,
    in space and, about the middle of the image, in 2D.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.samples.batches import mirrored
    >>> mirrored(torch.tensor([[1.0, 5.0], [2.0, 6.0]]), torch.tensor([1, 0])).tolist()
    [[-2.0, 6.0], [-1.0, 5.0]]
    """
    swapped = points[..., flip, :]
    return torch.cat([-swapped[..., :1], swapped[..., 1:]], dim=-1)


@cache
def joint_flip(device: torch.device) -> Tensor:  # [17]
    """``skeleton.FLIP`` on a device, sent there once."""
    return torch.tensor(FLIP, device=device)
