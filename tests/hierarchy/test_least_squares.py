"""Least squares through a prolongation, against NumPy's of dense matrices."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from benchmarks.coarsening.graphs import sphere_points
from multiscale_gcn import Hierarchy, as_graph, coarsen
from multiscale_gcn.hierarchy.least_squares import RIDGE, least_squares
from multiscale_gcn.testing import graphs


def dense(P: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(P, values, rcond=1e-5)[0]


@given(
    graphs(min_nodes=1, max_nodes=25),
    st.sampled_from(["constant", "smoothed", "smoothed_once"]),
    st.data(),
)
def test_no_coarse_values_come_nearer(graph, kind: Any, data) -> None:
    hierarchy = coarsen(graph, min_nodes=1)
    coarse = data.draw(st.integers(0, len(hierarchy) - 1))
    fine = data.draw(st.integers(0, coarse))
    seed = data.draw(st.integers(0, 999))
    values = np.random.default_rng(seed).normal(size=(hierarchy[fine].num_nodes, 2))
    P = hierarchy.prolongation(coarse, fine, kind).toarray()
    found = hierarchy.least_squares(values, fine, coarse, kind)
    lost, least = (np.linalg.norm(P @ x - values) for x in (found, dense(P, values)))
    assert lost <= least * (1 + 1e-6) + 1e-9


@given(st.integers(0, 2**16), st.integers(1, 8), st.integers(0, 8))
def test_of_several_the_shortest_is_taken(seed: int, columns: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    P = rng.normal(size=(10, rank)) @ rng.normal(size=(rank, columns))
    values = rng.normal(size=(10, 3))
    singular = np.linalg.svd(P, compute_uv=False)[:rank]
    if rank and columns > 0 and singular[min(rank, columns) - 1] < 1e-2 * singular[0]:
        return
    found = least_squares(sp.csr_array(P), values) if P.any() else np.zeros((columns, 3))
    np.testing.assert_allclose(found, dense(P, values), atol=1e-5)


def test_nearly_singular_directions_are_found_down_to_a_three_thousandth() -> None:
    P = sp.csr_array(np.diag([1.0, 1e-2, 5e-4, RIDGE]))
    found = least_squares(P, np.ones((4, 1)))
    np.testing.assert_allclose(found[:3, 0], [1, 100, 2000], rtol=1e-9)
    assert abs(found[3, 0]) < 1 / RIDGE


@pytest.mark.parametrize("kind", ["constant", "smoothed", "smoothed_once", "linear"])
def test_what_was_prolonged_is_found_again(kind: Any) -> None:
    grid = nx.grid_2d_graph(12, 12)
    options: dict[str, Any] = {"positions": np.array(list(grid))} if kind == "linear" else {}
    hierarchy = coarsen(grid, sizes=[36])
    coarse_values = np.random.default_rng(0).normal(size=(36, 2, 2))
    P = hierarchy.prolongation(-1, 0, kind, **options)
    values = np.einsum("nm,mij->nij", P.toarray(), coarse_values)
    found = hierarchy.least_squares(values, 0, -1, kind, **options)
    np.testing.assert_allclose(found, coarse_values, atol=1e-7)


def test_through_constants_it_is_the_mean_over_all_members() -> None:
    graph = as_graph(nx.star_graph(8))
    hierarchy = Hierarchy.from_parents(graph, [[0, 0, 0, 1, 1, 1, 1, 1, 2], [0, 0, 1]])
    values = np.arange(9.0)
    found = hierarchy.least_squares(values, 0, 2, "constant")
    np.testing.assert_allclose(found, hierarchy.restrict(values, 0, 2, "weighted_mean"))


def test_a_third_of_what_means_lose_through_the_smoothed_one() -> None:
    points = sphere_points(600)
    hierarchy = coarsen(ConvexHull(points).simplices.astype(np.int64), sizes=[150])
    P = hierarchy.prolongation(-1, 0, "smoothed")
    lost = [
        np.linalg.norm(P @ down - points)
        for down in (
            hierarchy.restrict(points, 0, -1),
            hierarchy.least_squares(points, 0, -1, "smoothed"),
        )
    ]
    assert lost[1] < lost[0] / 3


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_large_and_small_values_are_as_good(scale: float) -> None:
    hierarchy = coarsen(nx.path_graph(12), sizes=[4])
    values = np.sin(np.arange(12.0))
    np.testing.assert_allclose(
        hierarchy.least_squares(values * scale, 0, -1),
        hierarchy.least_squares(values, 0, -1) * scale,
        rtol=1e-9,
    )


def test_nothing_is_fitted_by_nothing() -> None:
    hierarchy = coarsen(nx.path_graph(4), sizes=[2])
    assert hierarchy.least_squares(np.empty((4, 0)), 0, 1).shape == (2, 0)
    assert hierarchy.least_squares(np.zeros(4), 0, 1).tolist() == [0, 0]
    assert least_squares(sp.csr_array((0, 0)), np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.ones(3), {}, r"values has shape \(3,\), expected \(4, ...\)"),
        ([1, 2, np.nan, 4], {}, r"values\[2\] = nan must be finite"),
        ([[1], [2], [3], [np.inf]], {}, r"values\[3, 0\] = inf must be finite"),
        (["a"] * 4, {}, "values must hold real numbers"),
        (np.ones(4), {"kind": "best"}, "kind = 'best' is none of 'constant', 'smoothed'"),
        (np.ones(4), {"kind": "linear"}, "kind = 'linear' needs positions"),
        (np.ones(4), {"kind": "constant", "damping": 1}, "damping = 1 goes with kind='smoothed'"),
    ],
)
def test_bad_input_to_it_is_refused(values: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(4), sizes=[2]).least_squares(values, 0, 1, **options)
