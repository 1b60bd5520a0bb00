"""GraFormer: Zhao, Wang and Tian, CVPR 2022."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted
from multiscale_gcn import Graph
from multiscale_gcn.nn import ChebConv

PUBLISHED_DROPOUT = 0.25
INNER_DROPOUT = 0.1
"""Of attention and of ChebGConv blocks, in the published code."""

LAYERS = 5
HEADS = 4
LEAST_DEGREE = 1e-5


class LearnedGraphNet(nn.Module):
    """Two convolutions on one learned graph, in place of a transformer's map of each token.

    The adjacency matrix A has a number for every pair of joints and begins as I; the convolutions
    are D^-1/2 A D^-1/2 X W + b, through twice the channels. A sum of a row that falls below 0
    counts as 0: the published code takes its root, and then nothing is a number any more.
    """

    def __init__(self, joints: int, channels: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(torch.eye(joints))
        self.first = nn.Linear(channels, 2 * channels)
        self.second = nn.Linear(2 * channels, channels)

    def forward(
        self,
        x: Tensor,  # [B, J, C]
    ) -> Tensor:  # [B, J, C]
        scale = (self.adjacency.sum(1).clamp(min=0) + LEAST_DEGREE) ** -0.5
        matrix = scale[:, None] * self.adjacency * scale
        result: Tensor = self.second(matrix @ self.first(matrix @ x).relu())
        return result


class GraAttention(nn.Module):
    """A transformer's layer with a learned graph in it: the paper's GraAttention block."""

    def __init__(self, joints: int, channels: int, *, dropout: float, inner_dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(
            channels, HEADS, dropout=inner_dropout, batch_first=True
        )
        self.graph_norm = nn.LayerNorm(channels)
        self.graph_net = LearnedGraphNet(joints, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,  # [B, J, C]
    ) -> Tensor:  # [B, J, C]
        h = self.attention_norm(x)
        attended, _ = self.attention(h, h, h, need_weights=False)
        x = x + self.dropout(attended)
        result: Tensor = x + self.dropout(self.graph_net(self.graph_norm(x)))
        return result


class ChebGConvBlock(nn.Module):
    """Two Chebyshev convolutions with a shortcut, and no normalisation."""

    def __init__(self, skeleton: Graph, channels: int, *, dropout: float) -> None:
        super().__init__()
        self.first, self.second = (chebyshev(channels, channels, skeleton) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,  # [B, J, C]
    ) -> Tensor:  # [B, J, C]
        h = self.dropout(self.first(x).relu())
        result: Tensor = x + self.dropout(self.second(h).relu())
        return result


class GraFormer(nn.Module):
    """GraFormer: Zhao, Wang and Tian, CVPR 2022.

    A Chebyshev convolution, five pairs of a GraAttention and a ChebGConv block, and a Chebyshev
    convolution.

    Parameters
    ----------
    skeleton : Graph
    channels : int
        A multiple of 4, the number of heads; 96 in the paper.
    dropout, inner_dropout : float
        Of what GraAttention adds, and of all else.

    Notes
    -----
    With 16 joints it has the 654,179 parameters of https://github.com/Graformer/GraFormer. Its
    convolutions take the polynomials of I - D^-1 (A + I), which is not rescaled; these span the
    same functions but for D.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in GraFormer(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Graph,
        channels: int = 96,
        *,
        dropout: float = PUBLISHED_DROPOUT,
        inner_dropout: float = INNER_DROPOUT,
    ) -> None:
        super().__init__()
        joints = skeleton.num_nodes
        self.input = chebyshev(2, channels, skeleton)
        self.attention = nn.ModuleList(
            GraAttention(joints, channels, dropout=dropout, inner_dropout=inner_dropout)
            for _ in range(LAYERS)
        )
        self.convolutions = nn.ModuleList(
            ChebGConvBlock(skeleton, channels, dropout=inner_dropout) for _ in range(LAYERS)
        )
        self.output = chebyshev(channels, 3, skeleton)

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        x = self.input(x)
        for attention, convolutions in zip(self.attention, self.convolutions, strict=True):
            x = convolutions(attention(x))
        return (self.output(x),)


def chebyshev(in_channels: int, out_channels: int, skeleton: Graph) -> ChebConv:
    """Polynomials of degree 2, drawn as in the published code: small, and without a bias."""
    layer = ChebConv(in_channels, out_channels, skeleton, hops=2)
    nn.init.xavier_normal_(layer.weight.unsqueeze(1))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _build(wanted: Wanted) -> GraFormer:
    if wanted.dropout is None:
        return GraFormer(wanted.skeleton, wanted.channels)
    return GraFormer(
        wanted.skeleton, wanted.channels, dropout=wanted.dropout, inner_dropout=wanted.dropout
    )


ARCHITECTURE = Architecture(
    name="graformer",
    title="GraFormer",
    what="GraFormer, attention and Chebyshev convolutions in turn (Zhao et al. 2022)",
    build=_build,
    last_layers=lambda model: [model.output],
    channels=96,
    channels_step=HEADS,
)
