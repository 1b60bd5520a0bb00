"""Half precision inside of a network, and full precision at both of its ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.ray_head import answering
from examples.hgn_pose.network.registry import ARCHITECTURES


def ends_of(network: str, model: nn.Module) -> list[nn.Module]:
    """The layers of a network that see the 2D joints, and those that answer.

    Parameters
    ----------
    network : str
        Its name in the registry.
    model : nn.Module
        As :func:`~examples.hgn_pose.network.building.build_network` makes it.

    Examples
    --------
    >>> from examples.hgn_pose.network.building import NetworkOptions, build_network
    >>> model = build_network(NetworkOptions("transformer", channels=16), None, seed=0)
    >>> [(end.in_features, end.out_features) for end in ends_of("transformer", model)]
    [(2, 16), (16, 3)]
    """
    own, entry = answering(model), ARCHITECTURES[network]
    return [*entry.first_layers(own), *entry.last_layers(own)]


def keep_in_float32(layer: nn.Module) -> None:
    """Let a layer compute in float32 where all around it is cast to another type.

    bfloat16 has eight bits of a number. That is a pixel of an image of 500, and four millimetres of
    a metre: enough for features, but neither for 2D joints nor for places.
    """
    layer.forward = _in_float32(layer.forward)


def _in_float32(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Tensor, *others: Any, **options: Any) -> Any:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float(), *others, **options)

    return run
