"""SemGCN: Zhao et al., CVPR 2019."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import part_ids
from examples.hgn_pose.network.architecture import Architecture, SeenByNonLocal, Wanted
from examples.hgn_pose.network.convolutions import SemGConv
from multiscale_gcn.nn import Convolution, GraphConvBlock, NonLocal, ResGConv


class SemGCN(nn.Sequential):
    """SemGCN with non-local blocks, the paper's "SeqRes": Zhao et al., CVPR 2019.

    An input convolution with a non-local block, four residual blocks, an output convolution.

    Parameters
    ----------
    skeleton : Graph
    channels : int
    conv : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv`` or ``GConv`` of :mod:`examples.hgn_pose.network.convolutions`.
    dropout : float
    non_local : {"parts", "joints", "none"}
        What non-local blocks see: the parts of the body, over which the published code pools
        joints, or every joint. "none" leaves the blocks out, as the paper's smaller network does.

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
        non_local: SeenByNonLocal = "parts",
    ) -> None:
        groups = part_ids() if non_local == "parts" else None
        super().__init__(
            GraphConvBlock(2, channels, skeleton, convolution=conv, dropout=dropout),
            *([] if non_local == "none" else [NonLocal(channels, groups=groups)]),
            *(
                ResGConv(
                    channels,
                    skeleton,
                    convolution=conv,
                    dropout=dropout,
                    non_local=non_local != "none",
                    groups=groups,
                )
                for _ in range(4)
            ),
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
        non_local=wanted.non_local,
    )


ARCHITECTURE = Architecture(
    name="semgcn",
    title="SemGCN",
    what="SemGCN with non-local blocks, HGN's bottom subnetwork alone (Zhao et al. 2019)",
    build=_build,
    last_layers=lambda model: [model[-1]],
    first_layers=lambda model: [model[0]],
    takes_convolutions=True,
    takes_non_local=True,
)
