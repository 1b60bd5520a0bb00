"""Graph U-Net: Gao and Ji, ICML 2019."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted
from multiscale_gcn import Graph

SHARES = (0.9, 0.8, 0.7)
"""Of the nodes that each pooling keeps, as in the published code for whole graphs."""

SELF_WEIGHT = 2.0


class GCN(nn.Module):
    """D^-1/2 (A + 2 I) D^-1/2 X W + b, on a graph that each member of the batch has for itself."""

    def __init__(self, in_channels: int, out_channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.map = nn.Linear(in_channels, out_channels)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
        adjacency: Tensor,  # [B, N, N] of 0 and 1, without self loops
    ) -> Tensor:  # [B, N, C_out]
        with_loops = adjacency + SELF_WEIGHT * torch.eye(adjacency.shape[1], device=x.device)
        scale = with_loops.sum(2, keepdim=True) ** -0.5
        result: Tensor = self.map(scale * (with_loops @ (scale * self.dropout(x))))
        return result


class TopPool(nn.Module):
    """gPool: the nodes whose features reach farthest along a learned direction remain.

    They are weighed by a sigmoid of how far, which is how the direction learns. They are neighbours
    where a path of at most two edges led from one to the other.

    Parameters
    ----------
    nodes : int
        So many remain.
    channels : int
    """

    def __init__(self, nodes: int, channels: int) -> None:
        super().__init__()
        self.nodes = nodes
        self.direction = nn.Parameter(torch.empty(channels).uniform_(-1, 1) / channels**0.5)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
        adjacency: Tensor,  # [B, N, N]
    ) -> tuple[Tensor, Tensor, Tensor]:  # [B, K, C], [B, K, K], [B, K] int64
        scores = x @ F.normalize(self.direction, dim=0)
        highest, kept = scores.topk(self.nodes, dim=1)
        rows = kept.unsqueeze(2)
        features = x.gather(1, rows.expand(-1, -1, x.shape[2])) * highest.sigmoid().unsqueeze(2)
        near = ((adjacency + adjacency @ adjacency) > 0).to(x.dtype)
        near = near.gather(1, rows.expand(-1, -1, near.shape[2]))
        near = near.gather(2, kept.unsqueeze(1).expand(-1, self.nodes, -1))
        return features, near * (1 - torch.eye(self.nodes, device=x.device)), kept


def unpool(
    x: Tensor,  # [B, K, C]
    kept: Tensor,  # [B, K] int64
    nodes: int,
) -> Tensor:  # [B, N, C]
    """gUnpool: the nodes return to where they were; the others have zeros."""
    places = kept.unsqueeze(2).expand_as(x)
    return x.new_zeros(x.shape[0], nodes, x.shape[2]).scatter(1, places, x)


class GraphUNet(nn.Module):
    """Graph U-Net: Gao and Ji, ICML 2019, in which every pose chooses its coarse graphs.

    A convolution; down three times, by a convolution and a pooling; a convolution; up three times,
    by an unpooling, a convolution and a sum with what was there; the sum with the first features;
    a convolution to coordinates.

    Parameters
    ----------
    skeleton : Graph
    channels : int
    dropout : float

    Notes
    -----
    The paper classifies nodes and graphs. Nobody published it for poses, so width and rates are
    those of the networks beside it, and there is no count of parameters to agree with.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> model = GraphUNet(skeleton_graph(), channels=8)
    >>> [pool.nodes for pool in model.pools]
    [15, 12, 8]
    >>> [y.shape for y in model(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    adjacency: Tensor

    def __init__(self, skeleton: Graph, channels: int = 128, *, dropout: float = 0.0) -> None:
        super().__init__()
        present = torch.from_numpy(skeleton.to_scipy().toarray() != 0).float()
        self.register_buffer("adjacency", present.fill_diagonal_(0.0), persistent=False)
        sizes = [skeleton.num_nodes]
        for share in SHARES:
            sizes.append(max(int(share * sizes[-1]), 2))

        def convolution() -> GCN:
            return GCN(channels, channels, dropout=dropout)

        self.input = GCN(2, channels)
        self.down = nn.ModuleList(convolution() for _ in SHARES)
        self.pools = nn.ModuleList(TopPool(size, channels) for size in sizes[1:])
        self.bottom = convolution()
        self.up = nn.ModuleList(convolution() for _ in SHARES)
        self.output = GCN(channels, 3)

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        whole = self.adjacency.expand(x.shape[0], -1, -1)
        first = F.elu(self.input(x, whole))
        levels: list[tuple[Tensor, Tensor, Tensor]] = []
        features, graph = first, whole
        for convolution, pool in zip(self.down, self.pools, strict=True):
            before, finer = F.elu(convolution(features, graph)), graph
            features, graph, kept = pool(before, finer)
            levels.append((before, finer, kept))
        features = F.elu(self.bottom(features, graph))
        for convolution, (before, finer, kept) in zip(self.up, reversed(levels), strict=True):
            raised = unpool(features, kept, before.shape[1])
            features = F.elu(convolution(raised, finer)) + before
        return (self.output(features + first, whole),)


def _build(wanted: Wanted) -> GraphUNet:
    return GraphUNet(wanted.skeleton, wanted.channels, dropout=wanted.dropout or 0.0)


ARCHITECTURE = Architecture(
    name="graph_u_net",
    title="Graph U-Net",
    what="Graph U-Net, in which every pose chooses its coarse graphs (Gao and Ji 2019)",
    build=_build,
    last_layers=lambda model: [model.output.map],
)
