"""Convolutions with matrices of nodes or pairs, entry by entry."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv, GraphPattern, UnsharedGConv
from multiscale_gcn.testing import ConvolutionTests


def entries(graph: Graph) -> list[tuple[int, int]]:
    """Of A + I, row by row."""
    present = graph.to_scipy().toarray() > 0
    np.fill_diagonal(present, True)
    return [(int(i), int(j)) for i, j in np.argwhere(present)]


class TestUnsharedGConv(ConvolutionTests):
    options: ClassVar[dict[str, Any]] = {}

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return UnsharedGConv(in_channels, out_channels, graph, **self.options)

    def matrix(self, layer: Any, graph: Graph, i: int, j: int) -> Tensor:
        """The matrix that node i's features of node j are multiplied with."""
        return layer.weight[j]

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        degrees = np.bincount([i for i, _ in entries(graph)])
        nodes: list[Any] = [0.0] * graph.num_nodes
        for i, j in entries(graph):
            share = (degrees[i] * degrees[j]) ** -0.5
            nodes[i] = nodes[i] + share * (x[:, j] @ self.matrix(layer, graph, i, j))
        result = torch.stack(nodes, 1)
        return result if layer.bias is None else result + layer.bias

    def renumbered_state(self, layer: Any, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        state = layer.state_dict()
        by_node = state["weight"].unflatten(0, (-1, graph.num_nodes))
        state["weight"] = by_node[:, order].flatten(0, 1)
        return state


class TestUnsharedGConvSeparateSelf(TestUnsharedGConv):
    options: ClassVar[dict[str, Any]] = {"separate_self": True, "bias": False}

    def matrix(self, layer: Any, graph: Graph, i: int, j: int) -> Tensor:
        return layer.weight[j if i == j else graph.num_nodes + j]


class TestUnsharedGConvOfReceivers(TestUnsharedGConv):
    options: ClassVar[dict[str, Any]] = {"owner": "receiver", "separate_self": True}

    def matrix(self, layer: Any, graph: Graph, i: int, j: int) -> Tensor:
        return layer.weight[i if i == j else graph.num_nodes + i]


class TestUnsharedGConvOfPairs(TestUnsharedGConv):
    options: ClassVar[dict[str, Any]] = {"owner": "pair"}

    def matrix(self, layer: Any, graph: Graph, i: int, j: int) -> Tensor:
        return layer.weight[entries(graph).index((i, j))]

    def renumbered_state(self, layer: Any, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        state = layer.state_dict()
        there = torch.argsort(order)
        places = {
            (int(there[i]), int(there[j])): place for place, (i, j) in enumerate(entries(graph))
        }
        state["weight"] = state["weight"][[places[pair] for pair in sorted(places)]]
        return state


@pytest.mark.parametrize("owner", ["sender", "receiver", "pair"])
def test_equal_matrices_are_gconv(owner: Any) -> None:
    torch.manual_seed(0)
    layer, twin = UnsharedGConv(3, 4, ring(9), owner=owner), GConv(3, 4, ring(9))
    with torch.no_grad():
        layer.weight.copy_(twin.weight.expand_as(layer.weight))
        layer.bias.copy_(twin.bias)  # type: ignore[union-attr, arg-type]
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(layer(x), twin(x))


def test_pairs_have_a_matrix_for_every_entry() -> None:
    graph = ring(9, 2)
    layer = UnsharedGConv(3, 4, graph, owner="pair", separate_self=True)
    assert len(layer.weight) == GraphPattern(graph).num_entries == 45
    assert layer.extra_repr() == "3, 4, owner='pair', separate_self=True"


def test_owners_are_named() -> None:
    with pytest.raises(ValueError, match="owner = 'edge'"):
        UnsharedGConv(2, 3, ring(5), owner="edge")  # type: ignore[arg-type]
