"""GraFormer: its parts written out again."""

from __future__ import annotations

import torch

from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architectures.graformer import GraAttention, GraFormer
from examples.hgn_pose.network.architectures.graformer import LearnedGraphNet as GraphNet


def test_a_learned_graph_is_its_formula():
    torch.manual_seed(0)
    net = GraphNet(5, 4).double()
    with torch.no_grad():
        net.adjacency.copy_(torch.rand(5, 5))
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    root = torch.diag((net.adjacency.sum(1) + 1e-5) ** -0.5)
    matrix = root @ net.adjacency @ root
    hidden = torch.relu(matrix @ x @ net.first.weight.t() + net.first.bias)
    expected = matrix @ hidden @ net.second.weight.t() + net.second.bias
    torch.testing.assert_close(net(x), expected)


def test_a_learned_graph_begins_without_edges_and_stays_finite():
    net = GraphNet(5, 4)
    x = torch.randn(2, 5, 4)
    moved = x.clone()
    moved[:, 0] += 1.0
    assert torch.equal(net(x)[:, 1:], net(moved)[:, 1:])
    with torch.no_grad():
        net.adjacency[0] = -1.0
    assert net(x).isfinite().all()


def test_attention_is_its_formula():
    """Four heads, each with the softmax of its scores; normalisation first."""
    torch.manual_seed(0)
    block = GraAttention(5, 8, dropout=0.0, inner_dropout=0.0).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    h = torch.nn.functional.layer_norm(x, (8,))
    maps = h @ block.attention.in_proj_weight.t() + block.attention.in_proj_bias
    heads = []
    for k in range(4):
        query, key, value = (maps[..., 8 * i + 2 * k : 8 * i + 2 * k + 2] for i in range(3))
        heads.append((query @ key.transpose(1, 2) / 2**0.5).softmax(-1) @ value)
    attended = x + block.attention.out_proj(torch.cat(heads, -1))
    expected = attended + block.graph_net(torch.nn.functional.layer_norm(attended, (8,)))
    torch.testing.assert_close(block(x), expected)


def test_dropout_is_the_published_ones():
    model = GraFormer(skeleton_graph(), 8)
    rates = [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert sorted(rates) == [0.1] * 5 + [0.25] * 5
    inside = [m.dropout for m in model.modules() if isinstance(m, torch.nn.MultiheadAttention)]
    assert inside == [0.1] * 5
