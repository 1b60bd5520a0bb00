"""The modulated convolution, pair by pair."""

from __future__ import annotations

from typing import Any

import torch
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv, ModulatedGConv
from multiscale_gcn.testing import ConvolutionTests


class TestModulatedGConv(ConvolutionTests):
    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return ModulatedGConv(in_channels, out_channels, graph)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        present = torch.from_numpy(graph.to_scipy().toarray() > 0).double().fill_diagonal_(1.0)
        degrees = present.sum(1)
        nodes = []
        for i in range(graph.num_nodes):
            heard = []
            for j in range(graph.num_nodes):
                share = present[i, j] / (degrees[i] * degrees[j]).sqrt()
                share = share + (layer.offset[i, j] + layer.offset[j, i]) / 2
                heard.append(share * layer.modulation[j] * (x[:, j] @ layer.weight[int(i != j)]))
            nodes.append(torch.stack(heard).sum(0))
        return torch.stack(nodes, 1) + layer.bias

    def renumbered_state(self, layer: Any, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        state = layer.state_dict()
        state["modulation"] = state["modulation"][order]
        state["offset"] = state["offset"][order][:, order]
        return state


def test_it_starts_as_a_convolution_with_a_matrix_for_itself() -> None:
    torch.manual_seed(0)
    layer, twin = ModulatedGConv(3, 4, ring(9)), GConv(3, 4, ring(9), separate_self=True)
    state = layer.state_dict()
    twin.load_state_dict({name: state[name] for name in ("weight", "bias")})
    x = torch.randn(2, 9, 3)
    torch.testing.assert_close(layer(x), twin(x), rtol=1e-3, atol=1e-4)
    assert not torch.equal(layer(x), twin(x))
