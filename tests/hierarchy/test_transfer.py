"""Values, labels, edge attributes and faces between levels, held to plain loops."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Graph, Hierarchy, as_graph, coarsen
from multiscale_gcn.hierarchy.smoothing import DENSE_NODES, largest_eigenvalue, scaled_laplacian
from multiscale_gcn.testing import graphs

NODE_KINDS: tuple[Literal["sum", "mean", "weighted_mean", "max", "min"], ...] = (
    "sum",
    "mean",
    "weighted_mean",
    "max",
    "min",
)
EDGE_KINDS: tuple[Literal["sum", "mean", "max", "min"], ...] = ("sum", "mean", "max", "min")


@st.composite
def hierarchies(draw: st.DrawFn) -> Hierarchy:
    """Of pairs, or of clusters of any size."""
    graph = draw(graphs(min_nodes=1, max_nodes=20))
    if draw(st.booleans()):
        return coarsen(graph, min_nodes=1)
    parents = []
    n = graph.num_nodes
    for _ in range(draw(st.integers(1, 3))):
        drawn = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
        parents.append(np.unique(drawn, return_inverse=True)[1])
        n = int(parents[-1].max()) + 1
    return Hierarchy.from_parents(graph, parents)


@st.composite
def level_pairs(draw: st.DrawFn) -> tuple[Hierarchy, int, int]:
    hierarchy = draw(hierarchies())
    coarse = draw(st.integers(0, len(hierarchy) - 1))
    return hierarchy, draw(st.integers(0, coarse)), coarse


def ancestor(hierarchy: Hierarchy, node: int, fine: int, coarse: int) -> int:
    for level in hierarchy.levels[fine:coarse]:
        assert level.parent is not None
        node = int(level.parent[node])
    return node


def restricted_by_loops(
    hierarchy: Hierarchy, values: np.ndarray, fine: int, coarse: int, kind: str
) -> np.ndarray:
    if kind == "mean" and coarse > fine + 1:  # step by step
        values = restricted_by_loops(hierarchy, values, fine, coarse - 1, kind)
        fine = coarse - 1
    result = []
    weights = hierarchy[fine].graph.node_weights
    for i in range(hierarchy[coarse].num_nodes):
        members = [u for u in range(len(values)) if ancestor(hierarchy, u, fine, coarse) == i]
        total = sum(values[u] for u in members)
        if kind == "max":
            value = values[members[0]]
            for u in members[1:]:
                value = np.where(values[u] > value, values[u], value)
        elif kind == "min":
            value = values[members[0]]
            for u in members[1:]:
                value = np.where(values[u] < value, values[u], value)
        elif kind == "mean":
            value = total / len(members)
        elif kind == "weighted_mean":
            value = sum(weights[u] * values[u] for u in members) / sum(weights[u] for u in members)
        else:
            value = total
        result.append(value)
    return np.array(result)


@given(level_pairs(), st.sampled_from(NODE_KINDS), st.sampled_from([(), (3,), (2, 2), (0,)]))
def test_restrict_is_the_loop_over_descendants(pair, kind, features) -> None:
    hierarchy, fine, coarse = pair
    values = np.random.default_rng(0).normal(size=(hierarchy[fine].num_nodes, *features))
    ours = hierarchy.restrict(values, fine, coarse, kind)
    np.testing.assert_allclose(
        ours, restricted_by_loops(hierarchy, values, fine, coarse, kind), rtol=1e-12, atol=1e-12
    )
    assert ours.shape == (hierarchy[coarse].num_nodes, *features)


@given(level_pairs(), st.sampled_from(NODE_KINDS), st.data())
def test_nan_reaches_its_coarse_node_and_no_other(pair, kind, data) -> None:
    hierarchy, fine, coarse = pair
    n = hierarchy[fine].num_nodes
    lost = data.draw(st.integers(0, n - 1))
    values = np.arange(n, dtype=float)[::-1].copy()
    values[lost] = np.nan
    expected = np.arange(hierarchy[coarse].num_nodes) == ancestor(hierarchy, lost, fine, coarse)
    assert np.isnan(hierarchy.restrict(values, fine, coarse, kind)).tolist() == expected.tolist()


def most_common(values: list[Any]) -> Any:
    """Of the values that occur most often the smallest."""
    counts = Counter(values)
    return min(value for value in counts if counts[value] == max(counts.values()))


@given(
    level_pairs(),
    st.sampled_from([int, str, bool, np.float32, "datetime64[D]", object]),
    st.sampled_from([(), (3,), (2, 2), (0,)]),
    st.integers(0, 2**32 - 1),
)
def test_the_majority_is_the_most_common_value_of_each_column(pair, dtype, features, seed) -> None:
    hierarchy, fine, coarse = pair
    drawn = np.random.default_rng(seed).integers(0, 3, (hierarchy[fine].num_nodes, *features))
    values = drawn.astype(str).astype(object) if dtype is object else drawn.astype(dtype)
    ours = hierarchy.restrict(values, fine, coarse, "majority")
    assert ours.dtype == values.dtype
    assert ours.shape == (hierarchy[coarse].num_nodes, *features)
    columns = int(np.prod(features))
    flat, ours = values.reshape(len(values), columns), ours.reshape(len(ours), columns)
    for i in range(len(ours)):
        members = [u for u in range(len(values)) if ancestor(hierarchy, u, fine, coarse) == i]
        assert list(ours[i]) == [most_common(list(flat[members, c])) for c in range(columns)]


def test_nan_is_a_value_to_the_majority_and_the_largest() -> None:
    hierarchy = Hierarchy.from_parents(nx.path_graph(6), [[0, 0, 0, 1, 1, 2]])
    values = [np.nan, np.nan, 1, np.nan, 2, np.nan]
    found = hierarchy.restrict(values, 0, 1, "majority")
    np.testing.assert_array_equal(found, [np.nan, 2, np.nan])


def test_the_maximum_keeps_the_type() -> None:
    hierarchy = coarsen(nx.path_graph(4), sizes=[2])
    for dtype in (np.bool_, np.int8, np.uint64, np.float32):
        values = np.array([0, 1, 0, 0], dtype=dtype)
        result = hierarchy.restrict(values, 0, 1, "max")
        assert result.dtype == dtype
        assert result.tolist() == [1, 0]
        assert hierarchy.restrict(values, 0, 1, "min").dtype == dtype
    assert hierarchy.restrict(values, 0, 1, "sum").dtype == np.float64


@given(level_pairs())
def test_labels_are_lifted_and_come_back(pair) -> None:
    hierarchy, fine, coarse = pair
    labels = np.array([f"part {i}" for i in range(hierarchy[coarse].num_nodes)])
    lifted = hierarchy.prolong(labels, coarse, fine)
    assert lifted.tolist() == [
        labels[ancestor(hierarchy, u, fine, coarse)] for u in range(hierarchy[fine].num_nodes)
    ]
    vectors = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    lifted = hierarchy.prolong(vectors, coarse, fine)
    assert lifted.dtype == np.float32
    np.testing.assert_array_equal(lifted, hierarchy.prolongation(coarse, fine) @ vectors)
    np.testing.assert_array_equal(hierarchy.restrict(lifted, fine, coarse, "max"), vectors)


@given(level_pairs(), st.sampled_from(EDGE_KINDS), st.sampled_from([(), (2,)]))
def test_edge_attributes_are_the_loop_over_entries(pair, kind, features) -> None:
    hierarchy, fine, coarse = pair
    inner, outer = hierarchy[fine].graph, hierarchy[coarse].graph
    attributes = np.random.default_rng(0).normal(size=(inner.num_entries, *features))
    merged: dict[tuple[int, int], list[np.ndarray]] = {}
    for (u, v), attribute in zip(inner.edge_index().T, attributes, strict=True):
        ends = (ancestor(hierarchy, u, fine, coarse), ancestor(hierarchy, v, fine, coarse))
        merged.setdefault(ends, []).append(attribute)
    expected = [
        getattr(np.array(merged[u, v]), kind)(axis=0) for u, v in outer.edge_index().T.tolist()
    ]
    ours = hierarchy.restrict_edges(attributes, fine, coarse, kind)
    assert ours.shape == (outer.num_entries, *features)
    np.testing.assert_allclose(ours, np.array(expected).reshape(ours.shape), rtol=1e-12, atol=1e-12)


@given(level_pairs())
def test_sums_of_weights_are_the_coarse_weights(pair) -> None:
    hierarchy, fine, coarse = pair
    ours = hierarchy.restrict_edges(hierarchy[fine].graph.weights, fine, coarse)
    np.testing.assert_array_equal(ours, hierarchy[coarse].graph.weights)


def smoothed_by_formula(
    hierarchy: Hierarchy, coarse: int, fine: int, damping: float | None
) -> np.ndarray:
    P = np.eye(hierarchy[fine].num_nodes)
    for k in range(fine, coarse):
        W = hierarchy[k].graph.to_scipy().toarray()
        np.fill_diagonal(W, 0)
        D = W.sum(1)
        step = np.array([(np.diag(D) - W)[i] / D[i] if D[i] else 0 * D for i in range(len(D))])
        omega = damping
        if omega is None:
            largest = np.linalg.eigvals(step).real.max()
            omega = 4 / 3 / largest if W.any() else 0.0
        P = P @ (np.eye(len(D)) - omega * step) @ hierarchy.prolongation(k + 1, k).toarray()
    return P


@given(level_pairs(), st.sampled_from([None, 0.5, 1.0]))
def test_smoothed_prolongation_is_its_formula(pair, damping) -> None:
    hierarchy, fine, coarse = pair
    P = hierarchy.prolongation(coarse, fine, "smoothed", damping=damping)
    np.testing.assert_allclose(
        P.toarray(), smoothed_by_formula(hierarchy, coarse, fine, damping), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-9)


@given(level_pairs(), st.sampled_from([None, 0.5, 1.0]))
def test_smoothing_once_is_its_formula(pair, damping) -> None:
    hierarchy, fine, coarse = pair
    once = hierarchy.prolongation(coarse, fine, "smoothed_once", damping=damping)
    parents = hierarchy.parent(fine, coarse)
    direct = Hierarchy.from_parents(hierarchy[fine].graph, [parents] if coarse > fine else [])
    np.testing.assert_allclose(
        once.toarray(),
        smoothed_by_formula(direct, len(direct) - 1, 0, damping),
        rtol=1e-6,
        atol=1e-9,
    )
    if coarse == fine + 1:
        smoothed = hierarchy.prolongation(coarse, fine, "smoothed", damping=damping)
        np.testing.assert_array_equal(once.toarray(), smoothed.toarray())


def test_smoothing_once_has_fewer_entries() -> None:
    hierarchy = coarsen(nx.grid_2d_graph(24, 24), levels=3)
    every = hierarchy.prolongation(3, 0, "smoothed").nnz
    assert hierarchy.prolongation(3, 0, "smoothed_once").nnz < 0.7 * every


def test_largest_eigenvalue_of_large_graphs() -> None:
    graph = as_graph(nx.grid_2d_graph(30, 40))
    assert graph.num_nodes > DENSE_NODES
    assert largest_eigenvalue(scaled_laplacian(graph)) == pytest.approx(2, rel=1e-3), "bipartite"
    mesh = as_graph(nx.random_geometric_graph(300, 0.12, seed=1))
    W = mesh.to_scipy().toarray()
    alone = W.sum(1) == 0
    L = np.diag(W.sum(1)) - W
    expected = np.linalg.eigvals(L / np.where(alone, 1, W.sum(1))[:, None]).real.max()
    assert largest_eigenvalue(scaled_laplacian(mesh)) == pytest.approx(expected, rel=1e-3)


def two_grid_rate(hierarchy: Hierarchy, kind: Literal["constant", "smoothed"]) -> float:
    """Factor by which a two-grid cycle on the Laplacian plus a shift shrinks the error."""
    W = hierarchy[0].graph.to_scipy().toarray()
    A = np.diag(W.sum(1)) - W + 1e-3 * np.eye(len(W))
    P = hierarchy.prolongation(1, 0, kind).toarray()
    jacobi = np.eye(len(W)) - 2 / 3 * A / np.diag(A)[:, None]
    correction = np.eye(len(W)) - P @ np.linalg.solve(P.T @ A @ P, P.T @ A)
    return float(np.abs(np.linalg.eigvals(jacobi @ correction @ jacobi)).max())


def test_smoothing_speeds_up_two_grid_cycles() -> None:
    hierarchy = Hierarchy.from_parents(nx.path_graph(81), [np.arange(81) // 3])
    assert two_grid_rate(hierarchy, "smoothed") < 0.8 * two_grid_rate(hierarchy, "constant")


@given(st.data())
def test_coarse_faces_are_proper_and_none_is_lost(data) -> None:
    n = data.draw(st.integers(3, 8))
    corner = st.integers(0, n - 1)
    faces = data.draw(st.lists(st.tuples(corner, corner, corner), max_size=30))
    drawn = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    parent = np.unique(drawn, return_inverse=True)[1]
    hierarchy = Hierarchy.from_parents(as_graph(nx.path_graph(n)), [parent])
    expected: list[list[int]] = []
    seen = set()
    for face in faces:  # the first of each set of corners, whichever way round
        corners = [int(parent[u]) for u in face]
        if len(set(corners)) == 3 and frozenset(corners) not in seen:
            seen.add(frozenset(corners))
            expected.append(corners)
    ours = hierarchy.coarse_faces(np.array(faces, dtype=int).reshape(-1, 3), 1)
    assert ours.tolist() == expected


def test_faces_that_differ_in_orientation_only_are_one() -> None:
    hierarchy = Hierarchy.from_parents(as_graph(nx.path_graph(4)), [[0, 1, 2, 2]])
    assert hierarchy.coarse_faces(np.array([[2, 1, 0], [0, 1, 3], [1, 3, 0]]), 1).tolist() == [
        [2, 1, 0]
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: h.restrict(np.ones(3), 0, 1), r"values has shape \(3,\), expected \(4, ...\)"),
        (lambda h: h.restrict(1.0, 0, 1), r"values has shape \(\)"),
        (lambda h: h.restrict(["a"] * 4, 0, 1), "values must hold real numbers"),
        (lambda h: h.restrict(["a"] * 4, 0, 1, "min"), "values must hold real numbers"),
        (lambda h: h.restrict(np.ones(4), 0, 1, "mode"), "kind = 'mode' is none of 'sum', 'mean'"),
        (lambda h: h.restrict([None] * 4, 0, 1, "majority"), "texts or dates, got dtype object"),
        (lambda h: h.restrict(np.zeros(4, "V2"), 0, 1, "majority"), r"got dtype \|V2; number"),
        (lambda h: h.restrict(["a"] * 3, 0, 1, "majority"), r"values has shape \(3,\), expected"),
        (lambda h: h.restrict(np.ones(2), 1, 0), "level 0 is finer than level 1"),
        (lambda h: h.prolong(np.ones(4), 1, 0), r"values has shape \(4,\), expected \(2, ...\)"),
        (lambda h: h.restrict_edges(np.ones(4), 0, 1), r"attributes has shape \(4,\), .* \(6, ..."),
        (lambda h: h.restrict_edges(np.ones(6), 0, 1, "weighted_mean"), "'mean', 'max', 'min'"),
        (lambda h: h.prolongation(1, 0, "cubic"), "'cubic' is none of 'constant', 'smoothed'"),
        (lambda h: h.prolongation(1, 0, damping=0.5), "goes with kind=.smoothed. and"),
        (lambda h: h.prolongation(1, 0, "smoothed", damping=0), "damping = 0 must be positive"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(coarsen(nx.path_graph(4), sizes=[2]))


def test_empty_graphs_pass() -> None:
    hierarchy = Hierarchy.from_parents(Graph([0], []), [[]])
    for kind in NODE_KINDS:
        assert hierarchy.restrict(np.empty((0, 2)), 0, 1, kind).shape == (0, 2)
    assert hierarchy.restrict(np.empty((0, 2), str), 0, 1, "majority").shape == (0, 2)
    for edge_kind in EDGE_KINDS:
        assert hierarchy.restrict_edges(np.empty(0), 0, 1, edge_kind).shape == (0,)
    assert hierarchy.prolongation(1, 0, "smoothed").shape == (0, 0)
