"""High-order GCN: its convolution, distance by distance."""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch

from examples.hgn_pose.body.skeleton import EDGES, skeleton_graph
from examples.hgn_pose.network.architectures.high_order import HighOrderConv
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.neighbourhoods import within

DISTANCES = dict(nx.all_pairs_shortest_path_length(nx.Graph(EDGES)))


def test_neighbourhoods_are_shortest_paths():
    for hops in (1, 2, 3, 20):
        dense = within(skeleton_graph(), hops).to_scipy().toarray()
        expected = [[0 < DISTANCES[i][j] <= hops for j in range(17)] for i in range(17)]
        assert np.array_equal(dense != 0, expected)


def test_a_convolution_is_its_formula():
    torch.manual_seed(0)
    for added in (False, True):
        layer = HighOrderConv(5, 8, skeleton_graph(), added=added).double()
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
        x = torch.randn(2, 17, 5, dtype=torch.float64)
        parts = []
        for hops, matrix in enumerate(layer.weight):
            mapped, rows, place = x @ matrix, [], 0
            for i in range(17):
                near = [j for j in range(17) if DISTANCES[i][j] <= hops]
                logits = torch.zeros(1)
                if hops:
                    logits = layer.logits[hops - 1][place : place + len(near)]
                shares = logits.softmax(0).to(x.dtype)
                rows.append((shares[:, None] * mapped[:, near]).sum(1))
                place += len(near)
            parts.append(torch.stack(rows, 1))
        joined = sum(parts) if added else torch.cat(parts, 2)
        torch.testing.assert_close(layer(x), joined + layer.bias)
        before = layer(x)
        layer.scale_parameters(0.5)
        torch.testing.assert_close(layer(x), 0.5 * before)


def test_parameters_are_the_published_modules_without_those_that_change_nothing():
    """Its module has 1,199,111 on 17 joints: ten times 17 logits of a softmax over one entry, nine
    biases of 96 that only a last layer adds, and twelve that it does not."""
    count = count_parameters(build_network(NetworkOptions("high_order"), None, 0))
    assert count == 1_199_111 - 10 * 17 - 9 * 96 - 12
