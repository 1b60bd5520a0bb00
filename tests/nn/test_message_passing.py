"""Layers of PyTorch Geometric as convolutions: what they give alone, member by member."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any, ClassVar

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="optional: PyTorch Geometric")

import torch_geometric.nn as pyg

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.nn import GraphConvBlock, MultiScaleGCN, SemGConv
from multiscale_gcn.nn.layer_checks import made_by
from multiscale_gcn.nn.pattern_buffers import EdgeList
from multiscale_gcn.testing import ConvolutionTests

GRID = as_graph(nx.grid_2d_graph(3, 4))


def edges_of(graph: Graph) -> tuple[Tensor, Tensor]:
    matrix = torch.from_numpy(graph.to_scipy().toarray())
    index = matrix.nonzero().t()
    return index, matrix[index[0], index[1]]


class MessagePassingTests(ConvolutionTests):
    """The layer itself, called for one member after the other."""

    convolution: ClassVar[Any]
    weighted: ClassVar[bool] = False

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return made_by(self.convolution, in_channels, out_channels, graph)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        index, weights = edges_of(graph)
        options = {"edge_weight": weights} if self.weighted else {}
        return torch.stack([layer.gain * layer.layer(member, index, **options) for member in x])


class TestGATv2Conv(MessagePassingTests):
    convolution = partial(pyg.GATv2Conv, heads=4, concat=False)

    @pytest.mark.skipif(
        not torch.cuda.is_available(), reason="how many loops there are is unknown on meta tensors"
    )
    def test_all_its_tensors_move_to_a_device(self) -> None:
        super().test_all_its_tensors_move_to_a_device()


class TestTransformerConv(MessagePassingTests):
    convolution = pyg.TransformerConv


class TestSAGEConv(MessagePassingTests):
    convolution = pyg.SAGEConv


class TestGraphConv(MessagePassingTests):
    convolution = pyg.GraphConv
    weighted = True


@pytest.mark.parametrize(
    ("convolution", "given"),
    [
        (partial(pyg.GATv2Conv, edge_dim=1), "edge_attr"),
        (partial(pyg.TransformerConv, heads=2, concat=False, edge_dim=1), "edge_attr"),
        (lambda i, o, graph: pyg.GINEConv(nn.Linear(i, o), edge_dim=1), "edge_attr"),
        (lambda i, o, graph: pyg.NNConv(i, o, nn.Linear(1, i * o)), "edge_attr"),
        (partial(pyg.GMMConv, dim=1, kernel_size=3), "edge_attr"),
        (partial(pyg.GeneralConv, in_edge_channels=1), "edge_attr"),
        (partial(pyg.GENConv, norm="layer", edge_dim=1), "edge_attr"),
        (partial(pyg.PDNConv, edge_dim=1, hidden_channels=3), "edge_attr"),
        (partial(pyg.ResGatedGraphConv, edge_dim=1), "edge_attr"),
        (pyg.GeneralConv, None),
        (pyg.TransformerConv, None),
        (pyg.GCNConv, "edge_weight"),
        (partial(pyg.ChebConv, K=3), "edge_weight"),
        (pyg.GATConv, None),
        (pyg.ResGatedGraphConv, None),
        (partial(pyg.TAGConv, K=2), "edge_weight"),
        (pyg.ARMAConv, "edge_weight"),
        (partial(pyg.SGConv, K=2), "edge_weight"),
        (partial(pyg.SSGConv, alpha=0.2), "edge_weight"),
        (pyg.MFConv, None),
        (pyg.FeaStConv, None),
        (pyg.LEConv, "edge_weight"),
        (pyg.ClusterGCNConv, None),
        (partial(pyg.GENConv, norm="layer"), None),
        (pyg.FiLMConv, None),
        (partial(pyg.EGConv, num_heads=2), None),
        (lambda i, o, graph: pyg.GINConv(nn.Linear(i, o)), None),
        (lambda i, o, graph: pyg.EdgeConv(nn.Linear(2 * i, o)), None),
        (lambda i, o, graph: pyg.GCN(i, 8, num_layers=2, out_channels=o), "edge_weight"),
    ],
)
def test_a_batch_is_one_call_for_each_member(convolution: Any, given: str | None) -> None:
    torch.manual_seed(0)
    graph = as_graph(nx.random_geometric_graph(9, 0.6, seed=2))
    layer: Any = made_by(convolution, 4, 6, graph).double()
    index, weights = edges_of(graph)
    x = torch.randn(3, 9, 4, dtype=torch.float64, requires_grad=True)
    options = {"edge_weight": weights, "edge_attr": weights[:, None]}
    options = {name: value for name, value in options.items() if name == given}
    expected = torch.stack([layer.layer(member, index, **options) for member in x])
    found = layer(x)
    torch.testing.assert_close(found, expected)
    leaves = [x, *layer.layer.parameters()]
    upstream = torch.randn_like(expected)
    grads = [
        torch.autograd.grad(y, leaves, upstream, materialize_grads=True) for y in (found, expected)
    ]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_batches_of_every_size_in_turn() -> None:
    """The edges that are kept are those of the last size."""
    layer = made_by(pyg.SAGEConv, 4, 6, GRID)
    x = torch.randn(5, 12, 4)
    whole = layer(x)
    for members in (2, 5, 1, 0, 5):
        torch.testing.assert_close(layer(x[:members]), whole[:members])


def test_a_network_of_several_scales() -> None:
    torch.manual_seed(0)
    coarse = as_graph(nx.path_graph(5))
    network = MultiScaleGCN(
        [GRID, coarse],
        [(0,), (0, 1)],
        in_channels=2,
        channels=8,
        out_channels=3,
        convolution=partial(pyg.GATv2Conv, heads=4, concat=False),
    )
    results = network(torch.randn(6, 12, 2))
    assert [list(y.shape) for y in results] == [[6, 12, 3], [6, 5, 3]]
    sum(y.square().sum() for y in results).backward()
    assert all(p.grad is not None for p in network.parameters())
    edges = [module for module in network.modules() if isinstance(module, EdgeList)]
    assert len(edges) == 2, "the layers of one graph share its edges"
    twin = MultiScaleGCN(
        [GRID, coarse],
        [(0,), (0, 1)],
        in_channels=2,
        channels=8,
        out_channels=3,
        convolution=lambda i, o, graph: pyg.GATv2Conv(i, o, heads=4, concat=False),
    )
    twin.load_state_dict(network.state_dict())
    x = torch.randn(6, 12, 2)
    for one, other in zip(network.eval()(x), twin.eval()(x), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_other_convolutions_are_made_as_before() -> None:
    assert type(made_by(SemGConv, 4, 6, GRID)) is SemGConv


class _NeedsPositions(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, edge_index: Tensor, pos: Tensor) -> Tensor:
        return x


class _TooNarrow(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return x[:, :1]


@pytest.mark.parametrize(
    ("convolution", "error", "message"),
    [
        (
            partial(pyg.GATv2Conv, heads=4),
            ValueError,
            r"heads = 4 side by side, 4 x out_channels wide; give .*heads=4, concat=False",
        ),
        (pyg.ChebConv, TypeError, r"ChebConv needs K; give .*partial\(ChebConv, K="),
        (pyg.GINConv, TypeError, r"GINConv is not made of \(in_channels, out_channels\)"),
        (partial(pyg.GCNConv, cached=True), ValueError, "keeps the edges of the first batch"),
        (partial(pyg.GATv2Conv, edge_dim=3), ValueError, "edge_dim = 3, and an edge .* one weight"),
        (
            partial(pyg.GMMConv, dim=2, kernel_size=3),
            ValueError,
            "GMMConv has dim = 2, and",
        ),
        (_NeedsPositions, TypeError, "_NeedsPositions.forward needs pos"),
        (pyg.HypergraphConv, TypeError, "HypergraphConv.forward takes no edge_index"),
    ],
)
def test_layers_that_do_not_fit_are_refused_when_made(
    convolution: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GraphConvBlock(4, 8, GRID, convolution=convolution)


@pytest.mark.parametrize(
    ("convolution", "message"),
    [
        (pyg.MixHopConv, r"MixHopConv gave features of shape \[24, 24\], expected \[24, 8\]"),
        (_TooNarrow, r"_TooNarrow gave features of shape \[24, 1\], expected \[24, 8\]"),
        (lambda i, o, g: pyg.GCNConv(i, 2 * o), r"shape \[24, 16\], expected \[24, 8\]"),
    ],
)
def test_a_result_of_another_width_is_refused(convolution: Any, message: str) -> None:
    block = GraphConvBlock(4, 8, GRID, convolution=convolution)
    with pytest.raises(ValueError, match=message):
        block(torch.randn(2, 12, 4))


def test_a_layer_that_needs_more_than_its_signature_says_is_named() -> None:
    """RGCNConv may be called without types of edges, by its signature alone."""
    block = GraphConvBlock(4, 8, GRID, convolution=partial(pyg.RGCNConv, num_relations=2))
    with pytest.raises(TypeError, match=r"RGCNConv\.forward wants more than .* ConvolutionLayer"):
        block(torch.randn(2, 12, 4))


def test_layers_do_not_need_pytorch_geometric() -> None:
    code = "import sys, multiscale_gcn.nn; print('torch_geometric' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
