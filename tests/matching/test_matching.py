from itertools import pairwise
from typing import Any

import networkx as nx
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    Constraints,
    DefferrardMatching,
    EdgeWeight,
    Graph,
    HeavyEdgeMatching,
    Matching,
    NormalizedAssociation,
    NormalizedCut,
    PairKind,
    VisitingOrderMatching,
    as_graph,
    contract,
    match,
    round_weights,
    to_networkx,
)
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.matching.numbering import number_pairs
from multiscale_gcn.matching.order import EdgeOrder, edge_hash, mix64
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.testing import assert_valid_matching, graphs

RATINGS = (EdgeWeight(), NormalizedCut(), NormalizedAssociation())


@st.composite
def methods(draw: st.DrawFn) -> MatchingMethod:
    options: dict[str, Any] = {
        "rating": draw(st.sampled_from(RATINGS)),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "max_node_weight": draw(st.none() | st.integers(1, 6)),
        "two_hop": draw(st.sampled_from([True, False, "auto"])),
        "isolated": draw(st.sampled_from(["pair", "keep"])),
    }
    if draw(st.booleans()):
        return HeavyEdgeMatching(**options)
    return VisitingOrderMatching(
        **options, order=draw(st.sampled_from(["random", "degree", "natural"]))
    )


@pytest.fixture
def only_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the parallel rounds on small graphs too."""
    monkeypatch.setattr(on_cpu, "SMALL", 0)


@given(graphs(), methods(), st.none() | st.integers(0, 5))
def test_numba_equals_the_specification(graph, method, max_pairs) -> None:
    expected = match(graph, method, max_pairs=max_pairs, backend="python")
    assert match(graph, method, max_pairs=max_pairs, backend="numba") == expected
    assert_valid_matching(graph, expected)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("progress", [1, 10**9], ids=["to the queue", "rounds only"])
def test_rounds_equal_the_specification_for_any_number_of_threads(
    threads: int, progress: int, only_rounds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cpu, "PROGRESS", progress)
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:

        @settings(max_examples=40)
        @given(graphs(), methods())
        def check(graph, method) -> None:
            assert match(graph, method) == match(graph, method, backend="python")

        check()
    finally:
        numba.set_num_threads(before)


def test_a_path_of_increasing_weights_takes_linear_time() -> None:
    n = 200_000  # rounds alone would take n^2 / 4 steps
    ids = np.stack([np.arange(n - 1), np.arange(1, n)])
    graph = as_graph(ids, weights=np.arange(1.0, n), symmetrize=True)
    pairs = match(graph, HeavyEdgeMatching(rating=EdgeWeight())).pairs()
    np.testing.assert_array_equal(pairs, np.arange(n).reshape(-1, 2))


@given(graphs(), st.sampled_from(RATINGS), st.integers(0, 2**64 - 1))
def test_heavy_edge_matching_is_locally_dominant(graph, rating, seed) -> None:
    matching = match(graph, HeavyEdgeMatching(rating=rating, seed=seed))
    order = EdgeOrder(round_weights(graph)[0], rating, seed)
    weights = round_weights(graph)[0].to_scipy().todok()

    def key(u: int, v: int) -> tuple:
        return order.key(u, v, float(weights[u, v]))

    for u, v in graph.edge_index().T.tolist():
        if u < v and matching.mate[u] != v:
            married = [
                key(w, int(matching.mate[w])) for w in (u, v) if matching.kind[w] == PairKind.EDGE
            ]
            assert married, f"({u}, {v}) could have been taken"
            assert min(married) < key(u, v), f"({u}, {v}) comes before its neighbours' pairs"


@given(graphs(), st.sampled_from(RATINGS))
def test_half_of_the_maximum_weight_matching_is_reached(graph, rating) -> None:
    graph, _ = round_weights(graph)
    matching = match(graph, HeavyEdgeMatching(rating=rating))
    order = EdgeOrder(graph, rating, 0)
    rated = to_networkx(graph)
    for u, v, data in rated.edges(data=True):
        data["weight"] = -order.key(u, v, data["weight"])[0]
    rated.remove_edges_from(list(nx.selfloop_edges(rated)))
    best = sum(rated[u][v]["weight"] for u, v in nx.max_weight_matching(rated))
    ours = sum(
        rated[u][v]["weight"]
        for u, v in matching.pairs().tolist()
        if matching.kind[u] == PairKind.EDGE
    )
    assert ours >= best / 2 * (1 - 1e-12)


@given(graphs(), st.sampled_from([HeavyEdgeMatching, VisitingOrderMatching]), st.integers(0, 99))
def test_an_unconstrained_level_keeps_at_most_three_quarters(graph, method, seed) -> None:
    n = graph.num_nodes
    while n > 1:
        matching = match(graph, method(seed=seed))
        assert n - matching.num_pairs <= 3 * n / 4 + 1
        assert matching.num_pairs > 0
        graph, _ = contract(graph, matching)
        n = graph.num_nodes


@given(graphs(shapes=("random", "mesh", "complete")), st.data())
def test_relabelling_the_nodes_relabels_the_pairs(graph: Graph, data) -> None:
    edges = graph.edge_index()[:, graph.rows() < graph.indices]
    count, n = edges.shape[1], graph.num_nodes
    weights = np.array(data.draw(st.permutations(range(1, count + 1))), dtype=float)
    new = np.array(data.draw(st.permutations(range(n))), dtype=np.int64)
    method = HeavyEdgeMatching(rating=EdgeWeight(), two_hop=False, isolated="keep")

    def pairs(ids: np.ndarray) -> set[frozenset[int]]:
        options: dict[str, Any] = {
            "kind": "edge_index",
            "weights": weights,
            "num_nodes": n,
            "symmetrize": True,
        }
        return {frozenset(p) for p in match(as_graph(ids, **options), method).pairs().tolist()}

    expected = {frozenset(new[list(pair)].tolist()) for pair in pairs(edges)}
    assert pairs(new[edges]) == expected


@given(graphs(), methods(), st.integers(0, 8))
def test_truncation_keeps_the_lightest_pairs(graph, method, max_pairs) -> None:
    graph, _ = round_weights(graph)
    whole = match(graph, method)
    kept = match(graph, method, max_pairs=max_pairs)
    assert kept.num_pairs == min(max_pairs, whole.num_pairs)
    order = EdgeOrder(graph, method.rating, method.seed)
    weights = graph.to_scipy().todok()

    def key(pair: list[int]) -> tuple:
        u, v = pair
        kind = whole.kind[u]
        edge_key = order.key(u, v, float(weights[u, v])) if kind == PairKind.EDGE else (
            0.0, order.degrees[u] + order.degrees[v], u ^ v, -edge_hash(method.seed, u, v), u, v
        )  # fmt: skip
        return graph.node_weights[u] + graph.node_weights[v], kind, edge_key

    expected = sorted(whole.pairs().tolist(), key=key)[:max_pairs]
    assert sorted(kept.pairs().tolist()) == sorted(expected)


@given(graphs(min_nodes=1), st.integers(1, 6))
def test_max_node_weight_holds(graph, limit) -> None:
    matching = match(graph, HeavyEdgeMatching(max_node_weight=limit))
    merged = graph.node_weights[matching.pairs()].sum(axis=1)
    assert (merged <= limit).all()


def test_leaves_of_a_hub_pair_and_isolated_nodes_pair() -> None:
    star = as_graph(nx.star_graph(9))
    matching = match(star)
    assert np.bincount(matching.kind).tolist() == [0, 2, 8]
    empty = as_graph(nx.empty_graph(5))
    assert np.bincount(match(empty).kind, minlength=4).tolist() == [1, 0, 0, 4]
    assert match(empty, HeavyEdgeMatching(isolated="keep")).num_pairs == 0
    assert match(star, HeavyEdgeMatching(two_hop=False)).num_pairs == 1
    with_loops = as_graph(np.eye(4))
    assert match(with_loops).kind.tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("backend", ["python", "numba"])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("shape", ["star", "edgeless"])
def test_of_two_too_heavy_to_merge_the_lighter_waits_and_else_the_first(
    shape: str, labelled: bool, backend: str
) -> None:
    @given(st.lists(st.integers(1, 5), min_size=3, max_size=9), st.integers(4, 8))
    def check(node_weights: list[int], limit: int) -> None:
        n = len(node_weights)
        edges = [(0, u) for u in range(1, n)] if shape == "star" else []
        graph = as_graph(
            np.array(edges, np.int64).reshape(-1, 2).T, kind="edge_index", num_nodes=n,
            node_weights=node_weights, symmetrize=True,
        )  # fmt: skip
        constraints = Constraints(labels=np.zeros(n, int)) if labelled else None
        options: dict[str, Any] = {"backend": backend, "constraints": constraints}
        edges_only = HeavyEdgeMatching(max_node_weight=limit, two_hop=False, isolated="keep")
        alone = match(graph, edges_only, **options)
        expected, waiting = alone.mate.tolist(), None
        for u in range(n):
            if alone.mate[u] != u or (shape == "star" and u == 0):
                continue
            if waiting is None:
                waiting = u
            elif node_weights[u] + node_weights[waiting] <= limit:
                expected[u], expected[waiting], waiting = waiting, u, None
            elif node_weights[u] < node_weights[waiting]:
                waiting = u
        found = match(graph, HeavyEdgeMatching(max_node_weight=limit), **options)
        assert found.mate.tolist() == expected

    check()


def test_the_order_prefers_few_neighbours_then_near_ids_then_the_hash() -> None:
    order = EdgeOrder(as_graph(nx.path_graph(6)), EdgeWeight(), 0)
    at_the_end, inside = order.key(0, 1, 1.0), order.key(2, 3, 1.0)
    assert at_the_end < inside
    assert inside < order.key(1, 2, 1.0), "2 ^ 3 = 1 comes before 1 ^ 2 = 3"
    cycle = EdgeOrder(as_graph(nx.cycle_graph(8)), EdgeWeight(), 5)
    keys = {(u, u + 1): cycle.key(u, u + 1, 1.0) for u in (0, 2, 4, 6)}
    by_hash = sorted(keys, key=lambda pair: -edge_hash(5, *pair))
    assert sorted(keys, key=keys.__getitem__) == by_hash


def test_version_1_of_the_order_never_changes() -> None:
    assert mix64(0) == 0xE220A8397B1DCDAF, "first output of SplitMix64 with seed 0"
    assert edge_hash(7, 3, 5) == edge_hash(7, 5, 3) != edge_hash(8, 3, 5)
    graph = as_graph(nx.circulant_graph(60, [1, 7, 11]))
    digest = 0
    for level in range(3):
        matching = match(graph, HeavyEdgeMatching(seed=level))
        for value in matching.mate.tolist():
            digest = mix64(digest ^ value)
        graph, _ = contract(graph, matching)
    assert digest == 0x8AF419269F5A68C9


def test_visiting_by_degree_is_greedy_in_that_order() -> None:
    # Node 3 has the least weighted degree and takes its only neighbour, though 0-1 is heavier.
    ids = np.array([[0, 1, 2], [1, 2, 3]])
    graph = as_graph(ids, kind="edge_index", weights=[5, 4, 1], symmetrize=True)
    method = VisitingOrderMatching(order="degree", rating=EdgeWeight())
    assert match(graph, method).pairs().tolist() == [[0, 1], [2, 3]]
    graph = as_graph(ids, kind="edge_index", weights=[1, 4, 5], symmetrize=True)
    assert match(graph, method).pairs().tolist() == [[0, 1], [2, 3]]
    heavy_first = HeavyEdgeMatching(rating=EdgeWeight(), two_hop=False)
    weights = as_graph(ids, kind="edge_index", weights=[1, 4, 1], symmetrize=True)
    assert match(weights, heavy_first).pairs().tolist() == [[1, 2]]
    assert match(weights, method).pairs().tolist() == [[0, 1], [2, 3]]


def test_random_visiting_order_depends_on_the_seed_alone() -> None:
    graph = as_graph(nx.grid_2d_graph(12, 12))
    results = [match(graph, VisitingOrderMatching(seed=seed)) for seed in (1, 1, 2)]
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_ratings_are_the_documented_formulas() -> None:
    graph = as_graph(np.array([[3.0, 2, 0], [2, 0, 4], [0, 4, 1]]))
    order = {type(r): EdgeOrder(graph, r, 0).key(0, 1, 2.0)[0] for r in RATINGS}
    assert order[EdgeWeight] == -2
    assert order[NormalizedCut] == -2 * (1 / 5 + 1 / 6)
    assert order[NormalizedAssociation] == -(2 * 2 + 3 + 0) / (5 + 6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed = -1"),
        ({"seed": 2**64}, ValueError, "seed = 18446744073709551616"),
        ({"max_node_weight": 0}, ValueError, "max_node_weight = 0 must be positive"),
        ({"max_node_weight": np.nan}, ValueError, "max_node_weight = nan"),
        ({"isolated": "drop"}, ValueError, "isolated = 'drop'"),
        ({"rating": "weight"}, TypeError, "rating must be a Rating"),
    ],
)
def test_bad_options_are_refused(options, error, message) -> None:
    with pytest.raises(error, match=message):
        HeavyEdgeMatching(**options)


def test_bad_arguments_are_refused() -> None:
    graph = as_graph(nx.path_graph(4))
    with pytest.raises(ValueError, match="order = 'sorted'"):
        VisitingOrderMatching(order="sorted")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backend = 'fortran' is none of"):
        match(graph, backend="fortran")
    with pytest.raises(ValueError, match="max_pairs = -1"):
        match(graph, max_pairs=-1)


def test_levels_of_a_large_grid_halve() -> None:
    graph = as_graph(nx.convert_node_labels_to_integers(nx.grid_2d_graph(64, 64)))
    sizes = [graph.num_nodes]
    for _ in range(3):
        graph, _ = contract(graph, match(graph))
        sizes.append(graph.num_nodes)
    assert all(fine / coarse > 1.9 for fine, coarse in pairwise(sizes)), sizes


TWO = as_graph(nx.disjoint_union(nx.path_graph(6), nx.path_graph(6)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"graph": nx.path_graph(3)}, TypeError, r"networkx\..*Graph, and .* as_graph makes one"),
        ({"method": EdgeWeight()}, TypeError, "must be a matching method .* got EdgeWeight"),
        ({"method": DefferrardMatching()}, TypeError, "DefferrardMatching.*coarsen takes others"),
        ({"constraints": Constraints(labels=np.zeros(3, int))}, ValueError,
         r"constraints.labels has shape \(3,\), expected \(12,\)"),
        ({"max_pairs": -1}, ValueError, "max_pairs = -1 must not be negative"),
        ({"max_pairs": 1.5}, ValueError, "max_pairs must hold integers, got dtype float64"),
        ({"max_pairs": [1, 2]}, ValueError, r"max_pairs has shape \(2,\), expected \(1,\)"),
        ({"max_pairs": 1, "constraints": Constraints.of(TWO, batch=[0] * 6 + [1] * 6)}, ValueError,
         r"max_pairs has shape \(1,\), expected \(2,\)"),
    ],
)  # fmt: skip
def test_bad_arguments_of_match_are_refused(options, error, message) -> None:
    with pytest.raises(error, match=message):
        match(**({"graph": TWO} | options))


@pytest.mark.parametrize(
    ("mate", "message"),
    [([1, 0, 2, 9, 4, 5], r"mate\[3\] = 9"), ([1, 2, 0, 3, 4, 5], r"mate\[0\] = 1, whose")],
)
def test_a_matching_that_is_none_is_not_contracted(mate: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contract(as_graph(nx.path_graph(6)), Matching(np.array(mate), np.zeros(6, np.int8)))


@given(graphs())
def test_pairs_are_numbered_by_their_first_members(graph) -> None:
    matching = match(graph)
    parent = matching.parents()
    assert parent.tolist() == number_pairs(matching.mate).tolist()
    assert parent.dtype == number_pairs(matching.mate).dtype
    seen = list(dict.fromkeys(parent.tolist()))
    assert seen == list(range(len(seen)))
