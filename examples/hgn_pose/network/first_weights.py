"""How networks begin: as their papers' code does, or with small answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from multiscale_gcn.nn import ConvolutionLayer, SemGConv

PUBLISHED_GAIN = 1.414


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


def draw_as_published(
    weight: Tensor,  # [..., C_in, C_out]
) -> None:
    """Draw matrices as the code of SemGCN and of those that came after it does, in place.

    That code calls ``xavier_uniform_`` on all matrices of a layer at once, of which PyTorch takes
    the second size for inputs, the first for outputs, and the others for a receptive field.
    """
    nn.init.xavier_uniform_(weight, gain=PUBLISHED_GAIN)


def as_published(model: nn.Module) -> None:
    """Draw the weights of semantic convolutions as the published code of SemGCN and HGN does.

    That code calls ``xavier_uniform_`` on one tensor of shape (2, C_in, C_out), of which PyTorch
    takes C_out for a receptive field: the bound is 1.414 sqrt(6 / (C_in C_out + 2 C_out)), 0.027
    for 128 channels, where matrix by matrix it is 0.217.

    Parameters
    ----------
    model : nn.Module
        Its layers are changed in place, with numbers of the global generator.
    """
    for module in model.modules():
        if isinstance(module, SemGConv):
            draw_as_published(module.weight)
