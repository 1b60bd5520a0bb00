"""What people look like in the studio's cameras, which every network's input is made for."""

from __future__ import annotations

import torch
from torch import Tensor

from examples.hgn_pose.body.skeleton import EDGES

FOCAL = 2.29
"""Focal length in half image widths: 1145 px of 1000. A network's input is so many times the
slopes of the rays."""

BONES = 1.542
"""Mean length of all bones together in half image widths, as ``bake.measure_trunks`` prints it
for cmu17."""


def bone_length(
    image: Tensor,  # [B, 17, 2]
) -> Tensor:  # [B]
    """Length of all bones together in the image.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.motion.studio import bone_length
    >>> line = torch.stack([torch.arange(17.0), torch.zeros(17)], dim=1)
    >>> bone_length(line[None])  # twelve of length 1, and 4 + 7 + 3 + 6
    tensor([32.])
    """
    joints = image.unbind(1)
    lengths = [torch.linalg.vector_norm(joints[b] - joints[a], dim=1) for a, b in EDGES]
    return torch.stack(lengths, dim=1).sum(1)
