"""U-shaped graph convolutions in space and time: Cai et al., ICCV 2019."""

from __future__ import annotations

from functools import partial

import networkx as nx
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import EDGES, JOINTS, PAIRS
from examples.hgn_pose.network.architecture import Architecture, Wanted, check_clips
from multiscale_gcn import Graph, Hierarchy, as_graph
from multiscale_gcn.nn import (
    GraphConvBlock,
    GraphPool,
    GraphUnpool,
    NeighbourGroupConv,
    spatio_temporal,
)
from multiscale_gcn.nn.neighbour_groups import Groups

ROOT = JOINTS.index("Torso")
"""Of the skeleton: neighbours are nearer to it, or farther from it."""

PARTS = (
    ("L_Shoulder", "L_Elbow", "L_Wrist"),
    ("R_Shoulder", "R_Elbow", "R_Wrist"),
    ("L_Hip", "L_Knee", "L_Ankle"),
    ("R_Hip", "R_Knee", "R_Ankle"),
    ("Pelvis", "Torso", "Neck", "Nose", "Head"),
)
"""Which are pooled: arms, legs, trunk; the trunk is the root of the parts."""

CONVOLUTION_DROPOUT, TIME_DROPOUT, LAST_DROPOUT = 0.05, 0.25, 0.1

INPUT_EPSILON = 0.1
"""Of the normalisation of the 2D joints. The published code hands over its momentum in the place of
epsilon."""


def levels_in_time(frames: int) -> Hierarchy:
    """The joints of all frames, the parts of all frames, and the frames.

    Joints are tied along bones, to their mirror image, and to themselves in the frames before and
    after; parts and frames as their members are.

    Examples
    --------
    >>> levels_in_time(7).sizes
    (119, 35, 7)
    """
    edges = np.array([*EDGES, *PAIRS]).T
    joints = as_graph(edges, kind="edge_index", num_nodes=len(JOINTS), symmetrize=True)
    part = np.empty(len(JOINTS), dtype=np.int64)
    for place, names in enumerate(PARTS):
        part[[JOINTS.index(name) for name in names]] = place
    parts = (np.arange(frames)[:, None] * len(PARTS) + part).ravel()
    return Hierarchy.from_parents(
        spatio_temporal(joints, frames), [parts, np.repeat(np.arange(frames), len(PARTS))]
    )


def depth_of_joints() -> np.ndarray:  # [17] int64
    """Bones between each joint and the root."""
    found = nx.single_source_shortest_path_length(nx.Graph(EDGES), ROOT)
    return np.array([found[joint] for joint in range(len(JOINTS))])


def depth_of_parts() -> np.ndarray:  # [5] int64
    """The limbs are one away from the trunk."""
    return np.array([int("Torso" not in names) for names in PARTS])


def groups_by_depth(depth: np.ndarray) -> Groups:
    """The six groups of neighbours of the paper, each of which has a weight matrix.

    A node itself, those nearer to the root, those farther from it, the mirror image, and the node
    itself one frame before and one after.

    Parameters
    ----------
    depth : array of int64, shape (N,)
        Of the nodes of a frame: how far from the root.
    """

    def groups(nodes: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        (time, node), (other_time, other) = (
            np.divmod(ids, len(depth)) for ids in (nodes, neighbours)
        )
        cases = [
            other_time < time,
            other_time > time,
            depth[other] < depth[node],
            depth[other] > depth[node],
            other != node,
        ]
        return np.select(cases, [4, 5, 1, 2, 3], default=0)

    return groups


class Rows(nn.Module):
    """A linear map and a normalisation of every node."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.map = nn.Linear(in_channels, out_channels)
        self.norm = nn.BatchNorm1d(out_channels)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        h = self.map(x)
        result: Tensor = self.norm(h.flatten(0, 1)).view_as(h)
        return result


class Block(nn.Module):
    """A graph convolution in space and time, then a map of every node, with a shortcut.

    The shortcut is a map where the channels differ. A first block has none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Graph,
        groups: Groups,
        *,
        dropout: float,
        first: bool = False,
    ) -> None:
        super().__init__()
        self.convolution = GraphConvBlock(
            in_channels,
            out_channels,
            graph,
            convolution=partial(grouped, groups=groups),
            dropout=dropout,
        )
        self.second = Rows(out_channels, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.first = first
        same = first or in_channels == out_channels
        self.shortcut = nn.Identity() if same else Rows(in_channels, out_channels)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        h = self.dropout(self.second(self.convolution(x)))
        result: Tensor = (h if self.first else h + self.shortcut(x)).relu()
        return result


class OverTime(nn.Module):
    """A convolution of three frames, zeros before the first and after the last, and of one frame
    where there is one."""

    def __init__(self, channels: int, frames: int, *, dropout: float) -> None:
        super().__init__()
        self.taps = min(frames, 3)
        self.rows = Rows(self.taps * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,  # [B, T, C]
    ) -> Tensor:  # [B, T, C]
        half = self.taps // 2
        padded = F.pad(x, (0, 0, half, half))
        together = torch.cat([padded[:, tap : tap + x.shape[1]] for tap in range(self.taps)], 2)
        result: Tensor = self.dropout(self.rows(together).relu())
        return result


class EmbeddedGaussian(nn.Module):
    """The non-local block of Wang et al. 2018 in its embedded Gaussian form (section 3.2).

    With theta, phi and g linear maps to half of the channels, y = softmax(theta phi^T) g, and
    z = BN(W y) + x. The normalisation begins at 0, so the block begins as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.value = (nn.Linear(channels, inner) for _ in range(3))
        self.output = Rows(inner, channels)
        nn.init.zeros_(self.output.norm.weight)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        shares = (self.theta(x) @ self.phi(x).transpose(1, 2)).softmax(2)
        result: Tensor = self.output(shares @ self.value(x)) + x
        return result


class SpatioTemporalGCN(nn.Module):
    """Local-to-global graph convolutions in space and time: Cai et al., ICCV 2019.

    Three graph convolutions on the joints of all frames. Their maxima over the parts of the body,
    and two more on the parts. The maxima over a frame, and a convolution over time. Back to the
    parts, beside what these had; back to the joints, beside what these had; a non-local block over
    all joints of all frames; a map to coordinates, of the frame in the middle.

    Parameters
    ----------
    channels : int
        128 in the paper, twice as many in the third convolution, four times on the parts.
    frames : int
        3 and 7 in the paper; 1 leaves time out.
    dropout : float, optional
        By default three rates, as in the published code.

    Notes
    -----
    The paper states no number of parameters. Its published code has 5,040,455 from three frames
    on. There each of the six groups of neighbours has a bias, 7,680 numbers more than here, which
    the normalisation behind mostly takes away. There entries of A + I are divided by the number of
    a node's neighbours, in the paper by the root of both degrees in each group, and here by the
    root of both degrees in the whole graph. There the loss takes all frames of a window, here the
    one in the middle, as of all networks; the refinement that it trains afterwards, which needs the
    camera, is left out.

    Examples
    --------
    >>> [y.shape for y in SpatioTemporalGCN(channels=8, frames=3)(torch.randn(4, 3, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self, channels: int = 128, *, frames: int = 7, dropout: float | None = None
    ) -> None:
        super().__init__()
        self.frames, self.joints = frames, len(JOINTS)
        convolution, time, last = (
            (CONVOLUTION_DROPOUT, TIME_DROPOUT, LAST_DROPOUT) if dropout is None else 3 * (dropout,)
        )
        levels = levels_in_time(frames)
        joints, parts = levels[0].graph, levels[1].graph
        of_joints, of_parts = groups_by_depth(depth_of_joints()), groups_by_depth(depth_of_parts())
        wide, widest = 2 * channels, 4 * channels

        self.norm = nn.BatchNorm1d(2 * self.joints, eps=INPUT_EPSILON)
        self.on_joints = nn.Sequential(
            Block(2, channels, joints, of_joints, dropout=convolution, first=True),
            Block(channels, channels, joints, of_joints, dropout=convolution),
            Block(channels, wide, joints, of_joints, dropout=convolution),
        )
        self.to_parts = GraphPool(levels, 0, 1, kind="max")
        self.on_parts = nn.Sequential(
            Block(wide, widest, parts, of_parts, dropout=convolution),
            Block(widest, widest, parts, of_parts, dropout=convolution),
        )
        self.to_frames = GraphPool(levels, 1, 2, kind="max")
        self.over_time = OverTime(widest, frames, dropout=time)
        self.from_frames = GraphUnpool(levels, 2, 1)
        self.narrow = Rows(2 * widest, wide)
        self.narrow_dropout = nn.Dropout(last)
        self.from_parts = GraphUnpool(levels, 1, 0)
        self.everywhere = EmbeddedGaussian(2 * wide)
        self.last_dropout = nn.Dropout(last)
        self.output = nn.Linear(2 * wide, 3)

    def forward(
        self,
        x: Tensor,  # [B, T, 17, 2], of one frame [B, 17, 2]
    ) -> tuple[Tensor]:  # [B, 17, 3]
        clips = x.unsqueeze(1) if self.frames == 1 else x
        check_clips(clips, self.frames, self.joints)
        h = self.norm(clips.flatten(2).flatten(0, 1)).view_as(clips)
        joints = self.on_joints(h.flatten(1, 2))
        parts = self.on_parts(self.to_parts(joints))
        frames = self.over_time(self.to_frames(parts))
        both = self.narrow(torch.cat([self.from_frames(frames), parts], 2))
        raised = self.from_parts(self.narrow_dropout(both.relu()))
        features = self.everywhere(torch.cat([joints, raised], 2))
        middle = features.unflatten(1, (self.frames, self.joints))[:, self.frames // 2]
        return (self.output(self.last_dropout(middle)),)


def grouped(
    in_channels: int, out_channels: int, graph: Graph, *, groups: Groups
) -> NeighbourGroupConv:
    """Drawn as in the published code, one over the root of the inputs at most."""
    layer = NeighbourGroupConv(in_channels, out_channels, graph, groups=groups)
    nn.init.uniform_(layer.weight, -(in_channels**-0.5), in_channels**-0.5)
    return layer


def _build(wanted: Wanted) -> SpatioTemporalGCN:
    return SpatioTemporalGCN(wanted.channels, frames=wanted.frames, dropout=wanted.dropout)


ARCHITECTURE = Architecture(
    name="spatio_temporal",
    title="Spatio-temporal GCN",
    what="Graph convolutions in space and time, on joints, parts and frames (Cai et al. 2019)",
    build=_build,
    last_layers=lambda model: [model.output],
    first_layers=lambda model: [model.on_joints[0]],
    frames=(7, 1, 3, 5),
)
