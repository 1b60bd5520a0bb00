"""Networks that see every person in the middle of the image, and as large as any other.

A camera that turns about its optical centre sees the same rays, so its picture follows from the
old one by a homography, with no knowledge of the scene. Here it turns to the pelvis. What remains
in the picture does not depend on where in the image the person stood; how large they are there,
which lens and distance change together, is taken away. The answer is turned back.

The camera of a clip turns once, to the pelvis of the frame in the middle, and the clip has one
scale. So what moves before the camera moves in what the network sees.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.hgn_pose.motion.studio import BONES, FOCAL, bone_length

NEAREST = 0.05
"""Least cosine of the angle between a joint and the pelvis; keeps wild input finite."""


class Facing(nn.Module):
    """A network behind a camera that turns to the person.

    Parameters
    ----------
    network : nn.Module
        Takes (B, 17, 2) and returns a tuple of tensors (B, N, 3). Or it takes clips (B, T, 17, 2),
        T odd, and answers for the frame in the middle of each or for all, (B, T, 17, 3).

    Notes
    -----
    The input is that of every network, ``x / w * 2 - [1, h / w]`` of a camera whose focal length
    is 1145/1000 of the image's width: ``FOCAL`` times the slopes of the rays. Input of another
    lens must be brought to it, see :meth:`examples.hgn_pose.lifting.viewing.View.slopes`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        image: Tensor,  # [B, 17, 2], of clips [B, T, 17, 2]
    ) -> tuple[Tensor, ...]:  # each [B, N_k, 3]; of all frames [B, T, 17, 3]
        """Turn, scale, ask the network, and turn its answer back."""
        if image.dim() == 4:
            axes = turned_axes(image[:, image.shape[1] // 2, 0] / FOCAL)
            joints = turned(image.flatten(1, 2) / FOCAL, axes)
            outputs = self.network(size_of_clips(joints.view_as(image)))
            return tuple(
                turned_back(output.flatten(1, -2), axes).view_as(output) for output in outputs
            )
        axes = turned_axes(image[:, 0] / FOCAL)
        seen = standard_size(turned(image / FOCAL, axes))
        return tuple(turned_back(output, axes) for output in self.network(seen))


def turned_axes(
    slope: Tensor,  # [B, 2]
) -> Tensor:  # [B, 3, 3]
    """Right, down and forward of a camera that looks along a ray and whose right stays level.

    It turns about the old camera's vertical axis first, then up or down.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.network.facing import turned_axes
    >>> turned_axes(torch.zeros(1, 2))[0] + 0.0
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    x, y = slope.unbind(1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    forward = torch.stack([x, y, one], dim=1) / (x * x + y * y + 1).sqrt()[:, None]
    right = torch.stack([one, zero, -x], dim=1) / (x * x + 1).sqrt()[:, None]
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)


def turned(
    slopes: Tensor,  # [B, N, 2]
    axes: Tensor,  # [B, 3, 3]
) -> Tensor:  # [B, N, 2]
    """Slopes of the same rays in the turned camera."""
    rays = torch.cat([slopes, torch.ones_like(slopes[..., :1])], dim=2)
    seen = (rays[:, :, None] * axes[:, None]).sum(3)
    return seen[..., :2] / seen[..., 2:].clamp(min=NEAREST)


def turned_back(
    points: Tensor,  # [B, N, 3]
    axes: Tensor,  # [B, 3, 3]
) -> Tensor:  # [B, N, 3]
    """Points of the turned camera in the axes of the old one."""
    return (points[..., None] * axes[:, None]).sum(2)


def standard_size(
    slopes: Tensor,  # [B, 17, 2] the pelvis at 0
) -> Tensor:  # [B, 17, 2]
    """The same picture, scaled so that all bones together are as long as in the studio."""
    return slopes * (BONES / bone_length(slopes).clamp(min=1e-6))[:, None, None]


def size_of_clips(
    slopes: Tensor,  # [B, T, 17, 2]
) -> Tensor:  # [B, T, 17, 2]
    """The same pictures, each clip scaled so that bones are as long in it as in the studio, on
    average over its frames."""
    length = bone_length(slopes.flatten(0, 1)).view(slopes.shape[:2]).mean(1)
    return slopes * (BONES / length.clamp(min=1e-6))[:, None, None, None]
