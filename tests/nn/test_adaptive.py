"""The convolution on a learned graph, pair by pair."""

from __future__ import annotations

from typing import Any

import torch
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import AdaptiveGConv, GConv
from multiscale_gcn.testing import ConvolutionTests


class TestAdaptiveGConv(ConvolutionTests):
    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return AdaptiveGConv(in_channels, out_channels, graph)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        nodes = []
        for i in range(graph.num_nodes):
            heard = x[:, i] @ layer.weight[0] + layer.bias
            for j in range(graph.num_nodes):
                heard = heard + layer.support[i, j] * (x[:, j] @ layer.weight[1])
            nodes.append(heard)
        return torch.stack(nodes, 1)

    def renumbered_state(self, layer: Any, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        state = layer.state_dict()
        state["support"] = state["support"][order][:, order]
        return state


def test_it_begins_as_the_convolution_with_a_matrix_for_itself() -> None:
    """But for the own share, 1 / 3 on a ring, which the first matrix takes in."""
    torch.manual_seed(0)
    layer, twin = AdaptiveGConv(3, 4, ring(9)), GConv(3, 4, ring(9), separate_self=True)
    state = {name: layer.state_dict()[name].clone() for name in ("weight", "bias")}
    state["weight"][0] *= 3
    twin.load_state_dict(state)
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(layer(x), twin(x))
