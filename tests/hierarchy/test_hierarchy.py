import copy
import json
import pickle
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    CoarseningStalled,
    EdgeWeight,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    Level,
    VisitingOrderMatching,
    as_graph,
    coarsen,
)
from multiscale_gcn.testing import assert_valid_hierarchy, graphs

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(graphs(min_nodes=1), st.data())
def test_sizes_asked_are_sizes_got(graph: Graph, data) -> None:
    wanted = data.draw(st.lists(st.integers(1, graph.num_nodes), min_size=1, max_size=4))
    hierarchy = coarsen(graph, sizes=wanted)
    assert set(wanted) <= set(hierarchy.sizes)
    assert hierarchy.sizes[-1] == min(wanted)
    assert all(fine > coarse for fine, coarse in pairwise(hierarchy.sizes))
    for size in wanted:
        assert hierarchy.level(size).graph.num_nodes == size
    assert_valid_hierarchy(hierarchy)
    assert coarsen(graph, sizes=wanted, backend="python").fingerprint == hierarchy.fingerprint


@given(graphs(), st.integers(0, 4), st.integers(0, 10))
def test_levels_and_min_nodes(graph: Graph, levels: int, min_nodes: int) -> None:
    by_nodes = coarsen(graph, min_nodes=min_nodes).sizes
    assert by_nodes[-1] >= min(min_nodes, graph.num_nodes)
    assert by_nodes[-1] <= max(2 * min_nodes, 1) or graph.num_nodes == 0
    both = coarsen(graph, levels=levels, min_nodes=2).sizes
    assert both == coarsen(graph, min_nodes=2).sizes[: levels + 1]


def test_a_body_sized_mesh_reaches_96_and_48_in_balance() -> None:
    hierarchy = coarsen(trimesh.creation.icosphere(subdivisions=5), sizes=(96, 48))
    for size in (96, 48):
        weights = hierarchy.level(size).graph.node_weights
        assert weights.sum() == hierarchy.sizes[0]
        assert weights.max() <= 3 * weights.mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say how far to coarsen"),
        ({"sizes": []}, "sizes is empty"),
        ({"sizes": [0]}, "sizes has 0, and the graph has 10 nodes"),
        ({"sizes": [5, 11]}, "sizes has 11, and the graph has 10 nodes"),
        ({"sizes": [5], "levels": 2}, "sizes does not go with levels or min_nodes"),
        ({"levels": -1}, "levels = -1"),
        ({"min_nodes": -1}, "min_nodes = -1"),
        (
            {"sizes": [4], "method": HeavyEdgeMatching(isolated="keep")},
            "at least 5 nodes must remain",
        ),
    ],
)
def test_impossible_wishes_are_refused_before_any_work(options, message, monkeypatch) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("worked")

    monkeypatch.setattr(HeavyEdgeMatching, "parents", work)
    graph = nx.disjoint_union_all([nx.path_graph(2)] * 5)
    with pytest.raises(ValueError, match=message):
        coarsen(graph, **options)


def test_as_many_nodes_as_components_can_be_reached() -> None:
    graph = nx.disjoint_union_all([nx.path_graph(7), nx.star_graph(20), nx.complete_graph(5)])
    method = HeavyEdgeMatching(isolated="keep")
    assert coarsen(graph, sizes=[3], method=method).sizes[-1] == 3
    assert coarsen(graph, sizes=[1]).sizes[-1] == 1


def test_a_stall_under_constraints_carries_what_was_reached() -> None:
    method = HeavyEdgeMatching(max_node_weight=4)
    with pytest.raises(CoarseningStalled, match=r"stalled at 16 nodes, short of 3: ") as caught:
        coarsen(nx.path_graph(64), sizes=[32, 3], method=method)
    again = pickle.loads(pickle.dumps(caught.value))
    for error in (caught.value, again):
        assert error.hierarchy.sizes == (64, 32, 16)
    assert str(again) == str(caught.value)
    assert coarsen(nx.path_graph(64), levels=9, method=method).sizes == (64, 32, 16)
    assert coarsen(nx.path_graph(64), min_nodes=3, method=method).sizes == (64, 32, 16)


@given(graphs(min_nodes=1), st.sampled_from(["mean", "weighted_mean"]))
def test_mean_restriction_inverts_prolongation(graph: Graph, kind) -> None:
    hierarchy = coarsen(graph, min_nodes=1)
    for fine, coarse in ((0, -1), (0, len(hierarchy) // 2), (len(hierarchy) // 2, -1), (0, 0)):
        P = hierarchy.prolongation(coarse, fine)
        R = hierarchy.restriction(fine, coarse, kind)
        n = hierarchy[coarse].num_nodes
        assert R.shape == (n, hierarchy[fine].num_nodes) == P.T.shape
        np.testing.assert_allclose((R @ P).toarray(), np.eye(n), rtol=1e-14)
        total = hierarchy.restriction(fine, coarse, "sum")
        np.testing.assert_array_equal(total.toarray(), P.toarray().T)
        A = hierarchy[fine].graph.to_scipy()
        np.testing.assert_array_equal(
            (total @ A @ P).toarray(), hierarchy[coarse].graph.to_scipy().toarray()
        )


def test_mean_is_the_product_of_means_and_weighted_mean_counts_descendants() -> None:
    path = as_graph(nx.path_graph(4))
    hierarchy = Hierarchy.from_parents(path, [[0, 0, 0, 1], [0, 0]])
    values = np.array([1.0, 2, 6, 11])
    assert (hierarchy.restriction(0, 2, "mean") @ values)[0] == pytest.approx((9 / 3 + 11) / 2)
    assert (hierarchy.restriction(0, 2, "weighted_mean") @ values)[0] == pytest.approx(20 / 4)
    assert (hierarchy.restriction(0, 2, "sum") @ values)[0] == 20
    step = hierarchy.restriction(1, 2, "mean") @ hierarchy.restriction(0, 1, "mean")
    np.testing.assert_allclose(step.toarray(), hierarchy.restriction(0, 2, "mean").toarray())
    weighted = as_graph(nx.path_graph(2), node_weights=[1, 3])
    mean = Hierarchy.from_parents(weighted, [[0, 0]]).restriction(0, 1, "weighted_mean")
    assert mean.toarray().tolist() == [[0.25, 0.75]]


def test_coarse_positions_and_faces() -> None:
    positions = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    hierarchy = Hierarchy.from_parents(as_graph(faces), [[0, 1, 1, 2, 3, 3]])
    assert hierarchy.coarse_faces(faces, 0).tolist() == faces.tolist()
    assert hierarchy.coarse_faces(faces, 1).tolist() == [[0, 1, 2]], "the others degenerate"
    expected = np.array([[0, 0], [1, 0.5], [0, 1], [2, 0.5]])
    np.testing.assert_allclose(hierarchy.coarse_positions(positions, 1), expected)
    twice = Hierarchy.from_parents(as_graph(faces), [[0, 1, 1, 2, 2, 2]])
    assert len(twice.coarse_faces(np.array([[0, 1, 3], [2, 4, 0]]), 1)) == 1
    with pytest.raises(ValueError, match=r"faces\[1\] = \[1, 2, 6\]: ids run from 0 to 5"):
        hierarchy.coarse_faces(np.array([[0, 1, 2], [1, 2, 6]]), 1)
    assert hierarchy.coarse_faces([], 1).shape == (0, 3)
    with pytest.raises(ValueError, match="faces must be integers"):
        hierarchy.coarse_faces(faces.astype(float), 1)
    with pytest.raises(ValueError, match=r"positions has shape \(2, 2\), expected \(6, d\)"):
        hierarchy.coarse_positions(positions[:2], 1)


@given(graphs(min_nodes=1))
def test_binary_tree_order_puts_siblings_side_by_side(graph: Graph) -> None:
    hierarchy = coarsen(graph, min_nodes=3)
    orders = hierarchy.binary_tree_order()
    assert len(orders) == len(hierarchy)
    for level, order in zip(hierarchy, orders, strict=True):
        real = order[order >= 0]
        assert sorted(real.tolist()) == list(range(level.num_nodes))
        if level.parent is None:
            continue
        coarser = orders[level.index + 1]
        assert len(order) == 2 * len(coarser)
        for place, node in enumerate(order):
            if node >= 0:
                assert coarser[place // 2] == level.parent[node]


def test_binary_tree_order_needs_pairs() -> None:
    with pytest.raises(ValueError, match="node 0 of level 1 has 3 children"):
        Hierarchy.from_parents(as_graph(nx.path_graph(3)), [[0, 0, 0]]).binary_tree_order()


@in_a_folder
@given(graph=graphs())
def test_save_and_load_round_trip(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "hierarchy.npz"
    saved = coarsen(graph, min_nodes=2)
    saved.save(path)
    loaded = Hierarchy.load(path)
    assert loaded.fingerprint == saved.fingerprint
    assert repr(loaded) == repr(saved)
    assert loaded.rounding == saved.rounding
    for ours, theirs in zip(saved, loaded, strict=True):
        assert ours.graph == theirs.graph
        assert ours.graph.quantum == theirs.graph.quantum
        np.testing.assert_array_equal(ours.parent, theirs.parent)
    assert [file.name for file in tmp_path.iterdir()] == ["hierarchy.npz"]


def _edit(path: Path, name: str, change) -> None:
    with np.load(path) as file:
        arrays = dict(file.items())
    arrays[name] = change(arrays[name])
    np.savez(path, **arrays)


def test_foreign_damaged_and_later_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.npz"
    hierarchy = coarsen(nx.path_graph(8), levels=2)

    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not a hierarchy"):
        Hierarchy.load(path)
    np.savez(path, header=np.array({"a": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is not a hierarchy"):
        Hierarchy.load(path)
    with pytest.raises(FileNotFoundError):
        Hierarchy.load(tmp_path / "none.npz")

    hierarchy.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="is not a hierarchy"):
        Hierarchy.load(path)

    hierarchy.save(path)
    _edit(path, "1.parent", lambda parent: parent[::-1].copy())
    with pytest.raises(ValueError, match="does not have the fingerprint"):
        Hierarchy.load(path)

    hierarchy.save(path)
    _edit(path, "0.weights", lambda weights: -weights)
    with pytest.raises(ValueError, match=r"damaged: weights\[0\]"):
        Hierarchy.load(path)

    def later(header: np.ndarray) -> np.ndarray:
        content = json.loads(header.tobytes()) | {"format_version": 99}
        return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)

    def without(name: str):
        def change(header: np.ndarray) -> np.ndarray:
            content = json.loads(header.tobytes())
            del content[name]
            return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)

        return change

    for name, message in (
        ("format_version", "is not a hierarchy"),
        ("fingerprint", "damaged: 'fingerprint'"),
    ):
        hierarchy.save(path)
        _edit(path, "header", without(name))
        with pytest.raises(ValueError, match=message):
            Hierarchy.load(path)

    hierarchy.save(path)
    _edit(path, "header", later)
    with pytest.raises(ValueError, match=r"format 99.*install a newer"):
        Hierarchy.load(path)


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "h.npz"
    hierarchy = coarsen(nx.grid_2d_graph(12, 12), sizes=[30])
    hierarchy.save(path)
    content = path.read_bytes()

    @settings(max_examples=300)
    @given(st.integers(0, len(content) - 1), st.integers(1, 255), st.booleans())
    def check(place: int, change: int, cut: bool) -> None:
        damaged = bytearray(content)
        damaged[place] ^= change
        path.write_bytes(damaged[:place] if cut else damaged)
        with suppress(ValueError):  # else no harm was done, as by another date
            assert Hierarchy.load(path).fingerprint == hierarchy.fingerprint

    check()


def test_files_have_the_permissions_of_any_other_file(tmp_path: Path) -> None:
    coarsen(nx.path_graph(8), levels=2).save(tmp_path / "h.npz")
    (tmp_path / "other").touch()
    assert (tmp_path / "h.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "h.npz"
    coarsen(nx.path_graph(8), levels=1).save(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        coarsen(nx.path_graph(9), levels=1).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_fingerprint_changes_with_every_part() -> None:
    graph = as_graph(nx.path_graph(6))
    same = Hierarchy.from_parents(graph, [[0, 0, 1, 1, 2, 2]])
    reference = same.fingerprint
    assert reference == Hierarchy.from_parents(graph, [np.array([0, 0, 1, 1, 2, 2])]).fingerprint
    heavier = Graph(graph.indptr, graph.indices, graph.weights * 2)
    others = [
        Hierarchy.from_parents(graph, [[0, 0, 1, 1, 2, 1]]),
        Hierarchy.from_parents(graph, [[0, 0, 1, 1, 2, 2], [0, 0, 0]]),
        Hierarchy.from_parents(heavier, [[0, 0, 1, 1, 2, 2]]),
        Hierarchy.from_parents(as_graph(graph, node_weights=[2] * 6), [[0, 0, 1, 1, 2, 2]]),
        Hierarchy.from_parents(as_graph(nx.cycle_graph(6)), [[0, 0, 1, 1, 2, 2]]),
        Hierarchy(same.levels, order_version=2),
    ]
    assert len({reference, *(other.fingerprint for other in others)}) == 7


def test_from_parents_checks_every_map() -> None:
    from_tensor = Hierarchy.from_parents(nx.path_graph(4), [torch.tensor([0, 0, 1, 1])])
    assert from_tensor.parent(0, 1).tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"parents\[1\]: parent has shape \(3,\), expected \(2,\)"):
        Hierarchy.from_parents(as_graph(nx.path_graph(4)), [[0, 0, 1, 1], [0, 0, 0]])


def test_levels_are_fetched_by_size_and_by_index() -> None:
    hierarchy = coarsen(nx.path_graph(16), levels=3)
    assert hierarchy[-1] is hierarchy.levels[3]
    assert hierarchy.level(4) is hierarchy[2]
    with pytest.raises(ValueError, match=r"num_nodes = 5, only \(16, 8, 4, 2\)"):
        hierarchy.level(5)
    batched = coarsen(nx.empty_graph(8), sizes=[2], batch=[0] * 4 + [1] * 4)
    with pytest.raises(ValueError, match=r"only \(8, 4\); these are of all members"):
        batched.level(2)
    with pytest.raises(IndexError, match="level 4 does not exist; there are 4"):
        hierarchy[4]
    with pytest.raises(ValueError, match="level 0 is finer than level 2"):
        hierarchy.restriction(2, 0)
    with pytest.raises(ValueError, match="kind = 'median'"):
        hierarchy.restriction(0, 2, "median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levels is empty"):
        Hierarchy(())
    with pytest.raises(ValueError, match=r"levels\[0\]: each level but the last"):
        Hierarchy((Level(0, hierarchy[0].graph, None), hierarchy[-1]))


@pytest.mark.parametrize(
    ("parent", "index", "message"),
    [
        ([0, 0, 1, 1.5], 1, r"levels\[0\].parent must hold integers"),
        (np.array([0.0, 0, 1, 1]), 1, "must hold integers, got dtype float64"),
        (np.array([0, 1]), 1, r"levels\[0\].parent has shape \(2,\), expected \(4,\)"),
        (np.array([0, 0, 5, 1]), 1, r"levels\[0\].parent\[2\] = 5 is no node of the next level"),
        (np.array([0, -1, 1, 1]), 1, r"levels\[0\].parent\[1\] = -1"),
        (np.array([0, 0, 1, 1]), 2, r"levels\[1\].index = 2 must be 1"),
    ],
)
def test_levels_that_do_not_fit_are_refused(parent, index: int, message: str) -> None:
    fine, coarse = as_graph(nx.path_graph(4)), as_graph(nx.path_graph(2))
    with pytest.raises(ValueError, match=message):
        Hierarchy((Level(0, fine, parent), Level(index, coarse, None)))


def test_nothing_of_a_hierarchy_can_be_changed_nor_of_its_copies() -> None:
    mine = np.array([0, 0, 1, 1])
    fine, coarse = as_graph(nx.path_graph(4)), as_graph(nx.path_graph(2))
    Hierarchy((Level(0, fine, mine), Level(1, coarse, None)))
    mine[0] = 1  # not made read-only behind my back

    made = coarsen(nx.path_graph(8), levels=2, labels=[0] * 4 + [1] * 4, batch=[0] * 8)
    for hierarchy in (made, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert hierarchy.fingerprint == made.fingerprint
        for level in hierarchy:
            arrays = [level.parent, level.constraints.labels, level.constraints.batch]
            for array in [level.graph.weights, *arrays]:
                assert array is None or not array.flags.writeable


def test_repr_is_the_table() -> None:
    table = repr(
        coarsen(
            nx.cycle_graph(8),
            sizes=[3],
            method=VisitingOrderMatching(rating=EdgeWeight(), order="degree", max_node_weight=6),
        )
    ).splitlines()
    assert table[0].endswith(
        "VisitingOrderMatching(rating=EdgeWeight(), seed=0, max_node_weight=6, order='degree')"
    )
    assert [row.split()[:3] for row in table[2:]] == [
        ["0", "8", "8"],
        ["1", "4", "4"],
        ["2", "3", "3"],
    ]


def test_rounding_is_reported() -> None:
    graph = nx.path_graph(3)
    nx.set_edge_attributes(graph, {(0, 1): 0.1, (1, 2): 1000.0}, "weight")
    assert coarsen(graph, levels=1).rounding.edge_weights == 2
    assert not coarsen(nx.path_graph(3), levels=1).rounding
