"""Graph Stacked Hourglass: Xu and Takano, CVPR 2021."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import part_ids
from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.convolutions import SemGConv
from multiscale_gcn import Graph, Hierarchy
from multiscale_gcn.nn import Convolution, GraphConvBlock, GraphPool, GraphUnpool

PUBLISHED_DROPOUT = 0.25
"""Of the code at https://github.com/tamasino52/GraphSH."""

HOURGLASSES = 4
REDUCTION = 8
LIMBS = ((0, 1), (2, 3), (5, 6), (4, 7))
"""Of the parts: both legs, hips and trunk, both arms, head and shoulders."""


def skeletal_levels(skeleton: Graph) -> Hierarchy:
    """The skeleton of 17 joints, its 8 parts and its 4 limbs, which the paper pools.

    Its edges are those of the skeleton, contracted.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> skeletal_levels(skeleton_graph()).sizes
    (17, 8, 4)
    """
    return Hierarchy.from_parents(skeleton, [_parents(part_ids()), _parents(LIMBS)])


class Hourglass(nn.Module):
    """Down to the parts and to the limbs, and up again, with skip connections.

    The channels are C on the joints, 1.5 C behind the first convolution, and 2 C on parts and
    limbs.
    """

    def __init__(
        self, levels: Hierarchy, channels: int, *, conv: Convolution, dropout: float
    ) -> None:
        super().__init__()
        joints, parts, limbs = (level.graph for level in levels)
        wide, widest = channels * 3 // 2, channels * 2

        def layer(in_channels: int, out_channels: int, graph: Graph) -> GraphConvBlock:
            return GraphConvBlock(
                in_channels, out_channels, graph, convolution=conv, dropout=dropout
            )

        self.joints_down = layer(channels, wide, joints)
        self.parts_down = layer(wide, widest, parts)
        self.limbs = layer(widest, widest, limbs)
        self.parts_up = layer(widest, wide, parts)
        self.joints_up = layer(wide, channels, joints)
        self.to_parts = GraphPool(levels, 0, 1, kind="max")
        self.to_limbs = GraphPool(levels, 1, 2, kind="max")
        self.from_limbs = GraphUnpool(levels, 2, 1)
        self.from_parts = GraphUnpool(levels, 1, 0)

    def forward(
        self,
        x: Tensor,  # [B, 17, C]
    ) -> Tensor:  # [B, 17, C]
        joints = self.joints_down(x)
        parts = self.parts_down(self.to_parts(joints))
        limbs = self.limbs(self.to_limbs(parts))
        parts_up = self.parts_up(self.from_limbs(limbs) + parts)
        result: Tensor = self.joints_up(self.from_parts(parts_up) + joints, add=x)
        return result


class SqueezeAndExcitation(nn.Module):
    """Each channel times a number that the means of all channels say: Hu et al. 2018."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // REDUCTION, 1)
        self.squeeze = nn.Linear(channels, inner)
        self.excite = nn.Linear(inner, channels)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        means = x.mean(1, keepdim=True)
        return x * self.excite(self.squeeze(means).relu()).sigmoid()


class GraphSH(nn.Module):
    """Graph Stacked Hourglass: Xu and Takano, CVPR 2021.

    An input convolution and four hourglasses, one behind the other. What each gives is mapped to a
    quarter of the channels; side by side these are the multi-level features, which a
    squeeze-and-excitation block weighs before the last map.

    Parameters
    ----------
    skeleton : Graph
        Of the 17 joints.
    channels : int
        A multiple of 4; 64 in the paper.
    conv : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv`` or ``GConv`` of :mod:`examples.hgn_pose.network.convolutions`.
    dropout : float

    Notes
    -----
    The authors published no code. Of https://github.com/tamasino52/GraphSH this has the layers and,
    on its 16 joints, the parameters. There, features return from the lower legs to the other leg's
    joints, and two of the coarse edges join parts that do not touch; here they return to where they
    were pooled, and the coarse graphs are contractions.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in GraphSH(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Graph,
        channels: int = 64,
        *,
        conv: Convolution = SemGConv,
        dropout: float = PUBLISHED_DROPOUT,
    ) -> None:
        super().__init__()
        levels = skeletal_levels(skeleton)
        self.input = GraphConvBlock(2, channels, skeleton, convolution=conv, dropout=dropout)
        self.hourglasses = nn.ModuleList(
            Hourglass(levels, channels, conv=conv, dropout=dropout) for _ in range(HOURGLASSES)
        )
        self.intermediate = nn.ModuleList(
            nn.Linear(channels, channels // HOURGLASSES) for _ in range(HOURGLASSES)
        )
        self.weighing = SqueezeAndExcitation(channels)
        self.output = nn.Linear(channels, 3)

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        features = self.input(x)
        multi_level = []
        for hourglass, intermediate in zip(self.hourglasses, self.intermediate, strict=True):
            features = hourglass(features)
            multi_level.append(intermediate(features))
        return (self.output(self.weighing(torch.cat(multi_level, 2))),)


def _parents(clusters: tuple[tuple[int, ...], ...]) -> np.ndarray:
    parents = np.empty(sum(map(len, clusters)), dtype=np.int64)
    for coarse, members in enumerate(clusters):
        parents[list(members)] = coarse
    return parents


def _build(wanted: Wanted) -> GraphSH:
    return GraphSH(
        wanted.skeleton,
        wanted.channels,
        conv=wanted.convolution,
        dropout=PUBLISHED_DROPOUT if wanted.dropout is None else wanted.dropout,
    )


ARCHITECTURE = Architecture(
    name="graphsh",
    title="GraphSH",
    what="Graph Stacked Hourglass on joints, parts and limbs (Xu and Takano 2021)",
    build=_build,
    last_layers=lambda model: [model.output],
    channels=64,
    channels_step=HOURGLASSES,
    takes_convolutions=True,
)
