from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    CoarseningStalled,
    Constraints,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    NormalizedAssociation,
    NormalizedCut,
    VisitingOrderMatching,
    as_graph,
    coarsen,
    match,
)
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.testing import assert_valid_hierarchy, assert_valid_matching, graphs

METHODS: tuple[MatchingMethod, ...] = (
    HeavyEdgeMatching(),
    HeavyEdgeMatching(rating=NormalizedAssociation(), max_node_weight=4, seed=3),
    HeavyEdgeMatching(isolated="keep"),
    VisitingOrderMatching(seed=1),
    VisitingOrderMatching(order="degree", rating=NormalizedCut()),
)


@st.composite
def symmetric_graphs(draw: st.DrawFn) -> tuple[Graph, np.ndarray]:
    """Two copies of a graph, joined through a spine of fixed nodes and by edges across."""
    half = draw(graphs(max_nodes=9))
    n = half.num_nodes
    spine = draw(st.integers(0, 4))
    total = 2 * n + spine
    A = np.zeros((total, total))
    A[:n, :n] = A[n : 2 * n, n : 2 * n] = half.to_scipy().toarray()
    for i in range(spine):
        s = 2 * n + i
        for u in draw(st.lists(st.integers(0, n - 1), max_size=3)) if n else []:
            A[s, u] = A[u, s] = A[s, n + u] = A[n + u, s] = 1
        if i and draw(st.booleans()):
            A[s, s - 1] = A[s - 1, s] = 2
    for u in draw(st.lists(st.integers(0, n - 1), max_size=3)) if n else []:
        A[u, n + u] = A[n + u, u] = 3
    if n:
        for u, v in draw(st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=2)):
            A[u, n + v] = A[n + v, u] = A[n + u, v] = A[v, n + u] = 1
    mirror = np.concatenate([np.arange(n, 2 * n), np.arange(n), np.arange(2 * n, total)])
    order = np.array(draw(st.permutations(range(total))), dtype=np.int64)
    place = np.argsort(order)
    return as_graph(A[order][:, order]), place[mirror[order]]


@st.composite
def constrained(draw: st.DrawFn) -> tuple[Graph, Constraints]:
    if draw(st.booleans()):
        graph, symmetry = draw(symmetric_graphs())
        return graph, Constraints.of(graph, symmetry=symmetry)
    graph = draw(graphs())
    n = graph.num_nodes
    labels = draw(st.none() | st.lists(st.integers(0, 2), min_size=n, max_size=n))
    survivors = draw(
        st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(lambda x: np.array(x) > 0)
    )
    return graph, Constraints.of(graph, labels=labels, survivors=survivors)


@given(constrained(), st.sampled_from(METHODS), st.none() | st.integers(0, 4))
def test_numba_equals_the_specification_under_constraints(drawn, method, max_pairs) -> None:
    graph, constraints = drawn
    options = {"constraints": constraints, "max_pairs": max_pairs}
    expected = match(graph, method, **options, backend="python")
    assert match(graph, method, **options) == expected
    assert_valid_matching(graph, expected)


def test_rounds_equal_the_specification_under_constraints(monkeypatch) -> None:
    monkeypatch.setattr(on_cpu, "SMALL", 0)
    monkeypatch.setattr(on_cpu, "PROGRESS", 10**9)

    @given(constrained())
    def check(drawn) -> None:
        graph, constraints = drawn
        expected = match(graph, constraints=constraints, backend="python")
        assert match(graph, constraints=constraints) == expected

    check()


@given(graphs(min_nodes=1), st.sampled_from(METHODS), st.data())
def test_labels_never_mix_and_survivors_never_meet(graph, method, data) -> None:
    n = graph.num_nodes
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    survivors = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    hierarchy = coarsen(graph, min_nodes=1, method=method, labels=labels, survivors=survivors)
    parent = hierarchy.parent(0, -1)
    for coarse in range(hierarchy[-1].num_nodes):
        members = parent == coarse
        assert len(set(labels[members].tolist())) == 1
        assert survivors[members].sum() <= 1
    constraints = hierarchy[-1].constraints
    assert constraints.labels is not None
    np.testing.assert_array_equal(constraints.labels[parent], labels)
    assert_valid_hierarchy(hierarchy)


@given(symmetric_graphs(), st.sampled_from(METHODS))
def test_every_level_is_symmetric(drawn, method) -> None:
    graph, symmetry = drawn
    hierarchy = coarsen(graph, min_nodes=1, method=method, symmetry=symmetry)
    for level, coarser in zip(hierarchy.levels[:-1], hierarchy.levels[1:], strict=True):
        fine, coarse = level.constraints.symmetry, coarser.constraints.symmetry
        assert fine is not None
        assert coarse is not None
        assert level.parent is not None
        np.testing.assert_array_equal(coarse[level.parent], level.parent[fine])
        Constraints.of(coarser.graph, symmetry=coarse)  # an involution and an automorphism
    assert_valid_hierarchy(hierarchy)


@given(symmetric_graphs())
def test_the_identity_constrains_nothing(drawn) -> None:
    graph, _ = drawn
    free = coarsen(graph, min_nodes=1)
    identity = coarsen(graph, min_nodes=1, symmetry=np.arange(graph.num_nodes))
    assert free.fingerprint == identity.fingerprint


@given(st.lists(graphs(max_nodes=12, min_nodes=1), min_size=1, max_size=4), st.data())
def test_a_batch_is_coarsened_as_its_members_alone(members, data) -> None:
    options: dict = data.draw(
        st.sampled_from([{"levels": 2}, {"min_nodes": 3}, {"levels": 3, "min_nodes": 2}])
        | st.lists(
            st.integers(1, min(graph.num_nodes for graph in members)), min_size=1, max_size=3
        ).map(lambda sizes: {"sizes": sizes})
    )
    method = data.draw(st.sampled_from(METHODS[::3]))
    batch = np.repeat(np.arange(len(members)), [graph.num_nodes for graph in members])
    whole = coarsen(_union(members), **options, method=method, batch=batch)
    for alone, member in zip(members, whole.members(), strict=True):
        assert member.fingerprint == coarsen(alone, **options, method=method).fingerprint
    assert_valid_hierarchy(whole)
    by_python = coarsen(_union(members), **options, method=method, batch=batch, backend="python")
    assert by_python.fingerprint == whole.fingerprint


def _union(members: list[Graph]) -> Graph:
    import scipy.sparse as sp

    matrix = sp.block_diag([graph.to_scipy() for graph in members], format="csr")
    node_weights = np.concatenate([graph.node_weights for graph in members])
    return as_graph(matrix, node_weights=node_weights)


def test_a_symmetric_body_reaches_its_sizes() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=4)
    flipped = mesh.vertices * [-1, 1, 1]
    symmetry = mesh.kdtree.query(flipped)[1]
    hierarchy = coarsen(mesh, sizes=[96, 48], symmetry=symmetry)
    level = hierarchy.level(48)
    positions = hierarchy.coarse_positions(mesh.vertices, level.index)
    mirrored = level.constraints.symmetry
    np.testing.assert_allclose(positions[mirrored], positions * [-1, 1, 1], atol=1e-12)


def test_an_unreachable_parity_names_the_nearest_sizes() -> None:
    two = nx.disjoint_union(nx.path_graph(8), nx.path_graph(8))
    symmetry = np.r_[8:16, 0:8]
    with pytest.raises(CoarseningStalled, match=r"a level of 5 nodes.*nearest sizes are 6 and 4"):
        coarsen(two, sizes=[5], symmetry=symmetry)
    assert coarsen(two, sizes=[6, 4], symmetry=symmetry).sizes[-1] == 4


def test_sizes_below_what_constraints_leave_are_refused_before_any_work() -> None:
    for options in ({"labels": [0, 1, 2, 3, 3]}, {"survivors": np.array([1, 1, 0, 1, 1]) > 0}):
        with pytest.raises(ValueError, match="sizes has 2, and at least 4 nodes must remain"):
            coarsen(nx.complete_graph(5), sizes=[2], **options)
    with pytest.raises(ValueError, match="sizes has 3, and member 1 of the batch has 2 nodes"):
        coarsen(nx.disjoint_union(nx.path_graph(4), nx.path_graph(2)), sizes=[3],
                batch=[0, 0, 0, 0, 1, 1])  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0, 1]}, r"labels has shape \(2,\), expected \(4,\)"),
        ({"labels": [0.0, 1, 1, 1]}, "labels must hold integers"),
        ({"survivors": [0, 3, 3, 3]}, "survivors must be a boolean mask"),
        ({"batch": [0, 0, 1, 0]}, "batch falls from node 2 to node 3"),
        ({"batch": [0, 0, 1, 1]}, r"edge \(1, 2\) joins members 0 and 1"),
        ({"symmetry": [3, 2, 1, 4]}, r"symmetry\[3\] = 4 is not a node"),
        ({"symmetry": [-1, 2, 1, 0]}, r"symmetry\[0\] = -1 is not a node"),
        ({"symmetry": [1, 2, 3, 0]}, "no involution: it maps 0 to 1 and that to 2"),
        ({"symmetry": [1, 0, 2, 3]}, r"no automorphism: the weight of \(0, 2\) is 0.0"),
        ({"symmetry": [3, 2, 1, 0], "labels": [0, 0, 1, 0]}, "keep the labels: look at nodes 1"),
        ({"symmetry": [3, 2, 1, 0], "survivors": np.array([True, False, False, False])},
         "keep the survivors: look at nodes 0 and 3"),
    ],
)  # fmt: skip
def test_bad_constraints_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(4), levels=1, **options)


def test_symmetric_node_weights_are_asked_for() -> None:
    graph = as_graph(nx.path_graph(4), node_weights=[1, 1, 1, 2])
    with pytest.raises(ValueError, match="keep the node weights: look at nodes 0 and 3"):
        coarsen(graph, levels=1, symmetry=[3, 2, 1, 0])


def test_members_are_no_images_of_each_other() -> None:
    two = nx.disjoint_union(nx.path_graph(2), nx.path_graph(2))
    with pytest.raises(ValueError, match="keep the batch: look at nodes 0 and 2"):
        coarsen(two, levels=1, batch=[0, 0, 1, 1], symmetry=[2, 3, 0, 1])


def test_what_is_known_of_some_nodes_is_not_said_of_more() -> None:
    constraints = Constraints()
    three = constraints.per_node(3)
    assert constraints.per_node(3) is three
    assert constraints.per_node(5).mirror.tolist() == list(range(5))


def test_left_and_right_may_have_labels_of_their_own() -> None:
    hierarchy = coarsen(nx.path_graph(8), min_nodes=1, symmetry=range(7, -1, -1),
                        labels=[0, 0, 0, 0, 1, 1, 1, 1])  # fmt: skip
    assert hierarchy.sizes[-1] == 2


@given(st.lists(symmetric_graphs(), min_size=1, max_size=3), st.sampled_from(METHODS))
def test_a_symmetric_batch_is_coarsened_as_its_members_alone(drawn, method) -> None:
    members = [graph for graph, _ in drawn if graph.num_nodes]
    mirrors = [mirror for graph, mirror in drawn if graph.num_nodes]
    if not members:
        return
    sizes = [graph.num_nodes for graph in members]
    first = np.cumsum([0, *sizes])
    symmetry = np.concatenate([m + at for m, at in zip(mirrors, first, strict=False)])
    batch = np.repeat(np.arange(len(sizes)), sizes)
    whole = coarsen(_union(members), levels=2, method=method, batch=batch, symmetry=symmetry)
    for graph, mirror, member in zip(members, mirrors, whole.members(), strict=True):
        alone = coarsen(graph, levels=2, method=method, symmetry=mirror)
        assert member.fingerprint == alone.fingerprint
        for ours, theirs in zip(member, alone, strict=True):
            np.testing.assert_array_equal(ours.constraints.symmetry, theirs.constraints.symmetry)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2**40)), max_size=6),
    st.integers(-(2**40), 2**40),
)
def test_members_have_any_increasing_numbers(drawn, first: int) -> None:
    sizes = [size for size, _ in drawn]
    names = first + np.cumsum([gap for _, gap in drawn]).astype(np.int64)
    n = sum(sizes)
    constraints = Constraints(batch=np.repeat(names, sizes))
    assert constraints.member(n).tolist() == np.repeat(np.arange(len(sizes)), sizes).tolist()
    assert constraints.member_sizes(n).tolist() == sizes
    assert constraints.local_ids(n).tolist() == [u for size in sizes for u in range(size)]


def test_members_need_a_batch() -> None:
    with pytest.raises(ValueError, match="not of a batch"):
        coarsen(nx.path_graph(4), levels=1).members()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(drawn=constrained())
def test_constraints_are_saved(drawn, tmp_path: Path) -> None:
    graph, constraints = drawn
    arrays = vars(constraints)
    saved = coarsen(graph, min_nodes=2, **arrays)
    saved.save(tmp_path / "h.npz")
    loaded = Hierarchy.load(tmp_path / "h.npz")
    for ours, theirs in zip(saved, loaded, strict=True):
        for name, array in vars(ours.constraints).items():
            np.testing.assert_array_equal(array, vars(theirs.constraints)[name])
