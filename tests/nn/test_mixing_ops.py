"""Operators that mix neighbours, against their specifications and against dense float64 algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import as_matrix, neighbourhoods, pattern_of, random_graph, ring
from torch import Tensor

from multiscale_gcn import as_graph, ops
from multiscale_gcn.nn import GraphPattern

SHAPES = {
    "n": st.integers(1, 9),
    "batch": st.integers(1, 3),
    "channels": st.integers(1, 4),
    "density": st.floats(0, 1),
    "per_channel": st.booleans(),
    "seed": st.integers(0, 2**16),
}


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def gradients(result: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    upstream = torch.randn(result.shape, dtype=torch.float64, generator=generator)
    return torch.autograd.grad(result, inputs, upstream, retain_graph=True)


def assert_same(
    fast: Tensor, slow: Tensor, inputs: tuple[Tensor, ...], tolerance: float = 1e-12
) -> None:
    """Equal forward and backward."""
    torch.testing.assert_close(fast, slow, rtol=tolerance, atol=tolerance)
    for ours, theirs in zip(gradients(fast, *inputs), gradients(slow, *inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@given(n=SHAPES["n"], density=SHAPES["density"], seed=SHAPES["seed"])
def test_pattern_is_the_adjacency_with_all_self_loops(n, density, seed):
    graph = random_graph(n, density, seed)
    pattern = pattern_of(graph)
    rows, columns = np.nonzero(neighbourhoods(graph).numpy())
    assert pattern.rows.tolist() == rows.tolist()
    assert pattern.columns.tolist() == columns.tolist()
    assert pattern.indptr.tolist() == np.searchsorted(rows, np.arange(n + 1)).tolist()
    assert torch.equal(pattern.rows[pattern.diagonal], torch.arange(n))
    assert torch.equal(pattern.columns[pattern.diagonal], torch.arange(n))
    assert torch.equal(pattern.rows[pattern.mirror], pattern.columns)
    assert torch.equal(pattern.columns[pattern.mirror], pattern.rows)


@given(**SHAPES)
def test_propagate_is_its_specification(n, batch, channels, density, per_channel, seed):
    torch.manual_seed(seed)
    graph = random_graph(n, density, seed)
    pattern = pattern_of(graph)
    x = leaf(batch, n, channels)
    values = leaf(*([channels] if per_channel else []), len(pattern.rows))
    formula = "cij,bjc->bic" if per_channel else "ij,bjc->bic"
    expected = torch.einsum(formula, as_matrix(values, graph), x)
    for form in (
        ops.propagate_reference,
        ops.propagate_dense,
        ops.propagate_sparse,
        ops.propagate,
    ):
        assert_same(form(x, values, pattern), expected, (x, values))


@given(**{name: SHAPES[name] for name in ("n", "density", "channels", "seed")})
def test_neighbour_softmax_is_its_specification(n, density, channels, seed):
    torch.manual_seed(seed)
    graph = random_graph(n, density, seed)
    pattern = pattern_of(graph)
    logits = leaf(channels, len(pattern.rows))
    mask = neighbourhoods(graph) > 0
    dense = torch.full((channels, n, n), -torch.inf, dtype=torch.float64)
    dense[:, mask] = logits
    expected = dense.softmax(-1)[:, mask]
    assert_same(ops.neighbour_softmax(logits, pattern), expected, (logits,))
    assert_same(ops.neighbour_softmax_reference(logits, pattern), expected, (logits,))
    one = ops.neighbour_softmax(logits[0], pattern)
    torch.testing.assert_close(one, expected[0])


def test_neighbour_softmax_neither_overflows_nor_loses_a_row():
    pattern = pattern_of(ring(5))
    logits = torch.zeros(len(pattern.rows))
    logits[: len(logits) // 2] = 1e4
    result = ops.neighbour_softmax(logits, pattern)
    assert torch.isfinite(result).all()
    sums = torch.zeros(5).index_add(0, pattern.rows, result)
    torch.testing.assert_close(sums, torch.ones(5))


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


@pytest.mark.parametrize("lying", ["batch by batch", "node by node", "strided"])
@pytest.mark.parametrize("form", [ops.propagate_dense, ops.propagate_sparse])
def test_the_layout_of_the_input_does_not_matter(form, lying):
    torch.manual_seed(0)
    pattern = pattern_of(ring(6))
    x = torch.randn(4, 6, 5)
    values = torch.randn(len(pattern.rows))
    expected = form(x, values, pattern)
    if lying == "node by node":
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    elif lying == "strided":
        x = x.repeat_interleave(2, dim=2)[..., ::2]
    assert torch.equal(form(x, values, pattern), expected)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("form", [ops.propagate_dense, ops.propagate_sparse])
def test_propagate_gradcheck(form, per_channel):
    torch.manual_seed(0)
    pattern = pattern_of(random_graph(5, 0.5, 3))
    values = leaf(*([3] if per_channel else []), len(pattern.rows))
    assert torch.autograd.gradcheck(lambda x, v: form(x, v, pattern), (leaf(2, 5, 3), values))


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sparse_sums_of_half_precision_are_kept_in_float32(dtype):
    """A hub with 4,000 neighbours: a running sum of ones in bfloat16 stays at 256."""
    n = 4001
    hub = np.stack([np.zeros(n - 1, dtype=np.int64), np.arange(1, n)])
    pattern = GraphPattern(as_graph(hub, kind="edge_index", symmetrize=True)).entries
    x = torch.ones(1, n, 1, dtype=dtype)
    result = ops.propagate(x, torch.ones(len(pattern.rows), dtype=dtype), pattern)
    assert result.dtype == dtype
    assert result[0, 0, 0].item() == pytest.approx(n, rel=0.005)


def test_a_large_graph_needs_no_dense_matrix():
    """200,000 nodes: one dense float32 matrix would be 149 GiB."""
    n = 200_000
    pattern = pattern_of(ring(n, 2))
    torch.manual_seed(0)
    x = torch.randn(2, n, 3, requires_grad=True)
    values = torch.randn(len(pattern.rows), requires_grad=True)
    result = ops.propagate(x, values, pattern)
    (2 * result).sum().backward()
    place = 12_345
    start, stop = pattern.indptr[place : place + 2].tolist()
    columns = pattern.columns[start:stop]
    expected = (values[start:stop, None] * x[1, columns]).sum(0)
    torch.testing.assert_close(result[1, place], expected)
    assert values.grad is not None
    assert x.grad is not None
    torch.testing.assert_close(values.grad[start:stop], 2 * x[:, columns].sum((0, 2)))
    into = values[pattern.mirror[start:stop]].sum()
    torch.testing.assert_close(x.grad[0, place], (2 * into).expand(3))
