"""Attention on graphs, pair by pair, with distances of another library."""

from __future__ import annotations

from typing import Any, ClassVar

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import GraphAttention
from multiscale_gcn.nn.hops import hop_distances
from multiscale_gcn.testing import ConvolutionTests


def hops_of(graph: Graph) -> np.ndarray:
    """By breadth first search, without self loops."""
    pattern = nx.Graph(list(zip(graph.rows().tolist(), graph.indices.tolist(), strict=True)))
    pattern.add_nodes_from(range(graph.num_nodes))
    found = dict(nx.all_pairs_shortest_path_length(pattern))
    most = max(max(of.values()) for of in found.values())
    nodes = range(graph.num_nodes)
    return np.array([[found[i].get(j, most + 1) for j in nodes] for i in nodes])


def entries_of(graph: Graph) -> list[tuple[int, int]]:
    """Of A + I, row by row."""
    hops = hops_of(graph)
    adjacent = graph.to_scipy().toarray() != 0
    np.fill_diagonal(adjacent, True)
    return [(i, j) for i in range(len(hops)) for j in range(len(hops)) if adjacent[i, j]]


def bias_of(layer: Any, graph: Graph) -> Tensor:  # [H, N, N]
    hops, entries = hops_of(graph), entries_of(graph)
    rows = []
    for i in range(graph.num_nodes):
        for j in range(graph.num_nodes):
            if layer.bias == "pairs":
                rows.append(layer.table[:, i, j])
            elif layer.bias == "hops":
                rows.append(layer.table[:, hops[i, j]])
            elif (i, j) in entries:
                rows.append(layer.table[:, entries.index((i, j))])
            else:
                rows.append(layer.table[:, len(entries) + hops[i, j] - 2])
    return torch.stack(rows, 1).unflatten(1, (graph.num_nodes, graph.num_nodes))


class TestGraphAttention(ConvolutionTests):
    options: ClassVar[dict[str, Any]] = {}

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return GraphAttention(in_channels, out_channels, graph, heads=2, **self.options)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        queries, keys, values = layer.query_key_value(x).chunk(3, dim=2)
        bias = bias_of(layer, graph)
        width = queries.shape[2] // 2
        read = []
        for head in range(2):
            own = slice(head * width, (head + 1) * width)
            for i in range(graph.num_nodes):
                scores = [
                    (queries[:, i, own] * keys[:, j, own]).sum(1) / width**0.5 + bias[head, i, j]
                    for j in range(graph.num_nodes)
                ]
                weights = torch.stack(scores, 1).exp()
                shares = weights / weights.sum(1, keepdim=True)
                read.append((shares[:, :, None] * values[:, :, own]).sum(1))
        nodes = graph.num_nodes
        heads = [torch.stack(read[h * nodes : (h + 1) * nodes], 1) for h in range(2)]
        return torch.cat(heads, 2) @ layer.output.weight.T + layer.output.bias


class TestBiasOfEdges(TestGraphAttention):
    options: ClassVar[dict[str, Any]] = {"bias": "edges"}

    def renumbered_state(self, layer: Any, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        places = [order.tolist().index(i) for i in range(graph.num_nodes)]
        entries = entries_of(graph)
        moved = sorted((places[i], places[j], k) for k, (i, j) in enumerate(entries))
        state = layer.state_dict()
        kept = range(len(entries), layer.table.shape[1])
        state["table"] = state["table"][:, [*(k for _, _, k in moved), *kept]]
        return state


class TestBiasOfPairs(TestGraphAttention):
    options: ClassVar[dict[str, Any]] = {"bias": "pairs"}

    def renumbered_state(self, layer: Any, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        state = layer.state_dict()
        state["table"] = state["table"][:, order][:, :, order]
        return state


@pytest.mark.parametrize("bias", ["hops", "edges", "pairs"])
def test_it_begins_by_the_hops(bias: Any) -> None:
    graph = nx.disjoint_union(nx.path_graph(4), nx.cycle_graph(5))
    layer = GraphAttention(3, 8, graph, heads=4, bias=bias)
    hops = torch.from_numpy(hops_of(layer.pattern.graph))
    slopes = torch.tensor([2.0 ** (-8 * h / 4) for h in range(1, 5)])
    torch.testing.assert_close(layer.pair_bias(), -slopes[:, None, None] * hops)


def test_distances_are_those_of_networkx() -> None:
    for seed in range(20):
        random = nx.gnp_random_graph(9, 0.2, seed=seed)
        graph = GraphAttention(1, 1, random, heads=1).pattern.graph
        np.testing.assert_array_equal(hop_distances(graph), hops_of(graph))


def test_what_is_no_number_of_heads_or_bias_is_refused() -> None:
    with pytest.raises(ValueError, match="heads = 0"):
        GraphAttention(2, 2, nx.path_graph(3), heads=0)
    with pytest.raises(ValueError, match="bias = 'nodes'"):
        GraphAttention(2, 2, nx.path_graph(3), bias="nodes")  # type: ignore[arg-type]
