"""Weight sharing in graph networks: Liu et al., ECCV 2020."""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import numpy as np
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.network.architecture import Architecture, Sharing, Wanted
from examples.hgn_pose.network.first_weights import draw_as_published
from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv, GraphConvBlock, NeighbourGroupConv, ResGConv, UnsharedGConv
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution

Made = Callable[[int, int, Graph], WeightedConvolution]


class WeightSharing(nn.Sequential):
    """The networks of Liu et al., ECCV 2020, which differ in who shares a weight matrix.

    SemGCN without its non-local blocks and without learned edges: an input convolution, four
    residual blocks, an output convolution. Neighbours weigh as in D^-1/2 (A + I) D^-1/2.

    Parameters
    ----------
    skeleton : Graph
    channels : int
    sharing : str
        Who shares a matrix: ``full``, all joints; ``pre``, all neighbours that a joint sends its
        features to, each joint having its own matrix; ``post``, all neighbours that a joint hears
        of; ``none``, nobody, each pair of neighbours having its own; ``convolution``, all pairs of
        which one is nearer to the pelvis, and all of which it is farther, as the taps of a filter
        do. The first three with ``_decoupled`` have other matrices for what a joint tells itself.
        ``pre_decoupled`` is the best of the paper.
    dropout : float

    Notes
    -----
    With 16 joints ``pre_decoupled`` has 4,218,243 parameters, the paper's 4.22 million. The others
    follow from the number of their matrices.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> [y.shape for y in WeightSharing(skeleton_graph(), channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Graph,
        channels: int = 128,
        *,
        sharing: Sharing = "pre_decoupled",
        dropout: float = 0.0,
    ) -> None:
        make = MADE[sharing]

        def convolution(in_channels: int, out_channels: int, graph: Graph) -> WeightedConvolution:
            layer = make(in_channels, out_channels, graph)
            shape = (in_channels, out_channels)
            matrices: Tensor = layer.weight
            if sharing.startswith(("pre", "post")):
                matrices = matrices.view(-1, graph.num_nodes, *shape)
            # As in the code of the networks that it is compared with.
            draw_as_published(matrices)
            return layer

        super().__init__(
            GraphConvBlock(2, channels, skeleton, convolution=convolution, dropout=dropout),
            *(
                ResGConv(
                    channels, skeleton, convolution=convolution, dropout=dropout, non_local=False
                )
                for _ in range(4)
            ),
            convolution(channels, 3, skeleton),
        )

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        return (super().forward(x),)


def by_displacement(nodes: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """How many bones farther from the pelvis the neighbour is: -1, 0 or 1, counted from 0."""
    found = nx.single_source_shortest_path_length(nx.Graph(EDGES), JOINTS.index("Pelvis"))
    depth = np.array([found[joint] for joint in range(len(JOINTS))])
    displacement: np.ndarray = depth[neighbours] - depth[nodes] + 1
    return displacement


MADE: dict[Sharing, Made] = {
    "full": GConv,
    "full_decoupled": lambda i, o, graph: GConv(i, o, graph, separate_self=True),
    "pre": UnsharedGConv,
    "pre_decoupled": lambda i, o, graph: UnsharedGConv(i, o, graph, separate_self=True),
    "post": lambda i, o, graph: UnsharedGConv(i, o, graph, owner="receiver"),
    "post_decoupled": lambda i, o, graph: UnsharedGConv(
        i, o, graph, owner="receiver", separate_self=True
    ),
    "none": lambda i, o, graph: UnsharedGConv(i, o, graph, owner="pair"),
    "convolution": lambda i, o, graph: NeighbourGroupConv(i, o, graph, groups=by_displacement),
}


def _build(wanted: Wanted) -> WeightSharing:
    return WeightSharing(
        wanted.skeleton, wanted.channels, sharing=wanted.sharing, dropout=wanted.dropout or 0.0
    )


ARCHITECTURE = Architecture(
    name="weight_sharing",
    title="Pre-aggregation GCN",
    what="Decoupled pre-aggregation, with two weight matrices for every joint, or another of eight "
    "ways to share them (Liu et al. 2020)",
    build=_build,
    last_layers=lambda model: [model[-1]],
    first_layers=lambda model: [model[0]],
    takes_sharing=True,
)
