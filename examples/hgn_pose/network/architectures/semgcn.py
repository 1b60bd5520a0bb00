"""SemGCN: Zhao et al., CVPR 2019."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.convolutions import SemGConv
from multiscale_gcn.nn import Convolution, GraphConvBlock, NonLocal, ResGConv


class SemGCN(nn.Sequential):
    """SemGCN with non-local blocks, the paper's "SeqRes": Zhao et al., CVPR 2019.

    An input convolution with a non-local block, four residual blocks, an output convolution. The
    non-local blocks see every joint; those of the original pool left and right joints first,
    which has no parameters.

    Parameters
    ----------
    skeleton : Graph
    channels : int
    conv : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv`` or ``GConv`` of :mod:`examples.hgn_pose.network.convolutions`.
    dropout : float

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in SemGCN(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Any,
        channels: int = 128,
        *,
        conv: Convolution = SemGConv,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            GraphConvBlock(2, channels, skeleton, convolution=conv, dropout=dropout),
            NonLocal(channels),
            *(ResGConv(channels, skeleton, convolution=conv, dropout=dropout) for _ in range(4)),
            conv(channels, 3, skeleton),
        )

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        return (super().forward(x),)


def _build(wanted: Wanted) -> SemGCN:
    return SemGCN(
        wanted.skeleton,
        wanted.channels,
        conv=wanted.convolution,
        dropout=wanted.dropout or 0.0,
    )


ARCHITECTURE = Architecture(
    name="semgcn",
    what="SemGCN with non-local blocks, HGN's bottom subnetwork alone (Zhao et al. 2019)",
    build=_build,
    last_layers=lambda model: [model[-1]],
    takes_convolutions=True,
)
