"""The locally connected network: Ci et al., ICCV 2019."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import EDGES
from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.neighbourhoods import within
from multiscale_gcn import Graph, as_graph
from multiscale_gcn.nn import UnsharedGConv

PUBLISHED_DROPOUT = 0.25
HOPS = 3
BLOCKS = 3
SLOPE = 0.2
TRUNK_EDGES = ((1, 7), (4, 7), (7, 11), (7, 14))
"""Of the published graph beside the bones: the torso with the hips and the shoulders."""


class LocallyConnectedLayer(nn.Module):
    """A matrix for every pair of joints, normalisation, leaky ReLU and dropout.

    The normalisation has a mean and a variance for every channel of every joint.
    """

    def __init__(
        self, in_channels: int, out_channels: int, graph: Graph, *, dropout: float
    ) -> None:
        super().__init__()
        self.map = locally_connected(in_channels, out_channels, graph)
        self.norm = nn.BatchNorm1d(graph.num_nodes * out_channels)
        self.activation = nn.LeakyReLU(SLOPE)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,  # [B, J, C_in]
    ) -> Tensor:  # [B, J, C_out]
        mapped = self.map(x)
        normalised = self.norm(mapped.flatten(1)).view_as(mapped)
        result: Tensor = self.dropout(self.activation(normalised))
        return result


class LCN(nn.Module):
    """The locally connected network: Ci et al., ICCV 2019.

    SimpleBaseline, of whose weights those remain that lead from a joint to joints up to three edges
    away; every pair of these has a matrix of its own. An input layer, three residual blocks of two
    layers, an output layer.

    Parameters
    ----------
    skeleton : Graph
        Of the 17 joints; the torso gets four edges more, as in the published code.
    channels : int
        Of a joint; 64 in the paper.
    dropout : float

    Notes
    -----
    https://github.com/CHUNYUWANG/lcn-pose keeps dense matrices, of which a mask leaves these
    weights. Not here are its shifts before a normalisation, which takes them away again, its bound
    on the norm of each matrix, and its sum of the answer with the 2D input, whose unit is another.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in LCN(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self, skeleton: Graph, channels: int = 64, *, dropout: float = PUBLISHED_DROPOUT
    ) -> None:
        super().__init__()
        graph = within(_with_trunk(skeleton), HOPS)

        def layer(in_channels: int) -> LocallyConnectedLayer:
            return LocallyConnectedLayer(in_channels, channels, graph, dropout=dropout)

        self.input = layer(2)
        self.blocks = nn.ModuleList(
            nn.Sequential(layer(channels), layer(channels)) for _ in range(BLOCKS)
        )
        self.output = locally_connected(channels, 3, graph)
        self.shift = nn.Parameter(torch.zeros(graph.num_nodes, 3))

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        h = self.input(x)
        for block in self.blocks:
            h = h + block(h)
        return (self.output(h) + self.shift,)


def locally_connected(in_channels: int, out_channels: int, graph: Graph) -> UnsharedGConv:
    """Drawn as in the published code: for as many inputs as all joints have."""
    layer = UnsharedGConv(in_channels, out_channels, graph, owner="pair", bias=False)
    nn.init.trunc_normal_(layer.weight, std=(2 / (graph.num_nodes * in_channels)) ** 0.5)
    return layer


def _with_trunk(skeleton: Graph) -> Graph:
    edges = np.array([*EDGES, *TRUNK_EDGES]).T
    return as_graph(edges, kind="edge_index", num_nodes=skeleton.num_nodes, symmetrize=True)


def _build(wanted: Wanted) -> LCN:
    dropout = PUBLISHED_DROPOUT if wanted.dropout is None else wanted.dropout
    return LCN(wanted.skeleton, wanted.channels, dropout=dropout)


ARCHITECTURE = Architecture(
    name="locally_connected",
    title="LCN",
    what="Locally connected network, a matrix for each pair of near joints (Ci et al. 2019)",
    build=_build,
    last_layers=lambda model: [model.output],
    channels=64,
)
