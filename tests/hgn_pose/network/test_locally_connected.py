"""The locally connected network is a dense one with a mask."""

from __future__ import annotations

import networkx as nx
import torch

from examples.hgn_pose.body.skeleton import EDGES, skeleton_graph
from examples.hgn_pose.network.architectures.locally_connected import LCN, TRUNK_EDGES
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters

DISTANCES = dict(nx.all_pairs_shortest_path_length(nx.Graph([*EDGES, *TRUNK_EDGES])))
PAIRS = [(i, j) for i in range(17) for j in range(17) if DISTANCES[i][j] <= 3]


def test_a_layer_is_a_dense_one_of_which_near_joints_remain():
    torch.manual_seed(0)
    layer = LCN(skeleton_graph(), channels=4).eval().input
    x = torch.randn(3, 17, 2)
    matrix = torch.stack(
        [torch.cat([layer.map(one.view(1, 17, 2))[0].flatten()]) for one in torch.eye(34)]
    )
    for j in range(17):
        for i in range(17):
            block = matrix[2 * j : 2 * j + 2, 4 * i : 4 * i + 4]
            assert bool(block.abs().min() > 0) == ((i, j) in PAIRS)
            assert bool(block.abs().max() > 0) == ((i, j) in PAIRS)
    dense = x.flatten(1) @ matrix
    shown = torch.nn.functional.leaky_relu(dense / (1 + layer.norm.eps) ** 0.5, 0.2)
    torch.testing.assert_close(layer(x).flatten(1), shown)


def test_parameters_are_the_weights_that_the_mask_leaves():
    """The published matrices have 34 x 1088, 6 x 1088 x 1088 and 1088 x 51 numbers."""
    weights = len(PAIRS) * (2 * 64 + 6 * 64 * 64 + 64 * 3)
    count = count_parameters(build_network(NetworkOptions("locally_connected"), None, 0))
    assert count == weights + 7 * 2 * 17 * 64 + 17 * 3 == 4_372_083
