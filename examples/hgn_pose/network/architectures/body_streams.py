"""Joints that attend to each other, beside two coarse bodies, all exchanging features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Fusion, Wanted
from multiscale_gcn import Graph
from multiscale_gcn.nn import (
    GraphAttention,
    GraphMLP,
    MultiScaleGCN,
    PreNormResidual,
    Schedule,
    SemGConv,
)
from multiscale_gcn.nn.hierarchy_transfer import Transfer

STAGES = 4
HEADS = 8
STOCHASTIC_DEPTH = 0.1


class BodyStreams(MultiScaleGCN):
    """Three streams of features: of the joints, and of a body's mesh in 48 and in 96 nodes.

    The joints are the tokens of a transformer that knows the skeleton: attention with a learned
    bias for every head and pair, and a perceptron whose hidden layer hears of neighbours. The
    bodies have a semantic graph convolution in theirs, half and three eighths of the channels, and
    begin as what is near them in the joints. After every stage all streams read each other, through
    a map of the channels, and of the nodes, which begins as a softmax of distances at rest.

    Parameters
    ----------
    skeleton : Graph
    meshes : sequence of Graph
        The coarse graphs, at most two; none: the joints alone.
    nearness : callable (source, target) -> array, optional
        How maps between the nodes of two streams begin; at random by default.
    channels : int
        Of a joint: a multiple of 8.
    drop : float
        Stochastic depth.
    fusion : {"every", "last"}
        Whether streams read each other after every stage or after the last one alone.
    encoder, block : callable, optional
        What the joints begin as, and what they have in every stage: here those of single frames.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> skeleton = skeleton_graph()
    >>> network = BodyStreams(skeleton, [skeleton], channels=16)
    >>> [y.shape for y in network(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3]), torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Graph,
        meshes: Sequence[Graph],
        nearness: Transfer | None = None,
        channels: int = 128,
        *,
        drop: float = STOCHASTIC_DEPTH,
        fusion: Fusion = "every",
        encoder: Callable[..., nn.Module] | None = None,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        graphs = [skeleton, *meshes]
        blocks = [block or joint_block, *[body_block] * len(meshes)]
        streams = range(len(graphs))
        exchange = list(permutations(streams, 2))
        early = exchange if fusion == "every" else []
        super().__init__(
            graphs,
            Schedule([streams] * STAGES, [early] * (STAGES - 1) + [exchange]),
            in_channels=2,
            channels=[channels, channels // 2, 3 * channels // 8][: len(graphs)],
            out_channels=3,
            transfer=nearness,
            encoder=encoder or Tokens,
            decoder=Answer,
            block=[partial(block, drop=drop) for block in blocks],
            start="given",
        )


def joint_block(channels: int, graph: Graph, *, drop: float) -> nn.Module:
    """A transformer's, which knows the graph."""
    attention = GraphAttention(channels, channels, graph, heads=HEADS, bias="pairs")
    return PreNormResidual(channels, [attention, GraphMLP(channels, graph)], drop=drop)


def body_block(channels: int, graph: Graph, *, drop: float) -> nn.Module:
    """Without attention."""
    return PreNormResidual(channels, [GraphMLP(channels, graph, convolution=SemGConv)], drop=drop)


class Tokens(nn.Module):
    """A map of each joint's two numbers, plus a vector that says which joint it is."""

    def __init__(self, in_channels: int, out_channels: int, graph: Graph) -> None:
        super().__init__()
        self.map = nn.Linear(in_channels, out_channels)
        self.places = nn.Parameter(torch.empty(graph.num_nodes, out_channels))
        nn.init.trunc_normal_(self.places, std=0.02)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        tokens: Tensor = self.map(x) + self.places
        return tokens


class Answer(nn.Sequential):
    """A last normalisation and map."""

    def __init__(self, in_channels: int, out_channels: int, graph: Any) -> None:
        super().__init__(nn.LayerNorm(in_channels), nn.Linear(in_channels, out_channels))


def _build(wanted: Wanted) -> BodyStreams:
    return BodyStreams(
        wanted.skeleton,
        wanted.meshes,
        wanted.nearness,
        wanted.channels,
        drop=STOCHASTIC_DEPTH if wanted.dropout is None else wanted.dropout,
        fusion=wanted.fusion,
    )


ARCHITECTURE = Architecture(
    name="body_streams",
    title="Body streams",
    what="Joints that attend to each other beside two coarse bodies, this library's own",
    build=_build,
    last_layers=lambda model: [answer[1] for answer in model.outputs.values()],
    first_layers=lambda model: list(model.inputs.values()),
    channels_step=HEADS,
    has_meshes=True,
    begins_by_distance=True,
    head="ray",
)
