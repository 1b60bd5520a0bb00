"""How a network's last layers begin."""

from __future__ import annotations

import torch
from torch import nn


def scale_answers(layer: nn.Module, factor: float) -> None:
    """Multiply all that a layer's output is linear in by a factor, in place.

    The layer is ``nn.Linear`` or a graph convolution, and its output is linear in its ``weight``
    and its ``bias``. All that depends on these names stands here.
    """
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name in ("weight", "bias"):
                parameter.mul_(factor)
