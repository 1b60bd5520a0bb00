"""Weight sharing in graph networks: Liu et al., ECCV 2020."""

from __future__ import annotations

from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.first_weights import draw_as_published
from multiscale_gcn import Graph
from multiscale_gcn.nn import GraphConvBlock, ResGConv, UnsharedGConv


class PreAggregation(nn.Sequential):
    """Decoupled pre-aggregation, the best of the eight ways of Liu et al., ECCV 2020.

    SemGCN without its non-local blocks, with convolutions in which every joint has two weight
    matrices: one for what it tells itself, one for what it tells its neighbours. An input
    convolution, four residual blocks, an output convolution.

    Parameters
    ----------
    skeleton : Graph
    channels : int
    dropout : float

    Notes
    -----
    With 16 joints it has 4,218,243 parameters, the paper's 4.22 million.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in PreAggregation(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(self, skeleton: Graph, channels: int = 128, *, dropout: float = 0.0) -> None:
        super().__init__(
            GraphConvBlock(2, channels, skeleton, convolution=unshared, dropout=dropout),
            *(
                ResGConv(channels, skeleton, convolution=unshared, dropout=dropout, non_local=False)
                for _ in range(4)
            ),
            unshared(channels, 3, skeleton),
        )

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        return (super().forward(x),)


def unshared(in_channels: int, out_channels: int, graph: Graph) -> UnsharedGConv:
    """Drawn as in the code of the networks that it is compared with."""
    layer = UnsharedGConv(in_channels, out_channels, graph, owner="sender", separate_self=True)
    draw_as_published(layer.weight.view(2, graph.num_nodes, in_channels, out_channels))
    return layer


def _build(wanted: Wanted) -> PreAggregation:
    return PreAggregation(wanted.skeleton, wanted.channels, dropout=wanted.dropout or 0.0)


ARCHITECTURE = Architecture(
    name="weight_sharing",
    title="Pre-aggregation GCN",
    what="Decoupled pre-aggregation, with two weight matrices for every joint (Liu et al. 2020)",
    build=_build,
    last_layers=lambda model: [model[-1]],
    first_layers=lambda model: [model[0]],
)
