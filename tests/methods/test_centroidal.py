"""Clusters that are compact, and those of another method made so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from multiscale_gcn import (
    BiStride,
    CentroidalClusters,
    ClusteringMethod,
    CoarseningStalled,
    Constraints,
    DefferrardMatching,
    FarthestPoints,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    RefinedClusters,
    aggregate,
    as_graph,
    coarsen,
)
from multiscale_gcn.backends import BackendUnavailable, backend_names, engine_for
from multiscale_gcn.quality import disconnected_clusters
from multiscale_gcn.testing import MethodTests, assert_valid_hierarchy

GRID = nx.convert_node_labels_to_integers(nx.grid_2d_graph(9, 12))
PLACES = np.array([divmod(node, 12) for node in GRID], dtype=float)


def places_for(graph: Graph) -> np.ndarray:
    """Ones with many ties, that depend on the number of nodes alone."""
    return np.random.default_rng(graph.num_nodes).integers(0, 4, (graph.num_nodes, 2)).astype(float)


class TestCentroidalClusters(MethodTests):
    method: Any = CentroidalClusters(positions=np.zeros((0, 2)))

    def coarsened(self, graph: Graph, **options: Any) -> Hierarchy:
        placed = type(self)()
        placed.method = replace(self.method, positions=places_for(graph))
        return super(TestCentroidalClusters, placed).coarsened(graph, **options)


class TestRefinedClusters(TestCentroidalClusters):
    method = RefinedClusters(method=HeavyEdgeMatching(), positions=np.zeros((0, 2)))


class TestRefinedConnectedClusters(TestCentroidalClusters):
    method = RefinedClusters(
        method=HeavyEdgeMatching(two_hop=False, isolated="keep"), positions=np.zeros((0, 2))
    )


class TestRefinedTurns(TestCentroidalClusters):
    method = RefinedClusters(method=DefferrardMatching(), positions=np.zeros((0, 2)))


class TestWithoutPositions(MethodTests):
    method = CentroidalClusters()


def energy(hierarchy: Hierarchy, coarse: int, positions: np.ndarray) -> float:
    parent = hierarchy.parent(0, coarse)
    return float(((positions - hierarchy.coarse_positions(positions, coarse)[parent]) ** 2).sum())


def test_squares_of_a_grid_are_found() -> None:
    grid = nx.grid_2d_graph(8, 8)
    method = CentroidalClusters(positions=np.array(grid.nodes, dtype=float))
    hierarchy = coarsen(grid, sizes=[16, 4], method=method)
    quarters = {frozenset(np.flatnonzero(hierarchy.parent(0, 2) == c).tolist()) for c in range(4)}
    ids = np.arange(64).reshape(8, 8)
    expected = [ids[:4, :4], ids[:4, 4:], ids[4:, :4], ids[4:, 4:]]
    assert quarters == {frozenset(part.ravel().tolist()) for part in expected}
    assert hierarchy[1].graph.node_weights.max() <= 5


@pytest.mark.parametrize("sizes", [[20], [30, 10], [54, 27, 9, 3], [108], [108, 1]])
def test_levels_nest_are_connected_and_have_the_sizes(sizes: list[int]) -> None:
    hierarchy = coarsen(GRID, sizes=sizes, method=CentroidalClusters(positions=PLACES))
    assert_valid_hierarchy(hierarchy)
    assert hierarchy.sizes == tuple(sorted({108, *sizes}, reverse=True))
    for k in range(1, len(hierarchy)):
        assert disconnected_clusters(hierarchy, 0, k) == 0


def test_refinement_lowers_the_energy_and_keeps_clusters_connected() -> None:
    start = HeavyEdgeMatching(two_hop=False)
    before = coarsen(GRID, sizes=[12], method=start)
    still = RefinedClusters(method=start, positions=PLACES, balance=0, rounds=0)
    unmoved = coarsen(GRID, sizes=[12], method=still)
    assert np.array_equal(unmoved.parent(0, -1), before.parent(0, -1))
    after = coarsen(GRID, sizes=[12], method=replace(still, rounds=50))
    assert energy(after, -1, PLACES) < 0.9 * energy(before, -1, PLACES)
    assert disconnected_clusters(after) == 0


def test_no_move_of_one_node_is_left_that_would_gain() -> None:
    """At rest, by the energy itself, in floating point and without the formula of a move."""
    method = CentroidalClusters(positions=PLACES, balance=0)
    hierarchy = coarsen(GRID, sizes=[10], method=method)
    parent = hierarchy.parent(0, 1)

    def inertia(clusters: np.ndarray) -> float:
        means = [PLACES[clusters == c].mean(axis=0) for c in range(10)]
        return float(sum(((PLACES[clusters == c] - means[c]) ** 2).sum() for c in range(10)))

    rest = inertia(parent)
    for u, v in GRID.edges:
        for node, other in ((u, v), (v, u)):
            moved = parent.copy()
            moved[node] = parent[other]
            left = np.flatnonzero(moved == parent[node]).tolist()
            if left and nx.is_connected(GRID.subgraph(left)):
                assert inertia(moved) > rest - 0.05


def test_balance_makes_clusters_as_heavy_as_each_other() -> None:
    rng = np.random.default_rng(0)
    weights = np.where(PLACES[:, 1] < 3, 10.0, 1.0) * (1 + rng.random(108))
    graph = as_graph(GRID, node_weights=weights)
    heaviest = [
        coarsen(graph, sizes=[9], method=CentroidalClusters(positions=PLACES, balance=balance))[
            1
        ].graph.node_weights.max()
        / (weights.sum() / 9)
        for balance in (0.0, 8.0)
    ]
    assert heaviest[1] < 1.3 < heaviest[0]


@pytest.mark.parametrize(
    "method",
    [
        CentroidalClusters(positions=PLACES),
        CentroidalClusters(),
        RefinedClusters(method=HeavyEdgeMatching(), positions=PLACES),
    ],
)
@pytest.mark.parametrize("backend", backend_names())
def test_every_backend_finds_the_same(method: Any, backend: str) -> None:
    try:
        engine_for(backend)
    except BackendUnavailable as error:
        pytest.skip(str(error))
    expected = coarsen(GRID, sizes=[18, 6], method=method, backend="python")
    found = coarsen(GRID, sizes=[18, 6], method=method, backend=backend)
    assert found.fingerprint == expected.fingerprint


def test_caves_are_found_without_positions() -> None:
    caves = nx.relaxed_caveman_graph(4, 12, 0.05, seed=0)
    hierarchy = coarsen(caves, sizes=[8, 4], method=CentroidalClusters())
    assert (hierarchy.parent(0, 2).reshape(4, 12) == hierarchy.parent(0, 2)[::12, None]).all()


def test_labels_are_kept() -> None:
    labels = (PLACES[:, 0] > 3).astype(int)
    for method in (
        CentroidalClusters(positions=PLACES),
        RefinedClusters(method=HeavyEdgeMatching(), positions=PLACES),
    ):
        hierarchy = coarsen(GRID, sizes=[20, 6], labels=labels, method=method)
        for k in (1, 2):
            kinds = np.stack([hierarchy.parent(0, k), labels])
            assert np.unique(kinds, axis=1).shape[1] == hierarchy[k].num_nodes


def test_one_step_of_its_own_is_that_of_a_hierarchy_of_one_level() -> None:
    graph, method = as_graph(GRID), CentroidalClusters(positions=PLACES)
    options: dict[str, Any] = {"constraints": Constraints(), "backend": "auto"}
    parent = method.parents(graph, max_merges=np.array([98]), **options)
    assert np.array_equal(parent, coarsen(GRID, sizes=[10], method=method).parent(0, 1))
    coarse = aggregate(graph, parent)
    below = method.coarsened(graph, coarse, parent)
    assert below.parents(coarse, max_merges=np.array([7]), **options).max() == 2
    assert np.array_equal(below.parents(coarse, max_merges=np.array([0]), **options), range(10))


def test_levels_of_another_method_are_refined_one_by_one() -> None:
    method = RefinedClusters(method=HeavyEdgeMatching(), positions=PLACES)
    assert coarsen(GRID, levels=3, method=method).sizes == coarsen(GRID, levels=3).sizes


def test_methods_that_choose_nodes_lead_to_clusters_as_well() -> None:
    for chooser in (BiStride(), FarthestPoints(PLACES)):
        hierarchy = coarsen(
            GRID, sizes=[12], method=RefinedClusters(method=chooser, positions=PLACES)
        )
        assert_valid_hierarchy(hierarchy)
        assert hierarchy.sizes == (108, 12)
        before = coarsen(GRID, sizes=[12], method=chooser).parent(0, -1)
        assert energy(hierarchy, -1, PLACES) < inertia_of(before)


def inertia_of(cluster: np.ndarray) -> float:
    means = {c: PLACES[cluster == c].mean(axis=0) for c in np.unique(cluster).tolist()}
    return float(sum(((PLACES[cluster == c] - m) ** 2).sum() for c, m in means.items()))


def test_at_the_end_nodes_move_for_all_levels_together(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = nx.grid_2d_graph(30, 40)
    places = np.array(grid.nodes, dtype=float)
    method = RefinedClusters(method=HeavyEdgeMatching(two_hop=False), positions=places)
    together = coarsen(grid, sizes=[40, 20], method=method)
    monkeypatch.setattr(RefinedClusters, "planned", ClusteringMethod.planned)
    one_by_one = coarsen(grid, sizes=[40, 20], method=method)
    assert energy(together, 2, places) < 0.95 * energy(one_by_one, 2, places)
    assert energy(together, 1, places) < 1.05 * energy(one_by_one, 1, places)
    assert disconnected_clusters(together) == 0
    assert together.sizes == one_by_one.sizes == (1200, 40, 20)


def test_a_method_that_stalls_says_so() -> None:
    light = HeavyEdgeMatching(max_node_weight=2)
    with pytest.raises(CoarseningStalled, match="short of 9"):
        coarsen(GRID, sizes=[60, 9], method=RefinedClusters(method=light, positions=PLACES))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": -1}, "balance = -1.0 must be from 0 to 8"),
        ({"balance": 9}, "balance = 9 must be at most 8"),
        ({"rounds": -1}, "rounds = -1 must be at least 0"),
        ({"positions": [1.0, 2.0]}, r"positions has shape \(2,\), expected \(n, d\)"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CentroidalClusters(**{"positions": PLACES, **options})


def test_what_cannot_be_done_is_refused() -> None:
    method = CentroidalClusters(positions=PLACES)
    with pytest.raises(ValueError, match="makes levels of given sizes only"):
        coarsen(GRID, levels=2, method=method)
    with pytest.raises(ValueError, match="positions has 108 rows, and the graph has 5 nodes"):
        coarsen(nx.path_graph(5), sizes=[2], method=method)
    with pytest.raises(ValueError, match="cannot honour symmetry"):
        coarsen(GRID, sizes=[9], method=method, symmetry=np.arange(108))
    apart = CentroidalClusters(positions=np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"at least 4 nodes must remain.* does not merge comp"):
        coarsen(nx.empty_graph(4), sizes=[2], method=apart)
    path = CentroidalClusters(positions=np.zeros((3, 1)))
    with pytest.raises(ValueError, match="connected clusters, each of one label, are 3"):
        coarsen(nx.path_graph(3), sizes=[2], labels=[0, 1, 0], method=path)
    with pytest.raises(TypeError, match="method must be a method such as HeavyEdgeMatching"):
        RefinedClusters(method=3, positions=PLACES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_merges = None leaves open how many"):
        method.parents(as_graph(GRID), constraints=Constraints(), max_merges=None, backend="auto")
