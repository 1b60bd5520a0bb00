"""Ways to share weight matrices: which pairs of joints have the same, and how many there are."""

from __future__ import annotations

from itertools import product
from typing import get_args

import networkx as nx
import pytest
import torch

from examples.hgn_pose.body.skeleton import EDGES, JOINTS, skeleton_graph
from examples.hgn_pose.network.architecture import Sharing
from examples.hgn_pose.network.architectures.weight_sharing import WeightSharing
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters

PAIRS = [(j, j) for j in range(17)] + [pair for i, j in EDGES for pair in ((i, j), (j, i))]
"""Of a joint and a neighbour of which it hears."""

DEPTH = nx.single_source_shortest_path_length(nx.Graph(EDGES), JOINTS.index("Pelvis"))

SHARED = {
    "full": lambda i, j: 0,
    "full_decoupled": lambda i, j: i == j,
    "pre": lambda i, j: j,
    "pre_decoupled": lambda i, j: (i == j, j),
    "post": lambda i, j: i,
    "post_decoupled": lambda i, j: (i == j, i),
    "none": lambda i, j: (i, j),
    "convolution": lambda i, j: DEPTH[j] - DEPTH[i],
}
"""What pairs with the same matrix have in common, in the words of the paper."""


@pytest.mark.parametrize("sharing", get_args(Sharing))
def test_pairs_share_a_matrix_as_the_paper_says(sharing):
    """The matrix of a pair is what a joint makes of its neighbour's features, less its share."""
    torch.manual_seed(0)
    layer = WeightSharing(skeleton_graph(), 4, sharing=sharing)[-1]
    degree = torch.ones(17)
    for i, j in EDGES:
        degree[[i, j]] += 1
    answers = layer(torch.eye(17 * 4).view(-1, 17, 4)) - layer.bias
    blocks = answers.view(17, 4, 17, 3)  # sender, its feature, receiver, its feature
    matrices = {(i, j): blocks[j, :, i] * (degree[i] * degree[j]).sqrt() for i, j in PAIRS}
    for i, j in product(range(17), repeat=2):
        assert (i, j) in matrices or not blocks[j, :, i].any()
    for first, second in product(PAIRS, repeat=2):
        same = SHARED[sharing](*first) == SHARED[sharing](*second)
        assert torch.allclose(matrices[first], matrices[second], atol=1e-6) == same


@pytest.mark.parametrize("sharing", get_args(Sharing))
def test_parameters_are_those_of_so_many_matrices(sharing):
    """Ten convolutions and nine normalisations; the paper prints 4.22 million of one of them."""
    matrices = len({SHARED[sharing](i, j) for i, j in PAIRS})
    numbers = matrices * (2 * 128 + 8 * 128 * 128 + 128 * 3) + 9 * 128 + 3 + 9 * 2 * 128
    options = NetworkOptions("weight_sharing", sharing=sharing)
    assert count_parameters(build_network(options, None, 0)) == numbers
    on_16 = {"pre": 16, "post": 16, "pre_decoupled": 32, "post_decoupled": 32, "none": 46}
    without_nose = on_16.get(sharing, matrices)
    assert matrices - without_nose == {16: 1, 32: 2, 46: 3}.get(without_nose, 0)


@pytest.mark.parametrize("sharing", get_args(Sharing))
def test_every_way_trains_every_parameter(sharing):
    torch.manual_seed(0)
    model = build_network(NetworkOptions("weight_sharing", channels=8, sharing=sharing), None, 0)
    (pose,) = model(torch.randn(8, 17, 2))
    (pose * torch.randn_like(pose)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("convolution.bias"):  # which a normalisation takes away
            assert parameter.grad.abs().max() > 0, name
