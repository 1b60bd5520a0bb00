import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    BackendUnavailable,
    ClusteringMethod,
    Constraints,
    DefferrardMatching,
    Graph,
    HeavyEdgeMatching,
    LocalVariation,
    MetisPartition,
    VisitingOrderMatching,
    as_graph,
    coarsen,
    match,
    round_weights,
)
from multiscale_gcn.graph.spectrum import _is_small_world, laplacian, leading_eigenvectors
from multiscale_gcn.methods import local_variation as local_variation_module
from multiscale_gcn.testing import assert_valid_hierarchy, graphs

GRID = as_graph(nx.grid_2d_graph(12, 12))
CLUSTERINGS: tuple[ClusteringMethod, ...] = (
    DefferrardMatching(),
    DefferrardMatching(published=True),
    DefferrardMatching(variant="2016"),
    LocalVariation(family="edges", k=5),
    LocalVariation(family="neighborhoods", k=5),
    VisitingOrderMatching(order="natural"),
)


def step(graph: Graph, method: ClusteringMethod, max_merges: int | None = None) -> np.ndarray:
    graph, _ = round_weights(graph)
    options: dict[str, Any] = {"levels": 1}
    if max_merges is not None:
        options = {"sizes": [graph.num_nodes - max_merges]}
    hierarchy = coarsen(graph, method=method, **options)
    return hierarchy.parent(0, min(1, len(hierarchy) - 1))


# --- every method -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*CLUSTERINGS, MetisPartition()], ids=repr)
def test_every_method_gives_hierarchies_of_exact_sizes(method: ClusteringMethod) -> None:
    hierarchy = coarsen(GRID, sizes=[30, 13], method=method)
    assert {30, 13} <= set(hierarchy.sizes)
    assert_valid_hierarchy(hierarchy)
    assert type(method).__name__ in repr(hierarchy)
    assert coarsen(GRID, sizes=[30, 13], method=method).fingerprint == hierarchy.fingerprint


@pytest.mark.parametrize("method", CLUSTERINGS, ids=repr)
def test_every_other_way_to_say_how_far(method: ClusteringMethod) -> None:
    assert len(coarsen(GRID, levels=2, method=method)) == 3
    sizes = coarsen(GRID, min_nodes=20, method=method).sizes
    assert sizes[-1] >= 20
    assert len(sizes) > 1


@pytest.mark.parametrize("constraint", ["labels", "survivors", "symmetry", "batch"])
@pytest.mark.parametrize("method", [*CLUSTERINGS[:5], MetisPartition()], ids=repr)
def test_constraints_that_cannot_be_honoured_are_refused(method, constraint: str) -> None:
    n = 4
    arrays: dict[str, Any] = {
        "labels": np.zeros(n, int),
        "survivors": np.zeros(n, bool),
        "symmetry": np.arange(n),
        "batch": np.zeros(n, int),
    }
    with pytest.raises(ValueError, match=f"cannot honour {constraint}; leave it out"):
        coarsen(nx.path_graph(n), sizes=[2], method=method, **{constraint: arrays[constraint]})


def test_a_method_of_ones_own() -> None:
    class Broken(ClusteringMethod):
        def parents(self, graph, *, constraints, max_merges, backend):
            return np.array([0, 2, 2, 0])

    with pytest.raises(ValueError, match="no node has parent 1"):
        coarsen(nx.path_graph(4), levels=1, method=Broken())
    with pytest.raises(TypeError, match="method must be a method such as"):
        coarsen(nx.path_graph(3), levels=1, method="hem")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parents", "how_far", "message"),
    [
        (lambda n: np.arange(n) // 2, {"sizes": [4]}, "merged 2 nodes away, and max_merges was 1"),
        (lambda n: np.arange(n) // 2 * 2, {"levels": 1}, "Given.parents: no node has parent 1"),
        (lambda n: np.arange(n) * 10**12, {"levels": 1}, "Given.parents: no node has parent 1"),
        (lambda n: np.arange(n) / 2, {"levels": 1}, "Given.parents: parent must hold integers"),
        (lambda n: np.zeros(3, int), {"levels": 1}, r"Given.parents: parent has shape \(3,\)"),
    ],
)
def test_what_a_method_of_your_own_returns_is_checked(parents, how_far, message) -> None:
    class Given(ClusteringMethod):
        def parents(self, graph, *, constraints, max_merges, backend):
            return parents(graph.num_nodes)

    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(9), **how_far, method=Given())


def test_a_method_of_your_own_may_return_a_list() -> None:
    class Listed(ClusteringMethod):
        def parents(self, graph, *, constraints, max_merges, backend):
            return [u // 3 for u in range(graph.num_nodes)]

    assert coarsen(nx.path_graph(9), levels=2, method=Listed()).sizes == (9, 3, 1)


# --- natural turns ----------------------------------------------------------------------------


@given(graphs(), st.sampled_from([None, 3]))
def test_natural_turns_are_greedy_in_the_order_of_ids(graph: Graph, limit: int | None) -> None:
    method = VisitingOrderMatching(
        order="natural", max_node_weight=limit, two_hop=False, isolated="keep"
    )
    mate = match(graph, method).mate
    taken: set[int] = set()
    for u in range(graph.num_nodes):
        if u in taken:
            continue
        row = graph.indices[graph.indptr[u] : graph.indptr[u + 1]].tolist()
        free = [
            v for v in row
            if v != u and v not in taken
            and (limit is None or graph.node_weights[u] + graph.node_weights[v] <= limit)
        ]  # fmt: skip
        assert mate[u] in free if free else mate[u] == u
        taken |= {u, int(mate[u])}


# --- Defferrard -------------------------------------------------------------------------------


def rows_by_hand(graph: Graph, published: bool) -> list[list[tuple[int, float]]]:
    """Of each node the columns and weights that it looks at."""
    A = graph.to_scipy().toarray()
    rows = [[(int(v), row[v]) for v in np.flatnonzero(row)] for row in A]
    if published and len(rows) > 1:
        rows[0] = [*rows[0], rows[1][0]]
        rows[-1] = rows[-1][:-1]
    return rows


def turns_by_hand(turns, rows, rating) -> list[int]:
    """Clusters, when every free node takes its best free neighbour in its turn."""
    cluster: dict[int, int] = {}
    number = 0
    for u in turns:
        if u in cluster:
            continue
        cluster[u] = number
        ratings = [(rating(u, v, w), v) for v, w in rows[u] if v not in cluster]
        if ratings:
            best = max(value for value, _ in ratings)
            cluster[next(v for value, v in ratings if value == best)] = number
        number += 1
    return [cluster[u] for u in range(len(rows))]


def defferrard_by_hand(graph: Graph, published: bool) -> list[int]:
    """The description of the procedure in the code of HGN."""
    A = graph.to_scipy().toarray()
    degree, diagonal, tiny = A.sum(axis=1), A.diagonal(), 0.0
    if published:
        diagonal, tiny = np.array([row[0][1] for row in rows_by_hand(graph, False)]), 1e-9

    def rating(u, v, w):
        return (2 * w + diagonal[u] + diagonal[v]) / (degree[u] + degree[v] + tiny)

    turns = sorted(range(len(A)), key=lambda u: (degree[u], u))
    return turns_by_hand(turns, rows_by_hand(graph, published), rating)


def original_by_hand(graph: Graph, published: bool, turns=None) -> list[int]:
    """The description of the procedure of 2016; with turns for the finest graph."""
    A = graph.to_scipy().toarray()
    degree = A.sum(axis=1)
    if turns is None:
        turns = sorted(range(len(A)), key=lambda u: (degree[u], u))
    else:
        degree = degree - A.diagonal()

    def rating(u, v, w):
        return w * (_inverse(degree[u]) + _inverse(degree[v]))

    return turns_by_hand(turns, rows_by_hand(graph, published), rating)


def _inverse(degree: float) -> float:
    return 1 / degree if degree else np.inf


@given(graphs(min_nodes=1), st.booleans(), st.integers(1, 3))
def test_defferrard_is_what_its_description_says(graph, published, levels) -> None:
    if published and (np.diff(graph.indptr) == 0).any():
        with pytest.raises(ValueError, match="has no entry, and the published code loses count"):
            coarsen(graph, levels=1, method=DefferrardMatching(published=published))
        return
    hierarchy = coarsen(graph, levels=levels, method=DefferrardMatching(published=published))
    for level in hierarchy.levels[:-1]:
        assert level.parent is not None
        assert level.parent.tolist() == defferrard_by_hand(level.graph, published)
    if len(hierarchy) <= levels:
        assert max(defferrard_by_hand(hierarchy[-1].graph, published), default=-1) + 1 == (
            hierarchy[-1].num_nodes
        )


@given(graphs(min_nodes=1), st.booleans(), st.integers(1, 3), st.integers(0, 5))
def test_the_original_is_what_its_description_says(graph, published, levels, seed) -> None:
    turns = np.random.RandomState(seed).permutation(graph.num_nodes)
    method = DefferrardMatching(variant="2016", published=published, first_turns=turns)
    if published and (np.diff(graph.indptr) == 0).any():
        with pytest.raises(ValueError, match="has no entry, and the published code loses count"):
            coarsen(graph, levels=1, method=method)
        return
    hierarchy = coarsen(graph, levels=levels, method=method)
    for number, level in enumerate(hierarchy.levels[:-1]):
        assert level.parent is not None
        given_turns = turns.tolist() if number == 0 else None
        assert level.parent.tolist() == original_by_hand(level.graph, published, given_turns)


def with_weights(graph: nx.Graph, seed: int) -> nx.Graph:
    weight = np.random.default_rng(seed)
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] = int(weight.integers(1, 9))
    return graph


def looped_grid() -> nx.Graph:
    grid = with_weights(nx.grid_2d_graph(9, 9), 4)
    grid.add_edge((0, 0), (0, 0), weight=5)
    grid.add_edge((4, 4), (4, 4), weight=3)
    return grid


NINE_GRAPHS = {
    "grid": lambda: nx.grid_2d_graph(20, 20),
    "weighted grid": lambda: with_weights(nx.grid_2d_graph(15, 17), 1),
    "sphere": lambda: trimesh.creation.icosphere(subdivisions=3),
    "power law": lambda: nx.barabasi_albert_graph(300, 3, seed=1),
    "weighted power law": lambda: with_weights(nx.barabasi_albert_graph(300, 2, seed=2), 2),
    "path": lambda: nx.path_graph(100),
    "star": lambda: nx.star_graph(30),
    "small world": lambda: nx.connected_watts_strogatz_graph(200, 6, 0.2, seed=3),
    "self loops": looped_grid,
}


@pytest.mark.parametrize("name", NINE_GRAPHS)
def test_six_levels_of_the_original_come_out_again(name: str) -> None:
    graph = as_graph(NINE_GRAPHS[name]())
    method = DefferrardMatching(variant="2016", published=True)
    hierarchy = coarsen(graph, levels=6, method=method)
    assert len(hierarchy) == 7
    turns = np.random.RandomState(0).permutation(graph.num_nodes).tolist()
    for number, level in enumerate(hierarchy.levels[:-1]):
        by_hand = original_by_hand(level.graph, True, turns if number == 0 else None)
        assert hierarchy.parent(number, number + 1).tolist() == by_hand


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "2021"}, "variant = '2021'"),
        ({"first_turns": [0, 1, 2]}, "first_turns were given, and variant 'hgn' takes turns by"),
        ({"variant": "2016", "first_turns": [0.5]}, "first_turns"),
        ({"variant": "2016", "first_turns": [0, 1]}, r"first_turns has shape \(2,\), expected"),
        ({"variant": "2016", "first_turns": [0, 3, 1]}, r"first_turns\[1\] = 3 is no node"),
        ({"variant": "2016", "first_turns": [0, 1, 1]}, "node 1 has 2 turns|node 2 has 0 turns"),
    ],
)
def test_turns_that_mean_nothing_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(3), levels=1, method=DefferrardMatching(**options))


@given(graphs(), st.booleans(), st.sampled_from(["hgn", "2016"]))
def test_defferrard_is_the_same_without_numba(graph, published, variant) -> None:
    if published and (np.diff(graph.indptr) == 0).any():
        return
    method = DefferrardMatching(variant=variant, published=published)
    fast, slow = (coarsen(graph, levels=3, method=method, backend=b) for b in ("numba", "python"))
    assert fast.fingerprint == slow.fingerprint


def test_the_published_reading_of_the_diagonal_matters_on_a_mesh() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    right, published = (
        coarsen(mesh, levels=5, method=DefferrardMatching(published=p)) for p in (False, True)
    )
    assert right.fingerprint != published.fingerprint
    pads = published.binary_tree_order()
    assert [len(order) for order in pads] == [32 * len(pads[-1]) // 2**k for k in range(6)]


def test_defferrard_keeps_the_lightest_and_earliest_pairs() -> None:
    # Turns: 0, 5, then 1 to 4. Pairs (0, 1), (5, 4), (2, 3); node 3 makes the last heavy.
    path = as_graph(nx.path_graph(6), node_weights=[1, 1, 1, 5, 1, 1])
    method = DefferrardMatching()
    assert step(path, method, 3).tolist() == [0, 0, 2, 2, 1, 1]
    assert step(path, method, 2).tolist() == [0, 0, 2, 3, 1, 1]
    assert step(path, method, 1).tolist() == [0, 0, 2, 3, 4, 1]


# --- METIS ------------------------------------------------------------------------------------


def test_metis_gives_each_size_in_one_step_and_cuts_little() -> None:
    grid = as_graph(nx.grid_2d_graph(40, 40))
    coarsest = coarsen(grid, sizes=[4], method=MetisPartition(seed=3))[-1].graph
    cut = (coarsest.total_weight - coarsest.to_scipy().diagonal().sum()) / 2
    assert cut <= 120, "four squares cut 80 edges"
    assert coarsest.node_weights.max() <= 1.2 * 400
    hierarchy = coarsen(grid, sizes=[100, 4], method=MetisPartition(seed=3))
    assert hierarchy.sizes == (1600, 100, 4)
    first = [np.flatnonzero(hierarchy.parent(0, 1) == c)[0] for c in range(100)]
    assert first == sorted(first), "parts are numbered by their first members"


def test_metis_reads_edge_weights() -> None:
    ring = nx.cycle_graph(8)
    nx.set_edge_attributes(ring, 9, "weight")
    for u, v in ((1, 2), (5, 6)):
        ring.edges[u, v]["weight"] = 1
    parent = coarsen(ring, sizes=[2], method=MetisPartition()).parent(0, 1)
    assert parent.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


def test_metis_options_reach_metis() -> None:
    graph = as_graph(nx.random_geometric_graph(300, 0.11, seed=4))
    with pytest.raises(ValueError, match="try recursive=True"):
        coarsen(graph, sizes=[150], method=MetisPartition())
    assert coarsen(graph, sizes=[150], method=MetisPartition(recursive=True)).sizes == (300, 150)
    heaviest, cut = {}, {}
    for imbalance in (0.03, 0.2):
        coarse = coarsen(graph, sizes=[30], method=MetisPartition(imbalance=imbalance))[-1].graph
        heaviest[imbalance] = coarse.node_weights.max()
        cut[imbalance] = coarse.total_weight - coarse.to_scipy().diagonal().sum()
    assert heaviest[0.03] < heaviest[0.2] <= 1.2 * 10
    assert cut[0.03] > cut[0.2]


def test_metis_takes_one_part_and_self_loops() -> None:
    looped = as_graph(nx.to_numpy_array(nx.path_graph(20)) + 4.0 * np.eye(20))
    assert coarsen(looped, sizes=[1], method=MetisPartition()).sizes == (20, 1)
    balanced = MetisPartition(imbalance=0.03)
    halves = coarsen(looped, sizes=[2], method=balanced).parent(0, 1)
    assert halves.tolist() == [0] * 10 + [1] * 10


def test_what_metis_cannot_do_is_said() -> None:
    method = MetisPartition()
    with pytest.raises(ValueError, match=r"METIS left \d+ of 100 parts of a graph of 144 nodes"):
        coarsen(GRID, sizes=[100], method=method)
    how_far: tuple[dict[str, Any], ...] = ({"levels": 1}, {"min_nodes": 3})
    for options in how_far:
        with pytest.raises(ValueError, match="MetisPartition makes levels of given sizes only"):
            coarsen(GRID, method=method, **options)
    path = nx.path_graph(6)
    path.edges[2, 3]["weight"] = 0.5
    with pytest.raises(ValueError, match=r"the weight of edge \(2, 3\) is 0.5, and METIS takes"):
        coarsen(path, sizes=[2], method=method)
    scaled = coarsen(path, sizes=[2], method=MetisPartition(scale=2.0))
    assert scaled.parent(0, 1).tolist() == [0, 0, 0, 1, 1, 1]
    assert scaled.method == "MetisPartition(seed=0, scale=2.0)"
    halves = as_graph(nx.path_graph(3), node_weights=[1, 1, 1.5])
    with pytest.raises(ValueError, match=r"the weight of node 2 is 1\.5, and METIS takes integers"):
        coarsen(halves, sizes=[2], method=method)
    huge = as_graph(nx.path_graph(3), node_weights=[2.0**53, 1, 1])
    with pytest.raises(ValueError, match=r"the weights of nodes add up to 9\.01e"):
        coarsen(huge, sizes=[2], method=method)


def test_missing_pymetis_is_said_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymetis", None)
    monkeypatch.setattr("multiscale_gcn.methods.metis.util.find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'multiscale-gcn\[metis\]'"):
        coarsen(GRID, sizes=[10], method=MetisPartition())


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (MetisPartition, {"seed": -1}, "seed = -1"),
        (MetisPartition, {"imbalance": 0}, "imbalance = 0 lies outside"),
        (MetisPartition, {"scale": 0}, "scale = 0 must be positive"),
        (LocalVariation, {"family": "cliques"}, "family = 'cliques'"),
        (LocalVariation, {"k": 1}, "k = 1 must be at least 2"),
    ],
)
def test_bad_options_are_refused(method, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        method(**options)


# --- local variation --------------------------------------------------------------------------


def costs_by_hand(graph: Graph, A: np.ndarray, members: list[int]) -> float:
    """|Pi A|^2_{L_C} / (|C| - 1) with matrices of the whole graph, as in Loukas (2019)."""
    n = graph.num_nodes
    W = graph.to_scipy().toarray()
    np.fill_diagonal(W, 0)
    inside = np.isin(np.arange(n), members)
    W_C = np.where(np.outer(inside, inside), W, 0)
    W_C = W_C + np.where(np.outer(inside, ~inside) | np.outer(~inside, inside), 2 * W, 0)
    L_C = np.diag(W_C.sum(axis=1)) - W_C
    P = np.eye(n)
    P[np.ix_(members, members)] = 1 / len(members)
    deviation = (np.eye(n) - P) @ A
    deviation[~inside] = 0
    return float(np.linalg.norm(deviation.T @ L_C @ deviation, ord=2)) / (len(members) - 1)


def square_root_of_pseudo_inverse(M: np.ndarray, zero: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(M)
    kept = values > zero
    return vectors[:, kept] @ np.diag(values[kept] ** -0.5) @ vectors[:, kept].T


@settings(max_examples=30)
@given(graphs(max_nodes=10, min_nodes=2), st.sampled_from(["edges", "neighborhoods"]))
def test_local_variation_follows_the_paper(graph: Graph, family: Any) -> None:
    """Sets are popped by the paper's cost, up to costs that rounding cannot tell apart."""
    u, v = graph.edge_index()
    graph = Graph(graph.indptr, graph.indices, 1 + (u ^ v) % 4)  # no weights far apart
    method = LocalVariation(family=family, k=4).prepared(graph)
    B = np.asarray(method.subspace)
    n = graph.num_nodes
    W = graph.to_scipy().toarray()
    np.fill_diagonal(W, 0)
    L = np.diag(W.sum(axis=1)) - W
    for _ in range(2):
        zero = 1e-12 * max(L.max(), 1e-300)
        A = B @ square_root_of_pseudo_inverse(B.T @ L @ B, zero)
        neighbours = [np.flatnonzero(W[u]).tolist() for u in range(n)]
        if family == "edges":
            sets = [[u, v] for u in range(n) for v in neighbours[u] if u < v]
        else:
            sets = [sorted([u, *neighbours[u]]) for u in range(n) if neighbours[u]]
        variation = local_variation_module._Variation(graph, B)
        for members in sets:
            expected = costs_by_hand(graph, A, members)
            assert variation.of(np.array(members)) == pytest.approx(expected, rel=1e-6, abs=1e-9)
            if len(members) == 2:
                u, v = (np.array([node]) for node in members)
                assert variation.of_edges(u, v)[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)
        parent = method.parents(graph, constraints=Constraints(), max_merges=None, backend="auto")
        free = set(range(n))
        open_sets = dict(enumerate(sets))
        contracted = [np.flatnonzero(parent == c).tolist() for c in range(parent.max() + 1)]
        contracted = [members for members in contracted if len(members) > 1]
        while open_sets:  # replay: the next set taken is never dearer than another whole one
            costs = {at: costs_by_hand(graph, A, c) for at, c in open_sets.items()}
            cheapest = min(costs.values())
            near = [at for at, cost in costs.items() if cost <= cheapest + 1e-6 * (1e-3 + cheapest)]
            whole = [at for at in near if set(open_sets[at]) <= free]
            taken = [at for at in whole if open_sets[at] in contracted]
            if taken:
                free -= set(open_sets.pop(taken[0]))
                continue
            for at in near:
                rest = [u for u in open_sets.pop(at) if u in free]
                if len(rest) > 1:
                    assert at not in whole, "the cheapest set was passed over"
                    open_sets[at] = rest
        assert all(not set(members) & free for members in contracted)
        coarse = coarsen(graph, levels=1, method=method)[-1].graph
        P = np.eye(parent.max() + 1)[parent].T
        B = (P / P.sum(axis=1, keepdims=True)) @ B
        W = coarse.to_scipy().toarray()
        np.fill_diagonal(W, 0)
        L = np.diag(W.sum(axis=1)) - W
        method, graph, n = method.coarsened(graph, coarse, parent), coarse, coarse.num_nodes
        np.testing.assert_allclose(np.asarray(method.subspace), B, atol=1e-12)


def test_local_variation_keeps_slow_vibrations_better_than_heavy_edges() -> None:
    graph = as_graph(nx.random_geometric_graph(300, 0.11, seed=4))
    _, U = np.linalg.eigh(laplacian(graph).toarray())
    chosen = U[:, 1:6]

    def energy_of_what_is_lost(method: ClusteringMethod) -> float:
        hierarchy = coarsen(graph, sizes=[150], method=method)
        mean = hierarchy.prolongation(-1, 0) @ hierarchy.restriction(0, -1) @ chosen
        lost = chosen - mean
        return float(np.trace(lost.T @ laplacian(graph) @ lost))

    ours = energy_of_what_is_lost(LocalVariation(family="edges", k=6))
    assert ours < 0.9 * energy_of_what_is_lost(HeavyEdgeMatching())


def test_a_subspace_of_ones_own_is_kept() -> None:
    n = 12
    path = nx.path_graph(n)
    signal = np.repeat([0.0, 5.0, 1.0], 4)[:, None]
    method = LocalVariation(family="edges", subspace=signal)
    parent = coarsen(path, sizes=[3], method=method).parent(0, -1)
    assert parent.tolist() == np.repeat([0, 1, 2], 4).tolist()
    with pytest.raises(ValueError, match=r"subspace has shape \(3, 1\), expected \(12, k\)"):
        coarsen(path, sizes=[3], method=LocalVariation(subspace=signal[:3]))
    signal[4] = np.nan
    with pytest.raises(ValueError, match=r"subspace\[4, 0\] = nan must be finite"):
        coarsen(path, sizes=[3], method=LocalVariation(subspace=signal))


def test_a_set_that_would_overshoot_is_cut_to_its_middle() -> None:
    star = nx.star_graph(6)
    nx.set_edge_attributes(star, {(0, v): float(v) for v in range(1, 7)}, "weight")
    for size in range(1, 7):
        hierarchy = coarsen(star, sizes=[size], method=LocalVariation(k=3))
        assert hierarchy.sizes[-1] == size
        assert_valid_hierarchy(hierarchy)


@pytest.mark.parametrize("small_world", [False, True])
def test_sparse_and_dense_eigenvectors_span_the_same(
    small_world: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = as_graph(nx.random_geometric_graph(200, 0.15, seed=2))
    dense = leading_eigenvectors(graph, 5)
    monkeypatch.setattr("multiscale_gcn.graph.spectrum.DENSE", 10)
    monkeypatch.setattr("multiscale_gcn.graph.spectrum._is_small_world", lambda matrix: small_world)
    sparse = leading_eigenvectors(graph, 5)
    np.testing.assert_allclose(sparse @ sparse.T, dense @ dense.T, atol=1e-4)


def test_meshes_are_factorised_and_power_laws_are_not() -> None:
    mesh = as_graph(trimesh.creation.icosphere(subdivisions=4))
    power_law = as_graph(nx.barabasi_albert_graph(1000, 3, seed=1))
    assert not _is_small_world(laplacian(mesh))
    assert _is_small_world(laplacian(power_law))
    assert coarsen(power_law, sizes=[300], method=LocalVariation()).sizes[-1] == 300


def test_local_variation_keeps_components() -> None:
    two = nx.disjoint_union(nx.path_graph(6), nx.star_graph(5))
    for family in ("edges", "neighborhoods"):
        method = LocalVariation(family=family, k=4)
        assert coarsen(two, sizes=[2], method=method).sizes[-1] == 2
        with pytest.raises(ValueError, match="at least 2 nodes must remain: LocalVariation"):
            coarsen(two, sizes=[1], method=method)
