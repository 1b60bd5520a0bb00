"""The joints of all frames of a clip, and one body for the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Wanted, check_clips
from examples.hgn_pose.network.architectures.body_streams import ARCHITECTURE as BODY_STREAMS
from examples.hgn_pose.network.architectures.body_streams import (
    HEADS,
    STOCHASTIC_DEPTH,
    BodyStreams,
)
from multiscale_gcn import Graph
from multiscale_gcn.nn import GraphAttention, GraphMLP, PreNormResidual, spatio_temporal
from multiscale_gcn.nn.hierarchy_transfer import Transfer

FRAMES = 27


class BodyClips(BodyStreams):
    """Body streams of the joints of every frame of a clip, and of bodies that are there once.

    The joints also attend to themselves in the other frames. After every stage the bodies read the
    joints of all frames, and all frames read them. So what does not change in a clip, which is how
    long and how broad the person is, has a place of its own, and costs as much as in a single
    frame.

    Parameters
    ----------
    skeleton, meshes, nearness, channels, drop
        As in :class:`.body_streams.BodyStreams`, of a frame.
    frames : int
        Of a clip, an odd number.

    Notes
    -----
    In training it answers for all frames, otherwise for the one in the middle. The bodies answer
    for the latter.

    Examples
    --------
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> skeleton = skeleton_graph()
    >>> network = BodyClips(skeleton, [skeleton], channels=16, frames=9)
    >>> [y.shape for y in network(torch.randn(4, 9, 17, 2))]
    [torch.Size([4, 9, 17, 3]), torch.Size([4, 17, 3])]
    >>> network.eval()(torch.randn(4, 9, 17, 2))[0].shape
    torch.Size([4, 17, 3])
    """

    def __init__(
        self,
        skeleton: Graph,
        meshes: Sequence[Graph],
        nearness: Transfer | None = None,
        channels: int = 128,
        *,
        frames: int = FRAMES,
        drop: float = STOCHASTIC_DEPTH,
    ) -> None:
        super().__init__(
            spatio_temporal(skeleton, frames),
            meshes,
            None if nearness is None else in_all_frames(nearness, frames),
            channels,
            drop=drop,
            encoder=partial(ClipTokens, frames=frames),
            block=partial(clip_block, skeleton=skeleton, frames=frames),
        )
        self.frames, self.joints = frames, skeleton.num_nodes

    def forward(  # type: ignore[override]
        self,
        x: Tensor,  # [B, T, 17, 2]
    ) -> tuple[Tensor, ...]:  # [B, 17, 3], in training [B, T, 17, 3]; then the meshes
        check_clips(x, self.frames, self.joints)
        joints, *meshes = super().forward(x.flatten(1, 2))
        poses = joints.unflatten(1, (self.frames, self.joints))
        return (poses if self.training else poses[:, self.frames // 2], *meshes)


def in_all_frames(nearness: Transfer, frames: int) -> Transfer:
    """Maps between the joints of all frames, which come first, and bodies without any.

    A body begins as the mean over the frames of what it would read in each; every frame reads the
    same.
    """

    def maps(source: int, target: int) -> np.ndarray:
        matrix = np.asarray(nearness(source, target))
        if source == 0:
            return np.tile(matrix, (1, frames)) / frames
        return np.tile(matrix, (frames, 1)) if target == 0 else matrix

    return maps


def clip_block(
    channels: int, graph: Graph, *, skeleton: Graph, frames: int, drop: float
) -> nn.Module:
    """A transformer's, which knows the skeleton in every frame, and the order of the frames."""
    moments = spatio_temporal(Graph([0, 0], []), frames)  # one node in time: a path
    attend = partial(GraphAttention, channels, channels, heads=HEADS, bias="pairs")
    layers = [
        InFrames(attend(skeleton), frames),
        OverTime(attend(moments), frames),
        InFrames(GraphMLP(channels, skeleton), frames),
    ]
    return PreNormResidual(channels, layers, drop=drop)


class InFrames(nn.Module):
    """A layer on the nodes of each frame by itself."""

    def __init__(self, layer: nn.Module, frames: int) -> None:
        super().__init__()
        self.layer, self.frames = layer, frames

    def forward(
        self,
        x: Tensor,  # [B, T N, C]
    ) -> Tensor:  # [B, T N, C]
        return self.of_rows(x.unflatten(1, (self.frames, -1))).flatten(1, 2)

    def of_rows(
        self,
        x: Tensor,  # [B, R, M, C]
    ) -> Tensor:  # [B, R, M, C]
        result: Tensor = self.layer(x.flatten(0, 1)).reshape(x.shape)
        return result


class OverTime(InFrames):
    """A layer on the frames of each node by itself."""

    def forward(
        self,
        x: Tensor,  # [B, T N, C]
    ) -> Tensor:  # [B, T N, C]
        nodes = x.unflatten(1, (self.frames, -1)).transpose(1, 2)
        return self.of_rows(nodes).transpose(1, 2).flatten(1, 2)


class ClipTokens(nn.Module):
    """A map of each joint's two numbers, plus vectors that say which joint it is, and when."""

    def __init__(self, in_channels: int, out_channels: int, graph: Graph, *, frames: int) -> None:
        super().__init__()
        self.map = nn.Linear(in_channels, out_channels)
        self.places = nn.Parameter(torch.empty(graph.num_nodes // frames, out_channels))
        self.moments = nn.Parameter(torch.empty(frames, 1, out_channels))
        for vectors in (self.places, self.moments):
            nn.init.trunc_normal_(vectors, std=0.02)

    def forward(
        self,
        x: Tensor,  # [B, T N, C_in]
    ) -> Tensor:  # [B, T N, C_out]
        tokens: Tensor = self.map(x) + (self.places + self.moments).flatten(0, 1)
        return tokens


def _build(wanted: Wanted) -> BodyClips:
    return BodyClips(
        wanted.skeleton,
        wanted.meshes,
        wanted.nearness,
        wanted.channels,
        frames=wanted.frames,
        drop=STOCHASTIC_DEPTH if wanted.dropout is None else wanted.dropout,
    )


ARCHITECTURE = replace(
    BODY_STREAMS,
    name="body_clips",
    title="Body clips",
    what="Body streams over the frames of a clip, with one body for all, this library's own",
    build=_build,
    frames=(FRAMES, 9),
)
