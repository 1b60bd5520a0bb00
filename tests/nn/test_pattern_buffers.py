"""The tensors of a pattern, against the graph itself."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from layer_graphs import neighbourhoods, pattern_of, random_graph
from operator_checks import SHAPES


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
