"""Products with sparse matrices, against their specification and dense float64 algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from layer_graphs import as_matrix, pattern_of, random_graph, ring
from operator_checks import SHAPES, assert_same, leaf

from multiscale_gcn import as_graph, ops
from multiscale_gcn.nn import GraphPattern


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
