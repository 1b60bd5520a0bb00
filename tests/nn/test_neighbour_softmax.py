"""Softmax of rows, against its specification and dense float64 algebra."""

from __future__ import annotations

import torch
from hypothesis import given
from layer_graphs import neighbourhoods, pattern_of, random_graph, ring
from operator_checks import SHAPES, assert_same, leaf

from multiscale_gcn import ops


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
