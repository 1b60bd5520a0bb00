"""HGN begins with the same numbers as ever: all its draws, in their order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architectures.hgn import HGN
from examples.hgn_pose.network.building import FIRST_ANSWERS, NetworkOptions, build_network
from multiscale_gcn import Graph, as_graph

SIZES, CHANNELS = (17, 48, 96), 6
STAGES = [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)]


def ring(n: int) -> Graph:
    nodes = np.arange(n)
    return as_graph(np.array([nodes, (nodes + 1) % n]), num_nodes=n, symmetrize=True)


class Draws:
    """Every random number of the network, one after the other, by the name of its parameter."""

    def __init__(self, matrices: int) -> None:
        self.state: dict[str, Tensor] = {}
        self.matrices = matrices

    def convolution(self, name: str, in_channels: int, out_channels: int) -> None:
        weight = torch.empty(self.matrices, in_channels, out_channels)
        for matrix in weight:
            bound = 1.414 * math.sqrt(6 / (in_channels + out_channels))
            matrix.uniform_(-bound, bound)
        self.state[f"{name}.weight"] = weight
        bound = 1 / math.sqrt(out_channels)
        self.state[f"{name}.bias"] = torch.empty(out_channels).uniform_(-bound, bound)

    def published(self) -> None:
        """Draw all convolutions anew, as one tensor of which the outputs are a receptive field."""
        for name, weight in self.state.items():
            if weight.dim() == 3:
                matrices, in_channels, out_channels = weight.shape
                fans = (in_channels + matrices) * out_channels
                bound = 1.414 * math.sqrt(6 / fans)
                self.state[name] = torch.empty(weight.shape).uniform_(-bound, bound)

    def linear(self, name: str, in_features: int, out_features: int) -> None:
        made = nn.Linear(in_features, out_features)
        self.state[f"{name}.weight"], self.state[f"{name}.bias"] = made.weight, made.bias

    def block(self, name: str) -> None:
        self.convolution(f"{name}.first.convolution", CHANNELS, CHANNELS)
        self.convolution(f"{name}.second.convolution", CHANNELS, CHANNELS)
        inner = CHANNELS // 2
        maps = dict.fromkeys(("theta", "phi", "value"), (CHANNELS, inner))
        maps["output"] = (inner, CHANNELS)
        for sizes in maps.values():
            nn.Linear(*sizes)  # drawn, and then drawn anew
        for part, sizes in maps.items():
            weight = torch.empty(sizes[::-1])
            self.state[f"{name}.non_local.{part}.weight"] = nn.init.kaiming_normal_(weight)
            self.state[f"{name}.non_local.{part}.bias"] = torch.zeros(sizes[1])
        score = nn.init.kaiming_normal_(torch.empty(1, 2 * inner))
        self.state[f"{name}.non_local.score"] = score.view(2, inner)
        self.state[f"{name}.second.norm.weight"] = torch.ones(CHANNELS)


def hgn(matrices: int) -> Draws:
    draws = Draws(matrices)
    draws.convolution("inputs.0.convolution", 2, CHANNELS)
    begun = [0]
    for place, stage in enumerate(STAGES):
        for k in stage:
            if k not in begun:
                for i in begun:
                    draws.linear(f"beginnings.{k}.maps.{i}", SIZES[i], SIZES[k])
                begun.append(k)
        for k in stage:
            draws.block(f"blocks.{place}.{k}")
        for k in stage:
            for sent, i in enumerate(i for i in stage if i != k):
                draws.linear(f"fusions.{place}.sums.{k}.maps.{sent}", SIZES[i], SIZES[k])
    for k in range(3):
        draws.convolution(f"outputs.{k}", CHANNELS, 3)
    return draws


class Body:
    """A hierarchy that knows the two levels that HGN asks for."""

    class At:
        def __init__(self, size: int) -> None:
            self.graph = ring(size)

    def level(self, size: int) -> At:
        return self.At(size)


@pytest.mark.parametrize("fusion_order", ["parallel", "sequential"])
@pytest.mark.parametrize(
    ("conv", "matrices", "init"),
    [("sem", 2, "published"), ("sem", 2, "by_matrix"), ("vanilla", 1, "published")],
)
def test_hgn_begins_as_ever(conv, matrices, init, fusion_order):
    options = NetworkOptions(channels=CHANNELS, conv=conv, fusion_order=fusion_order, init=init)
    state = build_network(options, Body(), seed=3).state_dict()  # type: ignore[arg-type]
    torch.manual_seed(3)
    draws = hgn(matrices)
    small = (conv, init) != ("sem", "published")
    if not small:
        draws.published()
    expected = draws.state
    for name, value in expected.items():
        factor = FIRST_ANSWERS if small and name.startswith("outputs") else 1
        assert torch.equal(state[name], factor * value.detach()), name
    others = {name.rpartition(".")[2] for name in set(state) - set(expected)}
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    assert others <= {"logits", "weight", "bias", *statistics}
    for name in set(state) - set(expected):
        if name.endswith("logits"):
            assert state[name].eq(1).all(), name
        elif name.endswith(("weight", "bias")):
            assert ".norm." in name


def test_hgn_without_options_begins_so_too():
    torch.manual_seed(3)
    state = HGN(skeleton_graph(), ring(48), ring(96), CHANNELS).state_dict()
    torch.manual_seed(3)
    for name, value in hgn(2).state.items():
        assert torch.equal(state[name], value.detach()), name
