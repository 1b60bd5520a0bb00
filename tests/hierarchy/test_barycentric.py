"""The linear prolongation, held to its definition node by node and to what it must reproduce."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.coarsening import prolongation
from multiscale_gcn import Graph, Hierarchy, as_graph, coarsen
from multiscale_gcn.hierarchy.barycentric import FLAT, LARGEST_SUM
from multiscale_gcn.testing import graphs


@st.composite
def placed_hierarchies(draw: st.DrawFn, cases: list[str]) -> tuple[Hierarchy, np.ndarray]:
    """With positions anywhere, on a line, or on a coarse lattice where many coincide."""
    drawn = graphs(min_nodes=1, max_nodes=25) | st.just(as_graph(nx.grid_2d_graph(6, 6)))
    hierarchy = coarsen(draw(drawn), min_nodes=1)
    shape = (hierarchy[0].num_nodes, draw(st.integers(1, 3)))
    positions = np.random.default_rng(draw(st.integers(0, 999))).normal(size=shape)
    case = draw(st.sampled_from(cases))
    if case == "line":
        positions = positions[:, :1] * np.arange(1, shape[1] + 1)
    return hierarchy, np.rint(positions) if case == "lattice" else positions


def by_definition(
    star: list[int], away: np.ndarray, offsets: np.ndarray, num_coarse: int
) -> np.ndarray:
    """The row of a node that lies ``away`` from its coarse node, the first of the star, whose
    members have these offsets from it: in as many directions as the bound allows."""
    extents, axes = np.linalg.svd(offsets - offsets.mean(axis=0))[1:]
    extents = np.append(extents, np.zeros(len(axes)))[: len(axes)]
    for most in range(len(axes), -1, -1):
        kept = axes[:most][extents[:most] > FLAT * extents[0]]
        asked = np.vstack([np.ones(len(star)), kept @ offsets.T])
        change = np.linalg.pinv(asked) @ np.concatenate([[0], kept @ away])
        weights = np.eye(len(star))[0] + change
        if np.abs(weights).sum() <= LARGEST_SUM:
            break
    row = np.zeros(num_coarse)
    row[star] = weights
    return row


@given(placed_hierarchies(["anywhere", "line"]), st.data())
def test_every_row_is_its_definition(case, data) -> None:
    hierarchy, positions = case
    coarse = data.draw(st.integers(0, len(hierarchy) - 1))
    fine = data.draw(st.integers(0, coarse))
    found = hierarchy.prolongation(coarse, fine, "linear", positions=positions)
    at_fine = hierarchy.coarse_positions(positions, fine)
    at_coarse = hierarchy.coarse_positions(positions, coarse)
    graph = hierarchy[coarse].graph.to_scipy().toarray()
    for u, parent in enumerate(hierarchy.parent(fine, coarse)):
        star = [int(parent), *(v for v in np.flatnonzero(graph[parent]).tolist() if v != parent)]
        offsets = at_coarse[star] - at_coarse[parent]
        expected = by_definition(star, at_fine[u] - at_coarse[parent], offsets, len(graph))
        np.testing.assert_allclose(found[[u]].toarray()[0], expected, atol=1e-6)


@given(placed_hierarchies(["anywhere", "line", "lattice"]))
def test_rows_sum_to_one_and_are_bounded(case) -> None:
    hierarchy, positions = case
    P = hierarchy.prolongation(-1, 0, "linear", positions=positions).toarray()
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-9)
    assert (np.abs(P).sum(axis=1) <= LARGEST_SUM * (1 + 1e-12)).all()


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e300])
def test_what_is_linear_in_a_plane_comes_back(scale: float) -> None:
    """A grid in the plane, and the same plane somewhere in space, in any unit."""
    grid = nx.grid_2d_graph(12, 12)
    plane = np.array(list(grid), dtype=float)
    in_space = plane @ np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]]) + [5.0, -7.0, 2.0]
    hierarchy = coarsen(grid, sizes=[36])
    values = plane @ [2.0, -3.0] + 4.0
    for positions in (plane, in_space):
        P = hierarchy.prolongation(-1, 0, "linear", positions=positions * scale)
        back = P @ hierarchy.restrict(values, 0, -1)
        np.testing.assert_allclose(back, values, atol=1e-9)


def test_the_finest_level_to_itself_is_the_identity() -> None:
    grid = nx.grid_2d_graph(4, 5)
    P = coarsen(grid, levels=1).prolongation(0, 0, "linear", positions=np.array(list(grid)))
    np.testing.assert_array_equal(P.toarray(), np.eye(20))


def test_without_neighbours_and_in_one_place_the_row_is_the_constant_one() -> None:
    alone = Hierarchy.from_parents(as_graph(nx.empty_graph(4)), [[0, 0, 1, 1]])
    path = coarsen(nx.path_graph(4), sizes=[2])
    for hierarchy, positions in (
        (alone, np.arange(12.0).reshape(4, 3)),
        (path, np.ones((4, 3))),
        (path, np.empty((4, 0))),
    ):
        P = hierarchy.prolongation(1, 0, "linear", positions=positions)
        np.testing.assert_array_equal(P.toarray(), hierarchy.prolongation(1, 0).toarray())
    empty = Hierarchy.from_parents(Graph([0], []), [[]])
    assert empty.prolongation(1, 0, "linear", positions=np.empty((0, 3))).shape == (0, 0)


def test_rounding_to_float32_says_nothing_of_a_plane() -> None:
    """What leaves the plane is noise, and must not be reproduced."""
    grid = nx.grid_2d_graph(12, 12)
    plane = np.array(list(grid)) @ np.array([[0.3, 0.2, 0.9], [-0.8, 0.5, 0.1]])
    hierarchy = coarsen(grid, sizes=[36])
    exact, rounded = (
        hierarchy.prolongation(-1, 0, "linear", positions=positions).toarray()
        for positions in (plane, plane.astype(np.float32))
    )
    np.testing.assert_allclose(rounded, exact, atol=1e-4)


def test_a_tenth_of_what_the_constant_one_loses_is_not_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    prolongation.main(("sphere",))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    lost = {row[1]: [float(x) for x in row[2:]] for row in rows if row[0] == "sphere"}
    assert list(lost) == ["n/4", "n/16", "n/64"]
    for constant, _, linear, twisted_constant, _, twisted_linear in lost.values():
        assert linear < constant / 10
        assert twisted_linear < twisted_constant / 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "linear"}, "kind = 'linear' needs positions; give those of the finest level's"),
        ({"positions": np.ones((4, 2))}, "positions goes with kind='linear' only; leave it out"),
        ({"kind": "linear", "positions": np.ones((3, 2))}, r"shape \(3, 2\), expected \(4, d\)"),
        ({"kind": "linear", "positions": np.ones(4)}, r"shape \(4,\), expected \(4, d\)"),
        ({"kind": "linear", "positions": [["a"]] * 4}, "positions must hold real numbers"),
        (
            {"kind": "linear", "positions": [[0.0]] * 3 + [[np.nan]]},
            r"positions\[3, 0\] = nan must",
        ),
        (
            {"kind": "linear", "positions": np.ones((4, 2)), "damping": 1},
            "kind='smoothed_once' only",
        ),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(4), sizes=[2]).prolongation(1, 0, **options)
