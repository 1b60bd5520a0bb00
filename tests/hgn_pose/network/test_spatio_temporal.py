"""The spatio-temporal GCN: its graphs, its groups, its layers written out again, its size."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.network.architectures.spatio_temporal import (
    PARTS,
    Block,
    EmbeddedGaussian,
    OverTime,
    SpatioTemporalGCN,
    depth_of_joints,
    depth_of_parts,
    groups_by_depth,
    levels_in_time,
)
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters

DISTANCE = [1, 2, 3, 4, 2, 3, 4, 0, 1, 2, 3, 2, 3, 4, 2, 3, 4]
"""From the torso, counted by hand."""


def joint_group(t: int, i: int, s: int, j: int) -> int | None:
    """The group of joint j in frame s among the neighbours of joint i in frame t."""
    if (t, i) == (s, j):
        return 0
    if t == s and ((i, j) in EDGES or (j, i) in EDGES):
        return 1 if DISTANCE[j] < DISTANCE[i] else 2
    if t == s and FLIP[i] == j:
        return 3
    if i == j and abs(t - s) == 1:
        return 4 if s < t else 5
    return None


def part_group(t: int, i: int, s: int, j: int) -> int | None:
    """Left arm, right arm, left leg, right leg, trunk."""
    if (t, i) == (s, j):
        return 0
    if t == s and 4 in (i, j):
        return 1 if j == 4 else 2
    if t == s and {i, j} in ({0, 1}, {2, 3}):
        return 3
    if i == j and abs(t - s) == 1:
        return 4 if s < t else 5
    return None


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_graphs_and_groups_are_the_papers(frames):
    levels = levels_in_time(frames)
    assert levels.sizes == (17 * frames, 5 * frames, frames)
    for level, group, depth in (
        (0, joint_group, depth_of_joints()),
        (1, part_group, depth_of_parts()),
    ):
        size = len(depth)
        present = levels[level].graph.to_scipy().toarray() != 0
        np.fill_diagonal(present, True)
        nodes, neighbours = np.nonzero(present)
        found = dict(
            zip(
                zip(nodes.tolist(), neighbours.tolist(), strict=True),
                groups_by_depth(depth)(nodes, neighbours).tolist(),
                strict=True,
            )
        )
        expected = {}
        for t, i, s, j in product(range(frames), range(size), range(frames), range(size)):
            kind = group(t, i, s, j)
            if kind is not None:
                expected[t * size + i, s * size + j] = kind
        assert found == expected
    assert sorted(name for part in PARTS for name in part) == sorted(JOINTS)


def convolved(block: Block, x: Tensor, group, size: int) -> Tensor:
    """The sum over all pairs of nodes."""
    layer = block.convolution.convolution
    frames = x.shape[1] // size
    pairs = list(product(range(frames), range(size)))
    kinds = [[group(t, i, s, j) for s, j in pairs] for t, i in pairs]
    degree = [sum(kind is not None for kind in row) for row in kinds]
    nodes = []
    for i, row in enumerate(kinds):
        total = layer.bias.expand(len(x), -1)  # type: ignore[operator]
        for j, kind in enumerate(row):
            if kind is not None:
                share = (degree[i] * degree[j]) ** -0.5
                total = total + share * (x[:, j] @ layer.weight[kind])  # type: ignore[index]
        nodes.append(total)
    return torch.stack(nodes, 1)


def normed(norm: Any, x: Tensor) -> Tensor:
    mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight / (variance + norm.eps) ** 0.5
    return (x - mean) * scale + norm.bias


def block_written_out(block: Block, x: Tensor, group, size: int) -> Tensor:
    h = normed(block.convolution.norm, convolved(block, x, group, size)).relu()
    h = normed(block.second.norm, h @ block.second.map.weight.T + block.second.map.bias)
    if block.first:
        return h.relu()
    if isinstance(block.shortcut, nn.Identity):
        return (h + x).relu()
    rows: Any = block.shortcut
    return (h + normed(rows.norm, x @ rows.map.weight.T + rows.map.bias)).relu()


@pytest.mark.parametrize("frames", [1, 3])
def test_the_network_is_its_figure(frames):
    """Written out again: maxima of parts and frames, copies back, features side by side."""
    torch.manual_seed(0)
    model = SpatioTemporalGCN(2, frames=frames).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    x = torch.randn(2, *((17, 2) if frames == 1 else (frames, 17, 2)), dtype=torch.float64)
    part_of = torch.tensor([[n in p for p in PARTS].index(True) for n in JOINTS])

    h = normed(model.norm, x.view(2, frames, 34)).view(2, frames * 17, 2)
    for block in model.on_joints:
        h = block_written_out(block, h, joint_group, 17)  # type: ignore[arg-type]
    joints = h.unflatten(1, (frames, 17))
    h = torch.stack([joints[:, :, part_of == k].amax(2) for k in range(5)], 2).flatten(1, 2)
    for block in model.on_parts:
        h = block_written_out(block, h, part_group, 5)  # type: ignore[arg-type]
    parts = h.unflatten(1, (frames, 5))
    pooled = parts.amax(2)
    rows = model.over_time.rows
    taps = rows.map.weight.chunk(model.over_time.taps, dim=1)
    over_time = rows.map.bias.expand_as(pooled).clone()
    for t in range(frames):
        for tap, matrix in enumerate(taps):
            s = t + tap - len(taps) // 2
            if 0 <= s < frames:
                over_time[:, t] += pooled[:, s] @ matrix.T
    over_time = normed(rows.norm, over_time).relu()
    both = torch.cat([over_time[:, :, None].expand_as(parts), parts], 3)
    narrow = model.narrow
    raised = normed(narrow.norm, both @ narrow.map.weight.T + narrow.map.bias).relu()
    features = torch.cat([joints, raised[:, :, part_of]], 3)
    expected = model.output(model.everywhere(features.flatten(1, 2)))
    middle = frames // 2 * 17
    torch.testing.assert_close(model(x)[0], expected[:, middle : middle + 17])


def test_the_non_local_block_is_its_formula():
    torch.manual_seed(0)
    block = EmbeddedGaussian(6).double().eval()
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    assert torch.equal(block(x), x)
    nn.init.normal_(block.output.norm.weight)
    for member, found in zip(x, block(x), strict=True):
        theta, phi, value = (layer(member) for layer in (block.theta, block.phi, block.value))
        for i in range(5):
            shares = torch.exp(theta[i] @ phi.T)
            y = (shares / shares.sum()) @ value
            z = normed(block.output.norm, block.output.map(y)) + member[i]
            torch.testing.assert_close(found[i], z)


def published(frames: int) -> int:
    """Of the layers of the published code, one after the other."""
    kinds = 6 if frames > 1 else 4

    def linear(i: int, o: int, taps: int = 1) -> int:
        return i * o * taps + o

    def block(i: int, o: int, first: bool = False) -> int:
        own = linear(i, kinds * o) + 2 * o + linear(o, o) + 2 * o
        return own + (0 if first or i == o else linear(i, o) + 2 * o)

    convolutions = block(2, 128, True) + block(128, 128) + block(128, 256)
    convolutions += block(256, 512) + block(512, 512)
    time = linear(512, 512, 3 if frames > 1 else 1) + 2 * 512
    narrow = linear(1024, 256) + 2 * 256
    non_local = 3 * linear(512, 256) + linear(256, 512) + 2 * 512
    return 2 * 34 + convolutions + time + narrow + non_local + linear(512, 3)


@pytest.mark.parametrize(("frames", "kinds", "printed"), [(1, 4, None), (3, 6, 5_040_455)])
def test_parameters_are_the_published_modules(frames, kinds, printed):
    """But for a bias of each group of neighbours, of which one remains."""
    assert printed in (None, published(frames))
    model = build_network(NetworkOptions("spatio_temporal", frames=frames), None, 0)
    biases = (kinds - 1) * (128 + 128 + 256 + 512 + 512)
    assert count_parameters(model) + biases == published(frames)


def test_more_frames_cost_no_parameters():
    counts = {
        count_parameters(build_network(NetworkOptions("spatio_temporal", frames=frames), None, 0))
        for frames in (3, 5, 7)
    }
    assert counts == {5_040_455 - 7_680}


def test_time_ends_in_zeros():
    torch.manual_seed(0)
    over_time = OverTime(4, 5, dropout=0.0).eval()
    x = torch.randn(2, 5, 4)
    longer = torch.nn.functional.pad(x, (0, 0, 1, 1))
    torch.testing.assert_close(over_time(longer)[:, 1:-1], over_time(x))
