"""Modulated GCN: Zou and Tang, ICCV 2021."""

from __future__ import annotations

from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.first_weights import draw_as_published
from multiscale_gcn import Graph
from multiscale_gcn.nn import GraphConvBlock, ModulatedGConv, ResGConv


class ModulatedGCN(nn.Sequential):
    """Modulated GCN: Zou and Tang, ICCV 2021.

    SemGCN without its non-local blocks, with modulated convolutions: an input convolution, four
    residual blocks, an output convolution.

    Parameters
    ----------
    skeleton : Graph
    channels : int
        128 where the paper is given the true 2D joints.
    dropout : float

    Notes
    -----
    On 16 joints https://github.com/ZhimingZo/Modulated-GCN has 287,923 parameters, 0.29 million.
    The network for detected joints has 384 channels and one more attention block there, and the
    size of all offsets in its loss.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in ModulatedGCN(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(self, skeleton: Graph, channels: int = 128, *, dropout: float = 0.0) -> None:
        super().__init__(
            GraphConvBlock(2, channels, skeleton, convolution=modulated, dropout=dropout),
            *(
                ResGConv(
                    channels, skeleton, convolution=modulated, dropout=dropout, non_local=False
                )
                for _ in range(4)
            ),
            modulated(channels, 3, skeleton),
        )

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        return (super().forward(x),)


def modulated(in_channels: int, out_channels: int, graph: Graph) -> ModulatedGConv:
    """Drawn as in the published code."""
    layer = ModulatedGConv(in_channels, out_channels, graph)
    draw_as_published(layer.weight)
    return layer


def _build(wanted: Wanted) -> ModulatedGCN:
    return ModulatedGCN(wanted.skeleton, wanted.channels, dropout=wanted.dropout or 0.0)


ARCHITECTURE = Architecture(
    name="modulated",
    title="Modulated GCN",
    what="Modulated GCN, whose joints change the shared weights a little (Zou and Tang 2021)",
    build=_build,
    last_layers=lambda model: [model[-1]],
    first_layers=lambda model: [model[0]],
)
