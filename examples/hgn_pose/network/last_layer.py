"""How a network's last layers begin."""

from __future__ import annotations

import torch
from torch import nn

from multiscale_gcn.nn import ConvolutionLayer


def scale_answers(layer: nn.Module, factor: float) -> None:
    """Multiply a layer's answers by a factor, in place, whatever its parameters are called.

    Raises
    ------
    TypeError
        For a layer that is neither linear nor a :class:`~multiscale_gcn.nn.ConvolutionLayer`, of
        which nobody knows what its answers are linear in.
    """
    if isinstance(layer, ConvolutionLayer):
        layer.scale_parameters(factor)
    elif isinstance(layer, nn.Linear):
        with torch.no_grad():
            layer.weight.mul_(factor)
            layer.bias.mul_(factor)
    else:
        raise TypeError(
            f"the last layer is a {type(layer).__name__}, whose answers cannot be made small; let "
            "it derive from multiscale_gcn.nn.ConvolutionLayer and write scale_parameters()"
        )
