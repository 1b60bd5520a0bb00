"""The Chebyshev convolution against the cosines of its eigenvalues' angles."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import ChebConv
from multiscale_gcn.testing import ConvolutionTests


class TestChebConv(ConvolutionTests):
    options: ClassVar[dict[str, Any]] = {"hops": 4}

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return ChebConv(in_channels, out_channels, graph, **self.options)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        """T_k(cos a) = cos(k a), for every eigenvalue of the rescaled Laplacian."""
        adjacency = torch.from_numpy(graph.to_scipy().toarray() > 0).double()
        adjacency.fill_diagonal_(0.0)
        scale = torch.diag(adjacency.sum(1).clamp(min=1.0) ** -0.5)
        values, vectors = torch.linalg.eigh(-scale @ adjacency @ scale)
        angles = torch.arccos(values.clamp(-1.0, 1.0))
        result = sum(
            vectors @ torch.diag(torch.cos(k * angles)) @ vectors.t() @ x @ matrix
            for k, matrix in enumerate(layer.weight)
        )
        return result if layer.bias is None else result + layer.bias


class TestChebConvOfNodesAlone(TestChebConv):
    options: ClassVar[dict[str, Any]] = {"hops": 0, "bias": False}


def test_it_reaches_so_many_edges_and_no_more() -> None:
    layer = ChebConv(1, 1, ring(12), hops=3)
    x = torch.zeros(1, 12, 1)
    x[0, 0] = 1.0
    reached = (layer(x) - layer(torch.zeros_like(x))).flatten().abs() > 1e-7
    assert reached.nonzero().flatten().tolist() == [0, 1, 2, 3, 9, 10, 11]


def test_hops_are_checked_and_printed() -> None:
    with pytest.raises(ValueError, match="hops = -1 must be at least 0"):
        ChebConv(2, 3, ring(5), hops=-1)
    assert ChebConv(2, 3, ring(5), hops=1).extra_repr() == "2, 3, hops=1"
