"""The convolutions: their definitions written out again, their start, what they refuse."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from layer_graphs import as_matrix, neighbourhoods, random_graph, ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv, SemGConv
from multiscale_gcn.testing import ConvolutionTests


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))


class TestGConv(ConvolutionTests):
    options: ClassVar[dict[str, Any]] = {}

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return GConv(in_channels, out_channels, graph, **self.options)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        """D^-1/2 (A + I) D^-1/2, with a node's own features times the first matrix."""
        adjacency = torch.from_numpy(graph.to_scipy().toarray())
        if not layer.weighted:
            adjacency = (adjacency > 0).double().fill_diagonal_(0.0)
        adjacency = adjacency + torch.eye(graph.num_nodes)
        scale = torch.diag(adjacency.sum(1) ** -0.5)
        matrix = scale @ adjacency @ scale
        own = matrix.diagonal()[:, None] * (x @ layer.weight[0])
        result = own + off_diagonal(matrix) @ (x @ layer.weight[-1])
        return result if layer.bias is None else result + layer.bias


class TestGConvSeparateSelf(TestGConv):
    options: ClassVar[dict[str, Any]] = {"separate_self": True, "bias": False}


class TestGConvWeighted(TestGConv):
    options: ClassVar[dict[str, Any]] = {"weighted": True, "separate_self": True}


class TestSemGConv(ConvolutionTests):
    options: ClassVar[dict[str, Any]] = {}

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return SemGConv(in_channels, out_channels, graph, **self.options)

    def specification(self, layer: Any, x: Tensor, graph: Graph) -> Tensor:
        """Softmax over the entries of every row, with a node's own features apart."""
        logits = as_matrix(layer.logits, graph)
        shares = logits.masked_fill(neighbourhoods(graph) == 0, -torch.inf).softmax(-1)
        shares = shares.expand(layer.out_channels, *shares.shape[-2:])
        result = torch.einsum("cii,bic->bic", shares, x @ layer.weight[0])
        result = result + torch.einsum("cij,bjc->bic", off_diagonal(shares), x @ layer.weight[1])
        return result if layer.bias is None else result + layer.bias

    def renumbered_state(self, layer: nn.Module, graph: Graph, order: Tensor) -> dict[str, Tensor]:
        state = layer.state_dict()
        present = neighbourhoods(graph)[order][:, order] > 0
        logits = as_matrix(state["logits"], graph)[..., order, :][..., order]
        return {**state, "logits": logits[..., present]}


class TestSemGConvPerChannel(TestSemGConv):
    options: ClassVar[dict[str, Any]] = {"per_channel": True, "bias": False}


@pytest.mark.parametrize(
    "convolution",
    [
        GConv,
        partial(GConv, separate_self=True),
        SemGConv,
        partial(SemGConv, per_channel=True),
    ],
)
@pytest.mark.parametrize(("in_channels", "out_channels"), [(2, 5), (5, 5), (5, 2)])
def test_small_and_large_graphs_give_the_same(convolution, in_channels, out_channels):
    """Many copies of one graph in one large graph, against the same copies as a batch."""
    copies, n = 80, 12
    graph = random_graph(n, 0.5, 1)
    starts = np.arange(copies)[:, None]
    indptr = np.append(graph.indptr[:-1] + starts * graph.num_entries, copies * graph.num_entries)
    large = Graph(indptr.astype(np.int64), (graph.indices + starts * n).ravel())
    torch.manual_seed(0)
    one = convolution(in_channels, out_channels, graph)
    if isinstance(one, SemGConv):
        nn.init.normal_(one.logits)
    many = convolution(in_channels, out_channels, large)
    state = one.state_dict()
    if "logits" in state:
        state["logits"] = state["logits"].repeat(*[1] * (state["logits"].dim() - 1), copies)
    many.load_state_dict(state)
    x = torch.randn(copies, n, in_channels)
    expected = one(x)
    result = many(x.reshape(1, copies * n, in_channels)).view_as(expected)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(result, many.weight, upstream)[0],
        torch.autograd.grad(expected, one.weight, upstream)[0],
        rtol=1e-3,
        atol=1e-3,
    )


def test_initial_state_of_the_convolutions():
    torch.manual_seed(0)
    layer = SemGConv(200, 100, ring(5))
    bound = math.sqrt(6 / 200)
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert layer.bias is not None
    assert 0.9 / math.sqrt(200) < layer.bias.abs().max() <= 1 / math.sqrt(200)
    assert torch.equal(layer.logits, torch.ones(15))
    assert GConv(2, 2, ring(5), bias=False).bias is None


def test_semgconv_starts_as_the_mean_of_a_node_and_its_neighbours():
    layer = SemGConv(1, 1, ring(5), bias=False)
    nn.init.ones_(layer.weight)
    x = torch.tensor([[[1.0], [2.0], [6.0], [0.0], [0.0]]])
    torch.testing.assert_close(layer(x)[0, 1], torch.tensor([3.0]))


def test_a_graph_of_any_kind_is_taken():
    dense = np.array([[0.0, 1.0], [1.0, 0.0]])
    torch.manual_seed(0)
    layer = SemGConv(3, 2, dense)
    assert layer.pattern.num_entries == 4
    assert repr(layer.pattern) == "GraphPattern(2 nodes, 4 entries)"


def test_layers_print_their_options():
    assert SemGConv(3, 2, ring(5)).extra_repr() == "3, 2"
    assert SemGConv(3, 2, ring(5), per_channel=True).extra_repr() == "3, 2, per_channel=True"
    layer = GConv(3, 2, ring(5), separate_self=True, weighted=True, bias=False)
    assert layer.extra_repr() == "3, 2, bias=False, separate_self=True, weighted=True"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SemGConv(0, 2, ring(5)), "in_channels = 0 must be at least 1"),
        (lambda: GConv(2, -1, ring(5)), "out_channels = -1 must be at least 1"),
        (lambda: GConv(2, 2, Graph([0], [])), "graph has no nodes"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: SemGConv(2, 2, ring(5))(torch.zeros(1, 6, 2)), "x has 6 nodes.* graph has 5"),
        (lambda: GConv(2, 2, ring(5))(torch.zeros(1, 5, 3)), "x has 3 channels.* layer takes 2"),
        (lambda: GConv(2, 2, ring(5))(torch.zeros(5, 2)), r"expected \[B, 5, 2\]"),
    ],
)
def test_bad_input_is_named(run, message):
    with pytest.raises(ValueError, match=message):
        run()
