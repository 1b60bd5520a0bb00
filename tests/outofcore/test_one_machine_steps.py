"""Steps between folders: the arrays of steps in memory, bit by bit, however small the parts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import numpy as np
import pytest
from constrained_graphs import constrained_graphs, crowded_graphs, methods
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tally import tried

from multiscale_gcn import (
    AlgebraicDistance,
    BiStride,
    CoarseningStalled,
    Expansion,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    VisitingOrderMatching,
    as_graph,
    coarsen,
)
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.outofcore.one_machine import OneMachine
from multiscale_gcn.testing import graphs

HOW_FAR: list[dict[str, Any]] = [{"levels": 4}, {"min_nodes": 3}, {"sizes": [9, 4, 3]}]


@pytest.fixture(autouse=True)
def small_graphs_take_the_way_of_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_cpu, "SMALL", 3)


def reached(graph: Graph, **options: Any) -> Hierarchy:
    try:
        return coarsen(graph, **options)
    except CoarseningStalled as stalled:
        return stalled.hierarchy


def assert_same(ours: Hierarchy, theirs: Hierarchy) -> None:
    assert ours.sizes == theirs.sizes
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.method, ours.rounding) == (theirs.method, theirs.rounding)
    for one, other in zip(ours, theirs, strict=True):
        assert one.graph.quantum == other.graph.quantum
        assert one.graph.names == other.graph.names
        assert one.graph.indices.dtype == other.graph.indices.dtype
        for a, b in zip(
            one.constraints.arrays().values(), other.constraints.arrays().values(), strict=True
        ):
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert a.dtype == b.dtype
                assert np.array_equal(a, b)


@given(
    st.one_of(graphs().map(lambda graph: (graph, {})), constrained_graphs(), crowded_graphs()),
    methods(),
    st.sampled_from(HOW_FAR),
    st.integers(1, 9),
)
def test_every_level_is_that_in_memory(
    drawn: tuple[Graph, dict[str, Any]],
    method: HeavyEdgeMatching,
    how_far: dict[str, Any],
    entries: int,
) -> None:
    graph, constraints = drawn
    constraints = {k: v for k, v in constraints.items() if k in ("labels", "survivors")}
    options = {**how_far, **constraints, "method": method}
    if "sizes" in how_far:
        options["sizes"] = [size for size in how_far["sizes"] if size <= graph.num_nodes]
    try:
        expected = reached(graph, **options)
    except ValueError:
        assume(False)
    engine = OneMachine(entries)
    if engine.refusal(method, _constraints(constraints)) is not None:
        return
    with TemporaryDirectory() as folder:
        found = reached(graph, **options, out=folder, engine=engine)
        assert_same(found, expected)
        again = reached(graph, **options, out=folder, engine=engine)
        assert again.fingerprint == expected.fingerprint
    tried("hierarchies between folders", 1)


def _constraints(given: dict[str, Any]) -> Any:
    from multiscale_gcn import Constraints

    return Constraints(**given)


NODES = 500 + 16 * 16 + 20


def medium() -> Graph:
    """Hubs, ties, two components and isolated nodes, with ids in no order."""
    rng = np.random.default_rng(7)
    network = nx.barabasi_albert_graph(500, 3, seed=1)
    network = nx.disjoint_union(network, nx.grid_2d_graph(16, 16))
    ids = rng.permutation(NODES)[np.array(network.edges()).T]
    return as_graph(
        ids, kind="edge_index", weights=rng.integers(1, 5, ids.shape[1]), num_nodes=NODES,
        node_weights=rng.integers(1, 4, NODES), symmetrize=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "method",
    [
        HeavyEdgeMatching(),
        HeavyEdgeMatching(rating=Expansion(), max_node_weight=9, two_hop="auto"),
        HeavyEdgeMatching(isolated="keep"),
        VisitingOrderMatching(order="degree"),
        VisitingOrderMatching(),
    ],
)
@pytest.mark.parametrize("entries", [150, 10**6])
def test_a_hierarchy_of_many_levels_is_that_in_memory(
    method: HeavyEdgeMatching, entries: int, tmp_path: Path
) -> None:
    graph = medium()
    options: dict[str, Any] = {"method": method, "labels": np.arange(NODES) // 430}
    expected = reached(graph, sizes=[377, 111, 61], **options)
    found = reached(
        graph, sizes=[377, 111, 61], out=tmp_path, engine=OneMachine(entries), **options
    )
    assert len(found) > 3
    assert_same(found, expected)


def test_rows_longer_than_a_part_are_merged_whole(tmp_path: Path) -> None:
    star = as_graph(nx.star_graph(200))
    found = coarsen(star, levels=3, out=tmp_path, engine=OneMachine(2))
    assert_same(found, coarsen(star, levels=3))


def test_nothing_is_left_of_the_work(tmp_path: Path) -> None:
    coarsen(medium(), levels=2, out=tmp_path, engine=OneMachine(500))
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    of_level = {
        "meta.json", "edges/indptr.npy", "edges/indices.npy", "edges/weights.npy",
        "nodes/weights.npy",
    }  # fmt: skip
    assert files == {
        "hierarchy.json",
        *(f"level-00{k}/{name}" for k in range(3) for name in of_level),
        *(f"level-00{k}/nodes/parent.npy" for k in range(2)),
    }


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"method": BiStride()}, "BiStride"),
        ({"method": HeavyEdgeMatching(rating=AlgebraicDistance())}, "AlgebraicDistance"),
        (
            {"method": HeavyEdgeMatching(isolated="nearest", positions=np.zeros((4, 1)))},
            "isolated='nearest'",
        ),
        ({"symmetry": [3, 2, 1, 0]}, "symmetry"),
        ({"batch": [0, 0, 1, 1]}, "batch"),
        ({"backend": "python"}, "backend"),
        ({"memory": "4 elephants"}, "memory"),
        ({"memory": "10B"}, "memory"),
        ({"engine": OneMachine}, "engine"),
        ({"progress": "yes"}, "progress"),
        ({"labels": [0, 1]}, "labels"),
        ({"sizes": [9], "levels": None}, "sizes"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    options: dict[str, Any], names: str, tmp_path: Path
) -> None:
    graph = nx.path_graph(4)
    with pytest.raises((ValueError, TypeError), match=names):
        coarsen(graph, **{"levels": 1, "out": tmp_path / "levels", **options})
    assert not (tmp_path / "levels").exists() or not list((tmp_path / "levels").iterdir())


@pytest.mark.parametrize("option", [{"memory": "4GB"}, {"engine": OneMachine()}])
def test_what_is_said_of_a_folder_needs_one(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))} goes with out"):
        coarsen(nx.path_graph(4), levels=1, **option)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    coarsen(nx.path_graph(40), sizes=[10], out=tmp_path / "levels")
    return tmp_path / "levels"


def test_levels_of_another_call_stay_as_they_are(folder: Path) -> None:
    before = Hierarchy.load(folder).fingerprint
    for changed in (
        {"sizes": [9]},
        {"sizes": [10], "method": HeavyEdgeMatching(seed=1)},
        {"sizes": [10], "labels": [0] * 40},
    ):
        with pytest.raises(ValueError, match="another call"):
            coarsen(nx.path_graph(40), out=folder, **changed)
    with pytest.raises(ValueError, match="another source"):
        coarsen(nx.path_graph(41), sizes=[10], out=folder)
    assert Hierarchy.load(folder).fingerprint == before


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"):
        coarsen(nx.path_graph(4), levels=1, out=tmp_path)
    (tmp_path / "a file").write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        coarsen(nx.path_graph(4), levels=1, out=tmp_path / "a file")
    with pytest.raises(FileNotFoundError, match="make it"):
        coarsen(nx.path_graph(4), levels=1, out=tmp_path / "no" / "where")
    for name in ("a file/levels", "a" * 300):
        with pytest.raises(OSError, match=r"out = .* cannot be made: .*; name another folder"):
            coarsen(nx.path_graph(4), levels=1, out=tmp_path / name)


@pytest.mark.parametrize("engine", ["dask", OneMachine, 3])
def test_what_is_no_engine_is_told_how_one_is_made(engine: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"engine = .* is none; make one, such as Ray\("):
        coarsen(nx.path_graph(4), levels=1, out=tmp_path / "levels", engine=engine)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=10)
@example(entries=1)
@given(entries=st.integers(1, 12))
def test_more_pairs_than_are_wanted_are_cut_as_in_memory(entries: int) -> None:
    graph = as_graph(nx.grid_2d_graph(6, 7))
    with TemporaryDirectory() as name:
        found = coarsen(graph, sizes=[40, 31, 17, 5], out=name, engine=OneMachine(entries))
        assert_same(found, coarsen(graph, sizes=[40, 31, 17, 5]))
