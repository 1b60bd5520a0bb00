"""HGN, and the two networks it is compared with. All take 2D joints, [B, 17, 2]."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from multiscale_gcn.nn import GraphConvBlock, MultiScaleGCN, NonLocal, ResGConv, SemGConv
from multiscale_gcn.nn.blocks import Convolution
from multiscale_gcn.nn.fusion import FusionOrder


class HGN(MultiScaleGCN):
    """Hierarchical Graph Networks: Li et al., BMVC 2021, figure 2.

    Parameters
    ----------
    skeleton : Graph
        The graph of the joints.
    mesh48, mesh96 : Graph or None
        The two coarse graphs of the body mesh. Without ``mesh96`` the top subnetwork falls away;
        without ``mesh48`` it does too, and the middle one works on ``mesh96``.
    channels : int
        128 in the paper's main model.
    conv : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv`` or ``GConv``.
    fusion_order : {"parallel", "sequential"}
        The paper's equation, or the order of the code published with it.
    dropout : float

    Returns of ``forward``
    ----------------------
    tuple of Tensor
        The pose [B, 17, 3], then each mesh that is there, [B, 48, 3] and [B, 96, 3]; metres
        relative to the pelvis when trained as the example does.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.skeleton import skeleton_graph
    >>> skeleton = skeleton_graph()
    >>> [y.shape for y in HGN(skeleton, skeleton, None, channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3]), torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Any,
        mesh48: Any | None,
        mesh96: Any | None,
        channels: int = 128,
        *,
        conv: Convolution = SemGConv,
        fusion_order: FusionOrder = "parallel",
        dropout: float = 0.0,
    ) -> None:
        meshes = [mesh for mesh in (mesh48, mesh96) if mesh is not None]
        if not meshes:
            raise ValueError("mesh48 and mesh96 are both None; HGN needs a coarse mesh")
        bottom, top = (0, 1), tuple(range(1 + len(meshes)))
        super().__init__(
            [skeleton, *meshes],
            stages=[bottom, bottom, top, top],
            in_channels=2,
            channels=channels,
            out_channels=3,
            convolution=conv,
            fusion_order=fusion_order,
            dropout=dropout,
        )


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
    >>> from examples.hgn_pose.skeleton import skeleton_graph
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
