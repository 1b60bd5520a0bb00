"""Graph U-Net: pooling and convolution, pose by pose."""

from __future__ import annotations

import networkx as nx
import torch

from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architectures.graph_u_net import GCN, GraphUNet, TopPool, unpool
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters

ADJACENCY = torch.from_numpy(skeleton_graph().to_scipy().toarray() != 0).float()


def test_a_pose_keeps_the_joints_that_reach_farthest():
    torch.manual_seed(0)
    pool = TopPool(6, 5)
    x = torch.randn(3, 17, 5)
    features, graph, kept = pool(x, ADJACENCY.expand(3, -1, -1))
    unit = (pool.direction / pool.direction.norm()).detach()
    near = nx.power(nx.from_numpy_array(ADJACENCY.numpy()), 2)
    for pose in range(3):
        scores = [float(row @ unit) for row in x[pose]]
        ranked = sorted(range(17), key=lambda joint: -scores[joint])[:6]
        assert kept[pose].tolist() == ranked
        for place, joint in enumerate(ranked):
            weight = torch.sigmoid(x[pose, joint] @ unit)
            torch.testing.assert_close(features[pose, place], weight * x[pose, joint])
            for other, neighbour in enumerate(ranked):
                assert bool(graph[pose, place, other]) == near.has_edge(joint, neighbour)
        returned = unpool(features, kept, 17)[pose]
        assert torch.equal(returned[ranked], features[pose])
        assert not returned[[j for j in range(17) if j not in ranked]].any()
    assert len({tuple(sorted(row)) for row in kept.tolist()}) > 1


def test_a_convolution_is_its_formula():
    torch.manual_seed(0)
    layer = GCN(3, 4)
    x = torch.randn(2, 17, 3)
    matrix = ADJACENCY + 2 * torch.eye(17)
    root = torch.diag(matrix.sum(1) ** -0.5)
    expected = root @ matrix @ root @ x @ layer.map.weight.t() + layer.map.bias
    torch.testing.assert_close(layer(x, ADJACENCY.expand(2, -1, -1)), expected)


def test_the_numbering_of_the_joints_does_not_matter():
    torch.manual_seed(0)
    model = GraphUNet(skeleton_graph(), 8)
    x, order = torch.randn(4, 17, 2), torch.randperm(17)
    (pose,) = model(x)
    model.adjacency.copy_(ADJACENCY[order][:, order])
    torch.testing.assert_close(model(x[:, order])[0], pose[:, order])


def test_parameters_are_counted():
    expected = (2 + 1) * 128 + 7 * (128 + 1) * 128 + 3 * 128 + (128 + 1) * 3
    assert count_parameters(build_network(NetworkOptions("graph_u_net"), None, 0)) == expected
