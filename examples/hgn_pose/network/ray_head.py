"""Poses as depths along the rays on which a camera sees the joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.hgn_pose.motion.studio import FOCAL
from examples.hgn_pose.network.facing import Facing

USUAL_DISTANCE = 5.2
"""Metres from a camera to a pelvis, about: that of the example's cameras from the middle."""


class RayHead(nn.Module):
    """Read a pose off the answers of a network as depths on the rays of the 2D joints.

    With the answer (a, b, c) of every joint, the pelvis is 5.2 m times the exponential of the mean
    of all a and b away, and a joint c farther than that. It lies on the ray of its 2D joint, for
    which the lens has to be known: it has 1145 pixels to an image of 1000, as Human3.6M's cameras.
    So the network has one number a joint to find, and one for all.

    Parameters
    ----------
    network : nn.Module
        Takes 2D joints (B, 17, 2) and returns a tuple: first (B, 17, 3). What comes after, the
        meshes, is handed on. Or it takes clips (B, T, 17, 2), and answers for the frame in the
        middle of each or for all, (B, T, 17, 3).

    Examples
    --------
    >>> import torch
    >>> class Nothing(torch.nn.Module):
    ...     def forward(self, image):
    ...         return (torch.zeros(*image.shape[:2], 3),)
    >>> image = torch.zeros(1, 17, 2)
    >>> image[0, 1] = torch.tensor([0.1, -0.2])
    >>> RayHead(Nothing())(image)[0][0, 1].round(decimals=3)
    tensor([ 0.2270, -0.4540,  0.0000])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        image: Tensor,  # [B, 17, 2], of clips [B, T, 17, 2]
    ) -> tuple[Tensor, ...]:  # [B, 17, 3] or [B, T, 17, 3], then the meshes
        answer, *meshes = self.network(image)
        answer = answer.to(image.dtype)
        if answer.dim() < image.dim():
            image = image[:, image.shape[1] // 2]
        distance = USUAL_DISTANCE * answer[..., :2].mean((-2, -1)).exp()
        depth = distance[..., None] + answer[..., 2]
        slope = image / FOCAL
        places = torch.cat([slope, torch.ones_like(slope[..., :1])], dim=-1) * depth[..., None]
        return (places - places[..., :1, :], *meshes)


def answering(model: nn.Module) -> nn.Module:
    """The network itself, without its head and what turns its camera."""
    while isinstance(model, RayHead | Facing):
        model = model.network
    return model
