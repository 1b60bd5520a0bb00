"""MeshGraphNets' block, against its two equations edge by edge."""

from __future__ import annotations

import copy
import pickle

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from layer_graphs import random_graph, ring
from torch import Tensor, nn

from multiscale_gcn import Graph, as_graph, coarsen
from multiscale_gcn.nn import (
    GraphPool,
    GraphUnpool,
    MeshGraphBlock,
    relative_positions,
)
from multiscale_gcn.testing import graphs


def edges_of(graph: Graph) -> list[tuple[int, int]]:
    dense = graph.to_scipy().toarray()
    return [(i, j) for i, j in np.argwhere(dense != 0).tolist() if i != j]


def literal(block: MeshGraphBlock, x: Tensor, edges: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
    """One edge and one node after the other, with the perceptrons called whole."""
    ends = edges_of(graph)
    news = [
        edges[:, k] + block.edge_update(torch.cat([edges[:, k], x[:, i], x[:, j]], dim=-1))
        for k, (i, j) in enumerate(ends)
    ]
    nodes = []
    for node in range(graph.num_nodes):
        total = torch.zeros_like(x[:, node])
        for (i, _), e in zip(ends, news, strict=True):
            if i == node:
                total = total + e
        nodes.append(x[:, node] + block.node_update(torch.cat([x[:, node], total], dim=-1)))
    return torch.stack(nodes, 1), torch.stack(news, 1) if news else edges


def case(graph: Graph, batch: int = 2, channels: int = 3) -> tuple[MeshGraphBlock, Tensor, Tensor]:
    torch.manual_seed(0)
    block = MeshGraphBlock(channels, graph).double()
    shape = (batch, len(edges_of(graph)), channels)
    x = torch.randn(batch, graph.num_nodes, channels, dtype=torch.float64, requires_grad=True)
    return block, x, torch.randn(shape, dtype=torch.float64, requires_grad=True)


@settings(max_examples=25)
@given(graphs(min_nodes=1, max_nodes=9))
def test_it_is_its_equations_forward_and_backward(graph: Graph) -> None:
    block, x, edges = case(graph)
    found, expected = block(x, edges), literal(block, x, edges, graph)
    leaves = [x, edges, *block.parameters()]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    upstream = [torch.randn_like(y) for y in expected]
    grads = [
        torch.autograd.grad(y, leaves, upstream, materialize_grads=True, allow_unused=True)
        for y in (found, expected)
    ]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_gradcheck() -> None:
    block, x, edges = case(random_graph(5, 0.6, 3))
    assert torch.autograd.gradcheck(block, (x, edges))
    assert torch.autograd.gradgradcheck(block, (x, edges))


def test_the_numbering_of_the_nodes_does_not_matter() -> None:
    graph = random_graph(8, 0.4, 1)
    block, x, _ = case(graph)
    places = torch.randn(8, 3, dtype=torch.float64)
    order = torch.randperm(8)
    dense = graph.to_scipy().toarray()[order][:, order]
    other = as_graph(dense)
    twin = MeshGraphBlock(3, other).double()
    twin.load_state_dict(block.state_dict())
    widen = torch.randn(4, 3, dtype=torch.float64)
    edges = (relative_positions(graph, places) @ widen).expand(2, -1, -1)
    renumbered = (relative_positions(other, places[order]) @ widen).expand(2, -1, -1)
    torch.testing.assert_close(twin(x[:, order], renumbered)[0], block(x, edges)[0][:, order])


def test_relative_positions_are_differences_and_lengths() -> None:
    graph = random_graph(9, 0.5, 4)
    places = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    found = relative_positions(graph, places)
    for k, (i, j) in enumerate(edges_of(graph)):
        step = places[:, i] - places[:, j]
        torch.testing.assert_close(found[:, k, :3], step)
        torch.testing.assert_close(found[:, k, 3], step.square().sum(-1).sqrt())
    same = relative_positions(graph, torch.zeros(9, 3, requires_grad=True))
    (gradient,) = torch.autograd.grad(found.sum(), places)
    assert gradient.isfinite().all()
    assert not same.any()


def test_no_gradient_of_a_length_of_zero_is_infinite() -> None:
    places = torch.zeros(5, 2, requires_grad=True)
    relative_positions(ring(5), places).sum().backward()
    assert places.grad is not None
    assert places.grad.isfinite().all()


@pytest.mark.filterwarnings("default")  # of the compiler itself
def test_state_copies_types_and_compilation() -> None:
    graph = random_graph(7, 0.5, 2)
    block, x, edges = case(graph)
    assert set(block.state_dict()) == {name for name, _ in block.named_parameters()}
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        for one, other in zip(twin(x, edges), block(x, edges), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
    for one, other in zip(compiled(x, edges), block(x, edges), strict=True):
        torch.testing.assert_close(one, other)
    half = block.to(torch.bfloat16)(x.to(torch.bfloat16), edges.to(torch.bfloat16))
    assert [y.dtype for y in half] == [torch.bfloat16] * 2


def test_two_scales_by_pooling_between_blocks() -> None:
    torch.manual_seed(0)
    hierarchy = coarsen(nx.grid_2d_graph(6, 6), sizes=[9])
    fine, coarse = hierarchy[0].graph, hierarchy[-1].graph
    places = np.random.default_rng(0).random((36, 2))
    pool, unpool = GraphPool(hierarchy, 0, -1), GraphUnpool(hierarchy, -1, 0)
    encode = nn.ModuleList(nn.Linear(3, 8) for _ in range(2))
    blocks = nn.ModuleList(MeshGraphBlock(8, graph) for graph in (fine, coarse, fine))
    x = torch.randn(2, 36, 8)
    e = encode[0](relative_positions(fine, places)).expand(2, -1, -1)
    below = hierarchy.coarse_positions(places, -1)
    f = encode[1](relative_positions(coarse, below)).expand(2, -1, -1)
    x, e = blocks[0](x, e)
    y, f = blocks[1](pool(x), f)
    x, e = blocks[2](x + unpool(y), e)
    x.square().sum().backward()
    missing = [
        name
        for name, p in [*encode.named_parameters(), *blocks.named_parameters()]
        if p.grad is None
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: MeshGraphBlock(0, ring(5)), "channels = 0 must be at least 1"),
        (
            lambda: MeshGraphBlock(3, ring(5), hidden_layers=0),
            "hidden_layers = 0 must be at least 1",
        ),
        (lambda: MeshGraphBlock(3, Graph([0], [])), "graph has no nodes"),
        (
            lambda: MeshGraphBlock(3, ring(5))(torch.zeros(2, 5, 3), torch.zeros(2, 9, 3)),
            r"edges has shape \[2, 9, 3\], expected \[2, 10, 3\]: one row for each entry",
        ),
        (
            lambda: MeshGraphBlock(3, ring(5))(torch.zeros(2, 5, 3), torch.zeros(1, 10, 3)),
            r"edges has shape \[1, 10, 3\], expected \[2, 10, 3\]",
        ),
        (
            lambda: MeshGraphBlock(3, ring(5))(torch.zeros(2, 6, 3), torch.zeros(2, 10, 3)),
            "x has 6 nodes on axis 1, the graph has 5",
        ),
        (
            lambda: MeshGraphBlock(3, ring(5))(
                torch.zeros(2, 5, 3).double(), torch.zeros(2, 10, 3)
            ),
            "edges is torch.float32 and x torch.float64",
        ),
        (lambda: relative_positions(ring(5), np.zeros((6, 2))), r"expected \[..., 5, d\]"),
        (lambda: relative_positions(ring(5), torch.zeros(5, 2).int()), "positions is torch.int32"),
    ],
)
def test_bad_arguments_are_named(run, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run()
