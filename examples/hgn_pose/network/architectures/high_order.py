"""High-order GCN: Zou et al., BMVC 2020."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.first_weights import draw_as_published
from examples.hgn_pose.network.neighbourhoods import within
from multiscale_gcn import Graph
from multiscale_gcn.nn import ConvolutionLayer, GraphConvBlock, GraphPattern
from multiscale_gcn.ops import Pattern, mix_channels, neighbour_softmax, propagate

HOPS = 3


class HighOrderConv(ConvolutionLayer):
    """Joints up to 0, 1, 2 and 3 edges away, each time with other weights.

    For k = 0 .. 3: the mean, with learned shares, of X W_k over all joints up to k edges away; the
    shares are a softmax of a logit for each pair of joints. These four lie side by side, or, in the
    last layer, are added up.

    Parameters
    ----------
    in_channels, out_channels : int
        A quarter of the output channels is of each distance, unless the results are added up.
    graph : Graph
    added : bool
    """

    def __init__(
        self, in_channels: int, out_channels: int, graph: Graph, *, added: bool = False
    ) -> None:
        super().__init__()
        self.added = added
        channels = out_channels if added else out_channels // (HOPS + 1)
        self.patterns = nn.ModuleList(
            GraphPattern(within(graph, hops)) for hops in range(1, HOPS + 1)
        )
        self.weight = nn.Parameter(torch.empty(HOPS + 1, in_channels, channels))
        draw_as_published(self.weight)
        self.logits = nn.ParameterList(
            torch.ones(pattern.num_entries)  # type: ignore[call-overload]
            for pattern in self.patterns
        )
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-1, 1) / channels**0.5)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        parts = [mix_channels(x, self.weight[0])]
        for matrix, logits, pattern in zip(
            self.weight[1:], self.logits, self.patterns, strict=True
        ):
            entries: Pattern = pattern.entries  # type: ignore[assignment]
            shares = neighbour_softmax(logits, entries)
            parts.append(propagate(mix_channels(x, matrix), shares, entries))
        joined = torch.stack(parts).sum(0) if self.added else torch.cat(parts, 2)
        return joined + self.bias

    @torch.no_grad()
    def scale_parameters(self, factor: float) -> None:
        self.weight.mul_(factor)
        self.bias.mul_(factor)


class Residual(nn.Module):
    """Two blocks with a shortcut."""

    def __init__(self, skeleton: Graph, channels: int, *, dropout: float) -> None:
        super().__init__()
        self.first, self.second = (
            GraphConvBlock(channels, channels, skeleton, convolution=HighOrderConv, dropout=dropout)
            for _ in range(2)
        )

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        result: Tensor = self.second(self.first(x), add=x)
        return result


class HighOrderGCN(nn.Sequential):
    """High-order GCN: Zou et al., BMVC 2020.

    An input convolution, four residual blocks, an output convolution.

    Parameters
    ----------
    skeleton : Graph
    channels : int
        Of each of the four distances: features have four times as many. 96 in the paper.
    dropout : float

    Notes
    -----
    https://github.com/ZhimingZo/HGCN has 1,198,911 parameters on 16 joints, the paper's 1.20
    million. 1,036 of them change nothing there and are not here: logits of joints that hear of
    themselves alone, and in each layer one of two biases.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in HighOrderGCN(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(self, skeleton: Graph, channels: int = 96, *, dropout: float = 0.0) -> None:
        wide = (HOPS + 1) * channels
        super().__init__(
            GraphConvBlock(2, wide, skeleton, convolution=HighOrderConv, dropout=dropout),
            *(Residual(skeleton, wide, dropout=dropout) for _ in range(4)),
            HighOrderConv(wide, 3, skeleton, added=True),
        )

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        return (super().forward(x),)


def _build(wanted: Wanted) -> HighOrderGCN:
    return HighOrderGCN(wanted.skeleton, wanted.channels, dropout=wanted.dropout or 0.0)


ARCHITECTURE = Architecture(
    name="high_order",
    title="High-order GCN",
    what="High-order GCN on joints up to three edges away; its features have four times the "
    "channels (Zou et al. 2020)",
    build=_build,
    last_layers=lambda model: [model[-1]],
    first_layers=lambda model: [model[0]],
    channels=96,
)
