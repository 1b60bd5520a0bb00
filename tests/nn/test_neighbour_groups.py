"""Convolutions of hops and of groups of neighbours, against shortest paths and masks."""

from __future__ import annotations

from typing import Any, ClassVar

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import Graph, as_graph, to_networkx
from multiscale_gcn.nn import GConv, KHopConv, MultiScaleGCN, NeighbourGroupConv
from multiscale_gcn.testing import ConvolutionTests, graphs


def distances(graph: Graph) -> np.ndarray:
    """Edges of the shortest path, by breadth-first search; infinity between components."""
    result = np.full((graph.num_nodes, graph.num_nodes), np.inf)
    for u, found in nx.all_pairs_shortest_path_length(to_networkx(graph)):
        for v, length in found.items():
            result[u, v] = length
    return result


def spread_of(present: np.ndarray) -> Tensor:
    """D^-1/2 A D^-1/2 of a matrix of zeros and ones, rows without ones left at zero."""
    sums = present.sum(1)
    scale = np.diag(np.divide(1.0, np.sqrt(sums), where=sums > 0, out=np.zeros_like(sums)))
    return torch.from_numpy(scale @ present @ scale)


class TestKHopConv(ConvolutionTests):
    options: ClassVar[dict[str, Any]] = {"hops": 3}

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return KHopConv(in_channels, out_channels, graph, **self.options)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        apart = distances(graph)
        assert layer.groups == tuple(k for k in range(self.options["hops"] + 1) if k in apart)
        result = sum(
            spread_of((apart == k).astype(float)) @ x @ matrix
            for k, matrix in zip(layer.groups, layer.weight, strict=True)
        )
        return result if layer.bias is None else result + layer.bias


class TestKHopConvOfNeighbours(TestKHopConv):
    options: ClassVar[dict[str, Any]] = {"hops": 1, "bias": False}


class TestNeighbourGroupConv(ConvolutionTests):
    """Groups by the number of neighbours: a node itself, fewer than it has, as many, more."""

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        degrees = (graph.to_scipy().toarray() > 0).sum(1)

        def by_degree(nodes: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
            kind = np.sign(degrees[neighbours] - degrees[nodes]) + 2
            return np.where(nodes == neighbours, 0, 3 * kind)

        return NeighbourGroupConv(in_channels, out_channels, graph, groups=by_degree)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        present = graph.to_scipy().toarray() > 0
        degrees = present.sum(1)
        np.fill_diagonal(present, True)
        matrix = spread_of(present.astype(float))
        result = torch.zeros(*x.shape[:2], layer.out_channels, dtype=x.dtype)
        for i, j in np.argwhere(present):
            group = 0 if i == j else 3 * (np.sign(degrees[j] - degrees[i]) + 2)
            weight = layer.weight[layer.groups.index(group)]
            result = result.index_add(
                1, torch.tensor([i]), (matrix[i, j] * x[:, j] @ weight)[:, None]
            )
        return result + layer.bias


@settings(max_examples=30)
@given(graphs(min_nodes=1, max_nodes=20), st.integers(1, 5))
def test_hops_of_any_graph_are_shortest_paths(graph: Graph, hops: int) -> None:
    layer = KHopConv(1, 1, graph, hops=hops)
    apart = distances(graph)
    assert layer.groups == tuple(k for k in range(hops + 1) if k in apart)
    for k, pattern in zip(layer.groups, layer.patterns, strict=True):
        rows, columns = np.nonzero(apart == k)
        assert pattern.rows.tolist() == rows.tolist()  # type: ignore[operator]
        assert pattern.columns.tolist() == columns.tolist()  # type: ignore[operator]


def test_two_groups_are_gconv_with_a_matrix_for_itself() -> None:
    graph = as_graph(nx.random_geometric_graph(30, 0.3, seed=1))
    layer = NeighbourGroupConv(3, 4, graph)
    twin = GConv(3, 4, graph, separate_self=True)
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(2, 30, 3)
    torch.testing.assert_close(layer(x), twin(x))


def test_groups_in_a_network_of_several_scales() -> None:
    torch.manual_seed(0)
    network = MultiScaleGCN(
        [ring(8), ring(4)],
        [(0,), (0, 1)],
        in_channels=2,
        channels=8,
        out_channels=3,
        convolution=NeighbourGroupConv,
    )
    training, evaluated = network(torch.randn(6, 8, 2)), network.eval()(torch.randn(6, 8, 2))
    assert [y.shape for y in training] == [y.shape for y in evaluated]
    sum(y.square().sum() for y in training).backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: KHopConv(2, 3, ring(5), hops=0), ValueError, "hops = 0 must be at least 1"),
        (
            lambda: NeighbourGroupConv(2, 3, ring(5), groups=lambda i, j: i[:2]),
            ValueError,
            r"shape \[2\], expected \[15\]: one group for each pair",
        ),
        (
            lambda: NeighbourGroupConv(2, 3, ring(5), groups=lambda i, j: j - i),
            ValueError,
            "groups returned -4 at place 12; groups count from 0",
        ),
        (
            lambda: NeighbourGroupConv(2, 3, ring(5), groups=lambda i, j: i / 2),
            ValueError,
            "what groups returns must hold integers",
        ),
        (
            lambda: NeighbourGroupConv(2, 3, ring(5), groups=[0, 1]),  # type: ignore[arg-type]
            TypeError,
            r"groups = \[0, 1\] is no function of \(nodes, neighbours\)",
        ),
    ],
)
def test_bad_arguments_are_named(run: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run()


@pytest.mark.parametrize("hops", [1, 2, 6])
def test_more_hops_do_not_make_features_larger_at_the_start(hops: int) -> None:
    torch.manual_seed(0)
    layer = KHopConv(64, 64, ring(40), hops=hops, bias=False)
    x = torch.randn(8, 1, 64).expand(8, 40, 64)  # alike at all nodes, which every hop keeps
    assert 1.2 < layer(x).square().mean().sqrt() < 1.6  # the root of 2, which a ReLU takes back


def test_layers_print_their_groups() -> None:
    assert KHopConv(2, 3, ring(5), hops=9).extra_repr() == "2, 3, groups=[0, 1, 2]"
