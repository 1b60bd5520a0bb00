"""Gradients of gradients, and the transforms of ``torch.func``, through the plain forms."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from layer_graphs import pattern_of, random_graph, ring
from torch import Tensor, nn

from multiscale_gcn import coarsen, ops
from multiscale_gcn.nn import GraphPool, GraphUnpool, MatrixPattern, MultiScaleGCN, NonLocal

ATTENTION = [ops.nonlocal_attention_dense, ops.nonlocal_attention_sorted]


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("form", [ops.propagate_dense, ops.propagate_sparse])
@pytest.mark.parametrize("square", [True, False])
def test_products_have_a_second_gradient(form, square):
    torch.manual_seed(0)
    graph = random_graph(5, 0.5, 3)
    pattern = pattern_of(graph) if square else MatrixPattern(graph.to_scipy()[:3]).entries
    inputs = leaf(2, 5, 3), leaf(len(pattern.rows))

    def run(x: Tensor, values: Tensor) -> Tensor:
        return form(x, values, pattern)

    assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("form", ATTENTION)
def test_attention_has_a_second_gradient(form):
    torch.manual_seed(0)
    assert torch.autograd.gradgradcheck(form, (leaf(2, 7), leaf(2, 7), leaf(2, 7, 3)))


def network(nodes: int) -> MultiScaleGCN:
    """With maps and mixing that a CPU takes sparse, and non-local blocks that do something."""
    net = MultiScaleGCN([ring(nodes)], [(0,)], in_channels=2, channels=4, out_channels=3).double()
    for module in net.modules():
        if isinstance(module, NonLocal):
            nn.init.normal_(module.norm.weight)
    return net.eval()


@pytest.mark.parametrize("nodes", [17, 300])
def test_networks_under_the_transforms_of_torch_func(nodes):
    """One gradient a sample, and an ensemble, against loops."""
    torch.manual_seed(0)
    net = network(nodes)
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    xs = torch.randn(3, 1, nodes, 2, dtype=torch.float64)

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        (y,) = torch.func.functional_call(net, parameters, (x,))
        return y.square().sum()

    by_sample = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, xs)
    for k, x in enumerate(xs):
        expected = torch.autograd.grad(
            loss(dict(net.named_parameters()), x), list(net.parameters())
        )
        for found, wanted in zip(by_sample.values(), expected, strict=True):
            torch.testing.assert_close(found[k], wanted)
    others = [network(nodes) for _ in range(2)]
    stacked, _ = torch.func.stack_module_state(others)
    ensemble = torch.vmap(loss, in_dims=(0, None))(stacked, xs[0])
    one_by_one = [loss(dict(other.named_parameters()), xs[0]) for other in others]
    torch.testing.assert_close(ensemble, torch.stack(one_by_one).detach())


@pytest.mark.parametrize("nodes", [17, 300])
def test_answers_are_the_same_bits_with_and_without_gradients(nodes):
    """Without, what is differentiable is called as a plain function."""
    torch.manual_seed(0)
    net, x = network(nodes), torch.randn(2, nodes, 2, dtype=torch.float64)
    (expected,) = net(x)
    with torch.no_grad():
        (found,) = net(x)
        (mapped,) = torch.vmap(net)(x.unsqueeze(1))
    assert torch.equal(found, expected)
    torch.testing.assert_close(mapped.squeeze(1), expected)
    with torch.inference_mode():
        assert torch.equal(net(x)[0], expected)


@pytest.mark.parametrize("kind", ["mean", "sum", "weighted_mean", "max", None])
def test_pooling_under_the_transforms_of_torch_func(kind):
    """Every member as alone, its gradient as well; None: unpooling."""
    torch.manual_seed(0)
    hierarchy = coarsen(nx.grid_2d_graph(4, 5), sizes=[7])
    layer = GraphUnpool(hierarchy, 1, 0) if kind is None else GraphPool(hierarchy, 0, 1, kind)
    nodes = hierarchy.sizes[1 if kind is None else 0]
    xs = torch.randn(3, 2, nodes, 4, dtype=torch.float64)
    for axis in (0, 1):
        found = torch.vmap(layer, in_dims=axis)(xs)
        assert torch.equal(found, torch.stack([layer(x) for x in xs.unbind(axis)]))

    def loss(x: Tensor) -> Tensor:
        return layer(x).square().sum()

    gradients = torch.vmap(torch.func.grad(loss))(xs)
    for x, found in zip(xs, gradients, strict=True):
        given = x.clone().requires_grad_()
        torch.testing.assert_close(found, torch.autograd.grad(loss(given), given)[0])
