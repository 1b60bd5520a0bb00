"""The two networks that HGN is compared with. Both take 2D joints, [B, 17, 2]."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from multiscale_gcn.nn import Convolution, GraphConvBlock, NonLocal, ResGConv, SemGConv


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
        ``SemGConv`` or ``GConv``.
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


class SimpleBaseline(nn.Module):
    """A plain fully connected network on all joints: Martinez et al., ICCV 2017.

    Two residual blocks of two layers, each with batch normalisation, ReLU and dropout.

    Parameters
    ----------
    joints : int
    channels : int
        Width of the hidden layers.
    dropout : float

    Examples
    --------
    >>> import torch
    >>> [y.shape for y in SimpleBaseline(channels=64)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(self, joints: int = 17, channels: int = 1024, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.joints = joints

        def layer(in_features: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(in_features, channels),
                nn.BatchNorm1d(channels),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
            )

        self.input = layer(2 * joints)
        self.blocks = nn.ModuleList(
            nn.Sequential(layer(channels), layer(channels)) for _ in range(2)
        )
        self.output = nn.Linear(channels, 3 * joints)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(
        self,
        x: Tensor,  # [B, J, 2]
    ) -> tuple[Tensor]:  # [B, J, 3]
        if x.dim() != 3 or x.shape[1:] != (self.joints, 2):
            raise ValueError(f"x has shape {list(x.shape)}, expected [B, {self.joints}, 2]")
        h = self.input(x.flatten(1))
        for block in self.blocks:
            h = h + block(h)
        return (self.output(h).unflatten(1, (self.joints, 3)),)
