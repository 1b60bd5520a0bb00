import networkx as nx
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    DefferrardMatching,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    LocalVariation,
    MetisPartition,
    VisitingOrderMatching,
    as_graph,
    assess,
    coarsen,
    compare,
    round_weights,
    to_networkx,
)
from multiscale_gcn.quality import (
    BLOSSOM,
    cut_weight,
    disconnected_clusters,
    eigenvalue_errors,
    matched_weight,
    num_components,
    optimum_ratio,
    restricted_spectral_similarity,
)
from multiscale_gcn.testing import graphs


def tame(graph: Graph) -> Graph:
    """The same edges with weights that are not far apart, so that spectra are accurate."""
    u, v = graph.edge_index()
    return Graph(graph.indptr, graph.indices, 1 + (u ^ v) % 4, graph.node_weights)


@st.composite
def clustered(draw: st.DrawFn) -> Hierarchy:
    graph = tame(draw(graphs(min_nodes=1, max_nodes=14)))
    parents = []
    n = graph.num_nodes
    for _ in range(draw(st.integers(0, 2))):
        drawn = draw(st.lists(st.integers(0, n), min_size=n, max_size=n))
        parents.append(np.unique(drawn, return_inverse=True)[1])
        n = int(parents[-1].max()) + 1
    return Hierarchy.from_parents(graph, parents)


def dense_laplacian(graph: Graph) -> np.ndarray:
    W = graph.to_scipy().toarray()
    np.fill_diagonal(W, 0)
    return np.diag(W.sum(axis=1)) - W


@given(clustered())
def test_matched_and_cut_weight_share_the_edges(hierarchy: Hierarchy) -> None:
    parent = hierarchy.parent(0, -1)
    edges = [
        (u, v, d["weight"])
        for u, v, d in to_networkx(hierarchy[0].graph).edges(data=True)
        if u != v
    ]
    assert matched_weight(hierarchy) == sum(w for u, v, w in edges if parent[u] == parent[v])
    assert cut_weight(hierarchy) == sum(w for u, v, w in edges if parent[u] != parent[v])


@given(clustered(), st.integers(2, 8))
def test_eigenvalue_errors_are_those_of_the_restricted_problem(hierarchy, k) -> None:
    graph = hierarchy[0].graph
    C = np.eye(hierarchy[-1].num_nodes)[hierarchy.parent(0, -1)]
    ours = np.linalg.eigvalsh(dense_laplacian(graph))
    # minimise x^T L x / x^T x over the x that are constant on every cluster
    theirs = scipy.linalg.eigh(C.T @ dense_laplacian(graph) @ C, C.T @ C, eigvals_only=True)
    zeros = nx.number_connected_components(to_networkx(graph))
    last = min(zeros + k - 1, len(theirs))
    expected = [(theirs[i] - ours[i]) / ours[i] for i in range(zeros, last)]
    errors = eigenvalue_errors(hierarchy, k=k)
    np.testing.assert_allclose(errors, expected, atol=1e-8)
    assert (errors > -1e-8).all()


def test_what_stands_in_the_place_of_a_zero_is_no_error() -> None:
    """Two paths of three nodes with eigenvalues 0, 1, 3 each, joined at their ends."""
    two = nx.disjoint_union(nx.path_graph(3), nx.path_graph(3))
    torn = Hierarchy.from_parents(two, [[0, 1, 2, 2, 3, 4]])
    indicators = np.eye(5)[torn.parent(0, 1)]
    L = dense_laplacian(torn[0].graph)
    mu = scipy.linalg.eigh(indicators.T @ L @ indicators, indicators.T @ indicators)[0]
    np.testing.assert_allclose(eigenvalue_errors(torn, k=3), mu[2:4] - 1, atol=1e-9)


@given(clustered(), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_epsilon_bounds_what_is_lost_and_is_reached(hierarchy, k, seed) -> None:
    L = dense_laplacian(hierarchy[0].graph)
    _, U = np.linalg.eigh(L)
    U = U[:, : num_components(hierarchy, 0) + k - 1]
    epsilon = restricted_spectral_similarity(hierarchy, k=k)
    P = np.eye(hierarchy[0].num_nodes)
    C = P
    for level in hierarchy.levels[:-1]:
        one = np.eye(level.parent.max() + 1)[level.parent]
        C = C @ one
        P = (one / one.sum(axis=0)).T @ P
    reached = 0.0
    for x in np.random.default_rng(seed).normal(size=(20, U.shape[1])) @ U.T:
        lost = x - C @ (P @ x)
        energy, energy_lost = x @ L @ x, lost @ L @ lost
        if energy > 1e-9:
            assert energy_lost <= epsilon**2 * energy + 1e-9
    for x in _worst(L, U, np.eye(len(L)) - C @ P):
        lost = x - C @ (P @ x)
        reached = max(reached, float(np.sqrt(abs(lost @ L @ lost) / (x @ L @ x))))
    if np.isfinite(epsilon):
        assert reached == pytest.approx(epsilon, abs=1e-5)


def _worst(L: np.ndarray, U: np.ndarray, lose: np.ndarray) -> np.ndarray:
    """Vectors of the subspace, orthogonal to the kernel of L, that may lose most."""
    values = np.einsum("nk,nm,mk->k", U, L, U)
    V = U[:, values > 1e-9]
    if not V.shape[1]:
        return np.empty((0, len(L)))
    lost = lose @ V
    return (V @ scipy.linalg.eigh(lost.T @ L @ lost, V.T @ L @ V)[1]).T


def test_epsilon_is_infinite_where_components_are_torn_together() -> None:
    two = nx.disjoint_union(nx.path_graph(3), nx.path_graph(3))
    torn = Hierarchy.from_parents(two, [[0, 1, 2, 2, 3, 4]])
    assert restricted_spectral_similarity(torn, k=4) == np.inf
    kept = Hierarchy.from_parents(two, [[0, 1, 1, 2, 3, 3]])
    assert 0 < restricted_spectral_similarity(kept, k=4) < np.inf
    for unit in (2.0**-60, 2.0**60):
        graph = torn[0].graph
        scaled = Graph(graph.indptr, graph.indices, unit * graph.weights)
        other = Hierarchy.from_parents(scaled, [torn.parent(0, 1)])
        assert restricted_spectral_similarity(other, k=4) == np.inf
    assert num_components(torn) == 1
    assert assess(torn).components_lost == 1


@given(clustered(), st.integers(1, 6), st.sampled_from([2.0**-60, 2.0**-20, 2.0**40]))
def test_figures_do_not_depend_on_the_unit_of_the_weights(hierarchy, k, unit) -> None:
    graph = hierarchy[0].graph
    scaled = Graph(graph.indptr, graph.indices, unit * graph.weights, graph.node_weights)
    other = Hierarchy.from_parents(scaled, [level.parent for level in hierarchy.levels[:-1]])
    ours, theirs = assess(hierarchy, k=k), assess(other, k=k)
    assert np.isinf(ours.epsilon) == np.isinf(theirs.epsilon)
    for name, value in vars(ours).items():
        expected = getattr(theirs, name)
        if isinstance(value, float) and np.isfinite(value):
            assert value == pytest.approx(expected, rel=1e-5, abs=1e-5), name
        else:
            assert value == expected, name


def test_the_optimum_is_sought_up_to_a_size() -> None:
    for n, sought in ((BLOSSOM, True), (BLOSSOM + 1, False)):
        assert (assess(coarsen(nx.path_graph(n), levels=1)).optimum is not None) == sought


@settings(max_examples=30)
@given(graphs(min_nodes=2, max_nodes=9))
def test_no_matching_beats_the_optimum(graph: Graph) -> None:
    graph, _ = round_weights(graph)
    edges = [(u, v, w) for u, v, w in to_networkx(graph).edges(data="weight") if u != v]
    hierarchy = coarsen(graph, levels=1)
    if not edges:
        with pytest.raises(ValueError, match="no edges"):
            optimum_ratio(hierarchy)
        return

    def best(at: int, free: frozenset[int]) -> float:
        if at == len(edges):
            return 0.0
        u, v, w = edges[at]
        without = best(at + 1, free)
        return max(without, w + best(at + 1, free - {u, v})) if {u, v} <= free else without

    if len(edges) <= 14:
        expected = matched_weight(hierarchy) / best(0, frozenset(range(graph.num_nodes)))
        assert optimum_ratio(hierarchy) == pytest.approx(expected)
    assert optimum_ratio(hierarchy) <= 1 + 1e-12


def test_the_optimum_is_of_pairs() -> None:
    with pytest.raises(ValueError, match="cluster 0 has 3 nodes; only matchings"):
        optimum_ratio(Hierarchy.from_parents(nx.path_graph(4), [[0, 0, 0, 1]]))


def test_assess_gathers_the_figures() -> None:
    hierarchy = coarsen(nx.grid_2d_graph(6, 6), sizes=[18, 5])
    quality = assess(hierarchy, 0, 1, k=4)
    assert quality.nodes == 18
    assert quality.reduction == 2
    assert quality.matched == matched_weight(hierarchy, 0, 1) / 60
    assert quality.matched + quality.cut == pytest.approx(1)
    assert quality.optimum == optimum_ratio(hierarchy, 0, 1)
    assert quality.eigenvalue_error == eigenvalue_errors(hierarchy, 0, 1, k=4).mean()
    assert quality.epsilon == restricted_spectral_similarity(hierarchy, 0, 1, k=4)
    assert quality.components == 1
    coarser = assess(hierarchy)
    assert coarser.optimum is None
    assert coarser.balance == hierarchy[-1].graph.node_weights.max() / (36 / 5)


def test_edgeless_graphs_and_single_nodes() -> None:
    quality = assess(coarsen(nx.empty_graph(4), sizes=[1]))
    assert (quality.matched, quality.optimum, quality.eigenvalue_error) == (0, None, None)
    assert quality.epsilon == 0
    with pytest.raises(ValueError, match="the graph has no nodes"):
        assess(coarsen(nx.empty_graph(0), levels=1))


def test_compare_gives_rows_and_prints_them() -> None:
    methods = [HeavyEdgeMatching(), LocalVariation(family="edges"), MetisPartition()]
    table = compare(nx.grid_2d_graph(8, 8), methods, sizes=[4, 60])
    assert [(row["nodes"], row["method"]) for row in table.rows] == [
        (size, type(method).__name__) for size in (60, 4) for method in methods
    ]
    failed = table.rows[2]
    assert failed["note"].startswith("METIS left")
    assert failed["cut"] is None
    alone = assess(coarsen(nx.grid_2d_graph(8, 8), sizes=[4]))
    assert {**vars(alone), "method": "HeavyEdgeMatching", "note": ""} == table.rows[3]
    lines = repr(table).splitlines()
    assert lines[0].split()[:4] == ["method", "nodes", "reduction", "matched"]
    assert lines[4].split()[:3] == ["HeavyEdgeMatching", "4", "16.000"]
    assert lines[7].startswith("MetisPartition, 60 nodes: METIS left")
    assert len(lines) == 8


def test_compare_names_methods_and_refuses_nothing() -> None:
    twice = [HeavyEdgeMatching(seed=1), HeavyEdgeMatching(seed=2), VisitingOrderMatching()]
    names = [row["method"] for row in compare(nx.path_graph(9), twice, sizes=[3]).rows]
    assert names[0] == "HeavyEdgeMatching(rating=NormalizedCut(), seed=1)"
    assert names[2] == "VisitingOrderMatching"
    named = compare(nx.path_graph(9), {"a": DefferrardMatching()}, sizes=[3])
    assert named.rows[0]["method"] == "a"
    with pytest.raises(ValueError, match="methods is empty"):
        compare(nx.path_graph(9), [], sizes=[3])
    with pytest.raises(ValueError, match="sizes is empty"):
        compare(nx.path_graph(9), twice, sizes=[])
    with pytest.raises(ValueError, match="sizes has 10, and the graph has 9 nodes"):
        compare(nx.path_graph(9), twice, sizes=[10])


def test_local_variation_has_the_smaller_errors() -> None:
    graph = as_graph(nx.random_geometric_graph(200, 0.14, seed=4))
    methods = {"hem": HeavyEdgeMatching(), "local": LocalVariation()}
    hem, local = compare(graph, methods, sizes=[100]).rows
    assert local["epsilon"] < hem["epsilon"]
    assert local["eigenvalue_error"] < hem["eigenvalue_error"]


@pytest.mark.parametrize("size", [3, 40])
def test_more_components_than_eigenvalues_are_asked_for(size: int) -> None:
    """One of them alone, with all its zeros, would keep an eigensolver busy without end."""
    one = nx.path_graph(size)
    many = nx.disjoint_union_all([one] * 60)
    together = assess(coarsen(many, levels=1))
    assert together.components == 60
    assert together.components_lost == 0
    smallest = eigenvalue_errors(coarsen(many, levels=1), k=5)
    assert smallest == pytest.approx([eigenvalue_errors(coarsen(one, levels=1), k=2)[0]] * 4)
    assert 0 < together.epsilon < np.inf


def test_a_figure_that_is_empty_says_why() -> None:
    quality = assess(coarsen(nx.empty_graph(5), levels=1))
    assert quality.eigenvalue_error is None
    assert quality.note == "no eigenvalue beyond 0 is left to compare"
    assert assess(coarsen(nx.path_graph(8), levels=1)).note == ""


@given(clustered())
def test_disconnected_clusters_are_counted(hierarchy) -> None:
    graph, parent = to_networkx(hierarchy[0].graph), hierarchy.parent(0, -1)
    clusters = [np.flatnonzero(parent == c).tolist() for c in range(hierarchy[-1].num_nodes)]
    apart = [not nx.is_connected(graph.subgraph(members)) for members in clusters]
    assert disconnected_clusters(hierarchy) == sum(apart)
    assert assess(hierarchy).disconnected == sum(apart)
