"""The convolutions of the library, with first weights that count inputs and outputs."""

from __future__ import annotations

import math

from torch import nn

from multiscale_gcn import nn as layers
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution

XAVIER_GAIN = 1.414


class GConv(layers.GConv):
    """:class:`multiscale_gcn.nn.GConv`, drawn by Glorot and Bengio 2010.

    Xavier uniform weight matrices with gain 1.414, and a bias uniform(+-1 / sqrt(C_out)). They
    count the outputs too: features of 2 channels that become 128 shrink, and a layer of many
    channels to 3 enlarges them. What the library draws keeps their size; the example's figures, and
    its weights, begin from these.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> layer = GConv(2, 128, skeleton_graph())
    >>> bool(layer.weight.abs().max() <= 1.414 * (6 / 130) ** 0.5)
    True
    """

    def reset_parameters(self) -> None:
        _draw(self)


class SemGConv(layers.SemGConv):
    """:class:`multiscale_gcn.nn.SemGConv`, drawn so too.

    See :class:`GConv`; the logits of the edges begin at 1.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> bool((SemGConv(2, 128, skeleton_graph()).logits == 1).all())
    True
    """

    def reset_parameters(self) -> None:
        _draw(self)
        nn.init.ones_(self.logits)


def _draw(layer: WeightedConvolution) -> None:
    for matrix in layer.weight:
        nn.init.xavier_uniform_(matrix, gain=XAVIER_GAIN)
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.out_channels)
        nn.init.uniform_(layer.bias, -bound, bound)
