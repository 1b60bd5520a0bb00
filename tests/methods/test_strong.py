"""Matching along strong edges."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import (
    Constraints,
    Graph,
    HeavyEdgeMatching,
    StrongMatching,
    VisitingOrderMatching,
    as_graph,
    coarsen,
)
from multiscale_gcn.methods.strong import strong_edges
from multiscale_gcn.testing import graphs


def is_strong(W: np.ndarray, u: int, v: int, share: float) -> bool:
    heaviest = W - np.diag(np.diag(W))
    return bool(W[u, v] >= share * min(heaviest[u].max(), heaviest[v].max()))


@given(graphs(), st.sampled_from([0.1, 0.25, 1.0]))
def test_the_strong_edges_are_those_of_the_definition(graph: Graph, share: float) -> None:
    W = graph.to_scipy().toarray()
    strong = strong_edges(graph, share)
    found = strong.to_scipy().toarray()
    for u, v in graph.edge_index().T.tolist():
        kept = u == v or is_strong(W, u, v, share)
        assert found[u, v] == (W[u, v] if kept else 0)
    assert strong.num_entries == np.count_nonzero(found)
    np.testing.assert_array_equal(strong.node_weights, graph.node_weights)


@given(graphs())
def test_pairs_are_strong_and_none_is_left(graph: Graph) -> None:
    W = graph.to_scipy().toarray()
    parent = coarsen(graph, levels=1, method=StrongMatching()).parent(0, -1)
    if parent.max(initial=-1) + 1 == len(parent):
        parent = np.arange(len(parent))
    mates = {p: np.flatnonzero(parent == p) for p in range(parent.max(initial=-1) + 1)}
    for pair in mates.values():
        assert len(pair) <= 2
        assert len(pair) == 1 or (W[pair[0], pair[1]] and is_strong(W, pair[0], pair[1], 0.25))
    alone = [int(pair[0]) for pair in mates.values() if len(pair) == 1]
    for u in alone:
        for v in alone:
            assert u == v or not W[u, v] or not is_strong(W, u, v, 0.25), "both were free"


def test_levels_keep_the_weak_edges() -> None:
    sheet = nx.grid_2d_graph(4, 8)
    for (i, _), (k, _), edge in sheet.edges(data=True):
        edge["weight"] = 1.0 if i == k else 0.125
    hierarchy = coarsen(sheet, min_nodes=4, method=StrongMatching())
    clusters = hierarchy.parent(0, 3).reshape(4, 8)
    assert (clusters == clusters[:, :1]).all()
    assert hierarchy[3].graph.num_edges == 3
    assert hierarchy.parent(0, -1).max() < 4, "along the rows first, then across"


def test_with_a_share_of_nothing_much_it_is_its_matching() -> None:
    graph = as_graph(nx.random_geometric_graph(60, 0.25, seed=2))
    inner = VisitingOrderMatching(order="degree", two_hop=False)
    ours = coarsen(graph, levels=4, method=StrongMatching(share=1e-9, matching=inner))
    assert ours.fingerprint == coarsen(graph, levels=4, method=inner).fingerprint


def test_backends_agree() -> None:
    graph = as_graph(nx.random_geometric_graph(40, 0.3, seed=1))
    method = StrongMatching()
    found = [
        coarsen(graph, levels=3, method=method, backend=backend).fingerprint
        for backend in ("numba", "python")
    ]
    assert found[0] == found[1]


def test_what_its_matching_knows_of_nodes_goes_along() -> None:
    matching = HeavyEdgeMatching(isolated="nearest", positions=[[0.0], [9.0], [8.0], [1.0]])
    method = StrongMatching(matching=matching)
    parent = coarsen(nx.empty_graph(4), levels=2, method=method).parent(0, 2)
    assert parent.tolist() == [0, 0, 0, 0]


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="share = 2 must be positive and at most 1"):
        StrongMatching(share=2)
    with pytest.raises(TypeError, match="matching = 'heavy' must be a MatchingMethod"):
        StrongMatching(matching="heavy")  # type: ignore[arg-type]


def test_constraints_reach_its_matching() -> None:
    parent = StrongMatching().parents(
        as_graph(nx.path_graph(4)),
        constraints=Constraints(labels=np.array([0, 1, 1, 0])),
        max_merges=None,
        backend="auto",
    )
    assert parent.tolist() == [0, 1, 1, 2]
