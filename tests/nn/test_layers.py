"""The layers: their formulas written out again, their initial state, what they refuse."""

from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import as_matrix, neighbourhoods, random_graph, ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import (
    CrossScaleFusion,
    GConv,
    GraphConvBlock,
    NonLocal,
    ResGConv,
    ScaleSum,
    SemGConv,
)


def normalised(adjacency: np.ndarray) -> Tensor:
    """D^-1/2 (A + I) D^-1/2."""
    with_loops = adjacency + np.eye(len(adjacency))
    scale = np.diag(with_loops.sum(1) ** -0.5)
    return torch.from_numpy(scale @ with_loops @ scale)


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))


@settings(max_examples=30)
@given(
    n=st.integers(1, 8),
    seed=st.integers(0, 99),
    weighted=st.booleans(),
    separate_self=st.booleans(),
)
def test_gconv_is_its_formula(n, seed, weighted, separate_self):
    graph = random_graph(n, 0.5, seed, weighted=True)
    torch.manual_seed(seed)
    layer = GConv(3, 4, graph, weighted=weighted, separate_self=separate_self)
    x = torch.randn(2, n, 3, dtype=torch.float64)
    adjacency = graph.to_scipy().toarray()
    if not weighted:
        adjacency = (adjacency > 0).astype(float)
        np.fill_diagonal(adjacency, 0.0)
    matrix = normalised(adjacency)
    own, others = layer.weight[0].double(), layer.weight[-1].double()
    assert layer.bias is not None
    expected = matrix.diagonal()[:, None] * (x @ own) + off_diagonal(matrix) @ (x @ others)
    torch.testing.assert_close(
        layer(x.float()).double(), expected + layer.bias, rtol=1e-4, atol=1e-5
    )


@settings(max_examples=30)
@given(n=st.integers(1, 8), seed=st.integers(0, 99), per_channel=st.booleans())
def test_semgconv_is_its_formula(n, seed, per_channel):
    graph = random_graph(n, 0.5, seed, weighted=True)
    torch.manual_seed(seed)
    layer = SemGConv(3, 4, graph, per_channel=per_channel).double()
    nn.init.normal_(layer.logits)
    x = torch.randn(2, n, 3, dtype=torch.float64)
    mask = neighbourhoods(graph) > 0
    logits = as_matrix(layer.logits, graph).masked_fill(~mask, -torch.inf)
    matrix = logits.softmax(-1).expand(4, n, n)
    own, others = (x @ weight for weight in layer.weight)
    assert layer.bias is not None
    expected = torch.einsum("cii,bic->bic", matrix, own) + layer.bias
    expected = expected + torch.einsum("cij,bjc->bic", off_diagonal(matrix), others)
    torch.testing.assert_close(layer(x), expected)


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
    bound = 1.414 * math.sqrt(6 / 300)
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert layer.bias is not None
    assert 0.9 / 10 < layer.bias.abs().max() <= 1 / 10
    assert torch.equal(layer.logits, torch.ones(15))
    assert GConv(2, 2, ring(5), bias=False).bias is None


def test_semgconv_starts_as_the_mean_of_a_node_and_its_neighbours():
    layer = SemGConv(1, 1, ring(5), bias=False)
    nn.init.ones_(layer.weight)
    x = torch.tensor([[[1.0], [2.0], [6.0], [0.0], [0.0]]])
    torch.testing.assert_close(layer(x)[0, 1], torch.tensor([3.0]))


def test_nonlocal_is_its_formula():
    torch.manual_seed(0)
    layer = NonLocal(7).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 5, 7, dtype=torch.float64)
    theta, phi, value = layer.theta(x), layer.phi(x), layer.value(x)
    assert theta.shape == (3, 5, 3)
    pairs = torch.cat(
        [theta[:, :, None].expand(-1, -1, 5, -1), phi[:, None].expand(-1, 5, -1, -1)], dim=-1
    )
    scores = torch.relu(pairs @ layer.score.flatten())
    rows = layer.output(scores @ value / 5)
    mean, variance = rows.mean((0, 1)), rows.var((0, 1), unbiased=False)
    expected = (rows - mean) / (variance + layer.norm.eps).sqrt()
    expected = expected * layer.norm.weight + layer.norm.bias + x
    torch.testing.assert_close(layer(x), expected)


def test_nonlocal_starts_as_the_identity_and_learns():
    torch.manual_seed(0)
    layer = NonLocal(8)
    x = torch.randn(4, 6, 8)
    assert torch.equal(layer(x), x)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        layer(x).square().mean().backward()
        optimizer.step()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        # The normalisation takes the mean of the last map's result away, and with it its bias.
        assert parameter.grad.abs().max() > (0 if name == "output.bias" else 1e-9), name


def test_block_normalises_over_batch_and_nodes():
    torch.manual_seed(0)
    block = GraphConvBlock(3, 5, ring(6), convolution=GConv)
    x = torch.randn(4, 6, 3)
    rows = block.convolution(x).reshape(-1, 5)
    expected = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(block(x), expected.relu().reshape(4, 6, 5), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(block.norm.running_mean, 0.1 * rows.mean(0))


def test_residual_block_adds_its_input():
    block = ResGConv(4, ring(6), dropout=0.5).eval()
    nn.init.zeros_(block.second.norm.weight)
    x = torch.randn(2, 6, 4)
    torch.testing.assert_close(block(x), x)
    assert ResGConv(4, ring(6), non_local=False).non_local is None


def test_dropout_only_in_training():
    torch.manual_seed(0)
    block = GraphConvBlock(4, 50, ring(6), dropout=0.9)
    x = torch.randn(8, 6, 4)
    dropped = (block(x) == 0).float().mean()
    assert dropped > 0.85
    assert torch.equal(block.eval()(x), block(x))


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    order=st.sampled_from(["parallel", "sequential"]),
)
def test_fusion_is_its_formula(sizes, order):
    torch.manual_seed(len(sizes))
    fusion = CrossScaleFusion(sizes, order).double()
    features = [torch.randn(2, size, 3, dtype=torch.float64) for size in sizes]
    read = [x.clone() for x in features]
    expected = []
    for k in range(len(sizes)):
        sources = [i for i in range(len(sizes)) if i != k]
        total = read[k].clone()
        for place, i in enumerate(sources):
            prefix = f"sums.{k}.maps.{place}"
            weight = fusion.get_parameter(f"{prefix}.weight")
            total += torch.einsum("ki,bic->bkc", weight, read[i])
            total += fusion.get_parameter(f"{prefix}.bias")[:, None]
        expected.append(total)
        if order == "sequential":
            read[k] = total
    given_features = [x.clone() for x in features]
    for result, wanted in zip(fusion(given_features), expected, strict=True):
        torch.testing.assert_close(result, wanted)
    for before, after in zip(features, given_features, strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_fusion_gradcheck(order):
    torch.manual_seed(0)
    fusion = CrossScaleFusion([2, 3, 1], order).double()
    features = [torch.randn(2, n, 2, dtype=torch.float64, requires_grad=True) for n in (2, 3, 1)]
    assert torch.autograd.gradcheck(lambda *x: tuple(fusion(x)), features)


def test_a_graph_of_any_kind_is_taken():
    dense = np.array([[0.0, 1.0], [1.0, 0.0]])
    torch.manual_seed(0)
    layer = SemGConv(3, 2, dense)
    assert layer.pattern.num_entries == 4
    assert repr(layer.pattern) == "GraphPattern(2 nodes, 4 entries)"


def test_state_holds_no_graph_and_round_trips():
    layer = GConv(3, 2, ring(5), separate_self=True)
    assert set(layer.state_dict()) == {"weight", "bias"}
    other = GConv(3, 2, ring(5), separate_self=True)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(2, 5, 3)
    assert torch.equal(layer(x), other(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SemGConv(0, 2, ring(5)), "in_channels = 0 must be at least 1"),
        (lambda: GConv(2, -1, ring(5)), "out_channels = -1 must be at least 1"),
        (lambda: GConv(2, 2, Graph([0], [])), "graph has no nodes"),
        (lambda: NonLocal(1), "channels = 1 must be at least 2"),
        (lambda: CrossScaleFusion([5]), "at least two scales"),
        (lambda: CrossScaleFusion([5, 0]), "nodes = 0 must be at least 1"),
        (
            lambda: CrossScaleFusion([5, 4], fusion_order="both"),  # type: ignore[arg-type]
            "neither 'parallel' nor 'sequential'",
        ),
        (lambda: ScaleSum([], 3), "sources is empty"),
        (lambda: GraphConvBlock(2, 2, ring(5), dropout=-0.5), "dropout probability .* -0.5"),
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
        (lambda: NonLocal(4)(torch.zeros(1, 5, 3)), "x has 3 channels"),
        (
            lambda: CrossScaleFusion([2, 3])([torch.zeros(1, 2, 4)]),
            "features has 1 tensors, expected 2",
        ),
        (
            lambda: CrossScaleFusion([2, 3])([torch.zeros(1, 2, 4), torch.zeros(1, 4, 4)]),
            r"features\[1\] has 4 nodes",
        ),
        (lambda: ScaleSum([2], 3)([]), "sources has 0 tensors, expected 1"),
        (
            lambda: CrossScaleFusion([2, 3])([torch.zeros(1, 2, 4), torch.zeros(1, 3, 5)]),
            r"features\[1\] has shape \[1, 3, 5\], expected \[1, 3, 4\]",
        ),
        (
            lambda: ScaleSum([2, 3], 4)([torch.zeros(1, 2, 4), torch.zeros(2, 3, 4)]),
            r"sources\[1\] has shape \[2, 3, 4\], expected \[1, 3, 4\]",
        ),
    ],
)
def test_bad_input_is_named(run, message):
    with pytest.raises(ValueError, match=message):
        run()


def test_a_block_in_evaluation_whose_normalisation_trains_takes_the_batch():
    """As adaptation to new data does: statistics are learned, and all else rests."""
    torch.manual_seed(0)
    block = GraphConvBlock(3, 5, ring(6))
    x = 5 * torch.randn(4, 6, 3) + 3
    expected = copy.deepcopy(block)(x)
    block.eval().norm.train()
    torch.testing.assert_close(block(x), expected)
    assert block.norm.num_batches_tracked == 1


def test_a_subclass_may_have_its_own_forward():
    class Doubled(SemGConv):
        def forward(self, x):  # type: ignore[override]
            return 2 * super().forward(x)

    block = GraphConvBlock(3, 5, ring(6), convolution=Doubled).eval()
    x = torch.randn(2, 6, 3)
    expected = block.norm(block.convolution(x).flatten(0, 1)).relu().view(2, 6, 5)
    torch.testing.assert_close(block(x), expected)


def test_layers_print_their_options():
    assert SemGConv(3, 2, ring(5)).extra_repr() == "3, 2"
    assert SemGConv(3, 2, ring(5), per_channel=True).extra_repr() == "3, 2, per_channel=True"
    layer = GConv(3, 2, ring(5), separate_self=True, weighted=True, bias=False)
    assert layer.extra_repr() == "3, 2, bias=False, separate_self=True, weighted=True"
