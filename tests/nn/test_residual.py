"""Blocks with the normalisation first, and branches that are left out at random."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn.nn import GraphAttention, GraphMLP, PreNormResidual, SemGConv, StochasticDepth

PATH = nx.path_graph(5)


def test_a_block_is_its_definition() -> None:
    torch.manual_seed(0)
    layers = [GraphAttention(6, 6, PATH, heads=2), GraphMLP(6, PATH)]
    block = PreNormResidual(6, layers).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)

    def normalised(x: Tensor, norm: nn.LayerNorm) -> Tensor:
        mean = x.mean(2, keepdim=True)
        variance = ((x - mean) ** 2).mean(2, keepdim=True)
        return (x - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias

    expected = x
    for norm, layer in zip(block.norms, layers, strict=True):
        assert isinstance(norm, nn.LayerNorm)
        expected = expected + layer(normalised(expected, norm))
    found = block(x)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(found)
    leaves = [x, *block.parameters()]
    pairs = zip(
        torch.autograd.grad(found, leaves, upstream),
        torch.autograd.grad(expected, leaves, upstream),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other)
    assert torch.autograd.gradcheck(block, x)


def test_the_perceptron_is_its_definition() -> None:
    torch.manual_seed(0)
    layer = GraphMLP(4, PATH, hidden_channels=7, convolution=SemGConv).double()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    hidden = layer.convolution(x)
    assert hidden.shape == (3, 5, 7)
    gelu = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    torch.testing.assert_close(layer(x), gelu @ layer.output.weight.T + layer.output.bias)


def test_members_of_a_batch_are_kept_or_left_out_whole() -> None:
    torch.manual_seed(0)
    x = torch.randn(4000, 3, 2)
    result = StochasticDepth(0.25)(x)
    ratio = result / x
    kept = ratio[:, 0, 0] > 0
    torch.testing.assert_close(ratio[kept], torch.full_like(ratio[kept], 1 / 0.75))
    assert (result[~kept] == 0).all()
    assert 0.71 < kept.float().mean() < 0.79  # six standard deviations


def test_nothing_is_left_out_in_evaluation() -> None:
    x = torch.randn(9, 3, 2)
    assert StochasticDepth(0.9).eval()(x) is x
    assert StochasticDepth(0.0)(x) is x
    block = PreNormResidual(2, [nn.Linear(2, 2)], drop=0.5).eval()
    torch.testing.assert_close(block(x), x + block.layers[0](block.norms[0](x)))


def test_layers_that_change_the_shape_are_refused() -> None:
    block = PreNormResidual(2, [nn.Linear(2, 3)])
    with pytest.raises(ValueError, match=r"layers\[0\] made features of shape \[1, 5, 3\]"):
        block(torch.zeros(1, 5, 2))
    with pytest.raises(TypeError, match=r"layers\[1\] = 'x' is no Module"):
        PreNormResidual(2, [nn.Identity(), "x"])  # type: ignore[list-item]


@pytest.mark.filterwarnings("default")  # of the compiler itself
def test_a_block_is_one_graph_of_operations() -> None:
    block = PreNormResidual(6, [GraphAttention(6, 6, PATH, heads=2), GraphMLP(6, PATH)], drop=0.1)
    torch._dynamo.reset()
    compiled = torch.compile(block.eval(), fullgraph=True, backend="eager")
    x = torch.randn(3, 5, 6)
    torch.testing.assert_close(compiled(x), block(x))
