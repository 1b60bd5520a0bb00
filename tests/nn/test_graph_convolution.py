"""Graph convolution, against its specification and dense float64 algebra."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import as_matrix, pattern_of, random_graph
from operator_checks import SHAPES, assert_same, leaf
from torch import Tensor

from multiscale_gcn import ops


@settings(max_examples=40)
@given(
    **SHAPES,
    out_channels=st.integers(1, 4),
    matrices=st.sampled_from([1, 2]),
    with_bias=st.booleans(),
)
def test_graph_convolution_is_its_specification(
    n, batch, channels, density, per_channel, seed, out_channels, matrices, with_bias
):
    torch.manual_seed(seed)
    graph = random_graph(n, density, seed)
    pattern = pattern_of(graph)
    x = leaf(batch, n, channels)
    values = leaf(*([out_channels] if per_channel else []), len(pattern.rows))
    weight = leaf(matrices, channels, out_channels)
    bias = leaf(out_channels) if with_bias else None
    inputs = (x, values, weight, *([] if bias is None else [bias]))

    adjacency = as_matrix(values, graph).expand(out_channels, n, n)
    diagonal = torch.eye(n, dtype=torch.float64)
    expected = torch.einsum("cij,bjc->bic", adjacency * diagonal, x @ weight[0])
    expected = expected + torch.einsum("cij,bjc->bic", adjacency * (1 - diagonal), x @ weight[-1])
    expected = expected if bias is None else expected + bias

    for form in (ops.graph_convolution, ops.graph_convolution_reference):
        assert_same(form(x, values, weight, bias, pattern), expected, inputs)


@pytest.mark.parametrize("matrices", [1, 2])
@pytest.mark.parametrize(("narrow", "wide"), [(2, 3), (3, 2)])
def test_graph_convolution_gradcheck(matrices, narrow, wide):
    torch.manual_seed(0)
    pattern = pattern_of(random_graph(5, 0.5, 3))

    def run(x: Tensor, logits: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        values = ops.neighbour_softmax(logits, pattern)
        return ops.graph_convolution(x, values, weight, bias, pattern)

    inputs = (leaf(2, 5, narrow), leaf(len(pattern.rows)), leaf(matrices, narrow, wide), leaf(wide))
    assert torch.autograd.gradcheck(run, inputs)
