from __future__ import annotations

import pickle
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    BiStride,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    KronReduction,
    MaximalIndependentSet,
    ReceptiveField,
    as_graph,
    coarsen,
)
from multiscale_gcn.hierarchy.parts.cutting import cut
from multiscale_gcn.testing import graphs

Sets = list[set[int]]


def halo(hierarchy: Hierarchy, core: Sets, field: ReceptiveField) -> Sets:
    """The definition: which nodes of each level a part has, by networkx, step by step."""
    networks = [as_networkx(level.graph) for level in hierarchy]
    last = len(hierarchy) - 1

    def around(level: int, nodes: set[int]) -> set[int]:
        reached = [nx.single_source_shortest_path_length(networks[level], u, 1) for u in nodes]
        return set().union(nodes, *reached)

    def above(level: int, nodes: set[int]) -> set[int]:
        parents = {int(parent_of(hierarchy, level)[u]) for u in nodes}
        matrix = hierarchy[level].interpolation
        if matrix is not None:
            parents |= {int(c) for u in nodes for c in matrix[[u]].tocoo().coords[1]}
        return parents

    def below(level: int, nodes: set[int]) -> set[int]:
        return {u for u, p in enumerate(parent_of(hierarchy, level - 1)) if p in nodes}

    needed = [set(nodes) for nodes in core]
    for step in reversed(field.steps):
        before = [set(nodes) for nodes in needed]
        for source, target in step:
            if source == target:
                needed[target] |= around(target, before[target])
            for level in range(target, source):
                reading = before[level] if level == target else needed[level]
                needed[level + 1] |= above(level, reading)
            for level in range(target, source, -1):
                reading = before[level] if level == target else needed[level]
                needed[level - 1] |= below(level, reading)
    for level in {i for step in field.steps for i, j in step if i == j}:
        needed[level] |= around(level, needed[level])
    for level in range(last):
        needed[level + 1] |= above(level, needed[level])
    for level in reversed(range(last)):
        sampled = hierarchy[level].sampled
        if sampled is not None:
            needed[level] |= {int(sampled[c]) for c in needed[level + 1]}
    return needed


def parent_of(hierarchy: Hierarchy, level: int) -> list[int]:
    return hierarchy.parent(level, level + 1).tolist()


def as_networkx(graph: Graph) -> nx.Graph:
    network = nx.Graph()
    network.add_nodes_from(range(graph.num_nodes))
    network.add_edges_from(graph.edge_index().T.tolist())
    return network


@st.composite
def fields(draw: st.DrawFn, num_levels: int) -> ReceptiveField:
    level = st.integers(0, num_levels - 1)
    step = st.lists(st.tuples(level, level), min_size=1, max_size=3)
    return ReceptiveField(draw(st.lists(step, max_size=5)))


METHODS = [HeavyEdgeMatching(), MaximalIndependentSet(), BiStride(), KronReduction()]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_part_is_what_the_definition_says(data: st.DataObject) -> None:
    graph = data.draw(graphs(max_nodes=30))
    method = data.draw(st.sampled_from(METHODS))
    levels = data.draw(st.integers(0, 4))
    try:
        hierarchy = coarsen(graph, levels=levels, method=method)
    except ValueError:  # nothing is left to merge, or a method that takes no such graph
        hierarchy = Hierarchy.from_parents(graph, [])
    field = data.draw(fields(len(hierarchy)))
    parts = hierarchy.parts(data.draw(st.integers(1, graph.num_nodes + 2)), field)
    seen = [np.zeros(size, int) for size in hierarchy.sizes]
    for index, part in enumerate(parts):
        assert part.index == index
        core = [set(part.core_nodes(level).tolist()) for level in range(len(hierarchy))]
        assert core[0]
        nodes = [set(found.tolist()) for found in part.nodes]
        assert nodes == halo(hierarchy, core, field)
        for level, (whole, own) in enumerate(zip(hierarchy, part.hierarchy, strict=True)):
            seen[level][part.core_nodes(level)] += 1
            assert np.array_equal(
                parts.labels(level)[part.core_nodes(level)] == index,
                np.ones(len(part.core_nodes(level)), bool),
            )
            assert_within(whole.graph, own.graph, part.nodes[level])
            if whole.parent is not None:
                parents = part.nodes[level + 1][own.parent]
                assert parents.tolist() == whole.parent[part.nodes[level]].tolist()
            if whole.sampled is not None:
                samples = part.nodes[level][own.sampled]
                assert samples.tolist() == whole.sampled[part.nodes[level + 1]].tolist()
            if whole.interpolation is not None:
                assert own.interpolation is not None
                rows = whole.interpolation.toarray()[np.ix_(*part.nodes[level : level + 2])]
                assert np.array_equal(own.interpolation.toarray(), rows)
        Hierarchy(tuple(part.hierarchy))  # which checks that the levels follow each other
    assert all((times == 1).all() for times in seen)
    assert len(parts) <= graph.num_nodes


def assert_within(whole: Graph, own: Graph, nodes: np.ndarray) -> None:
    expected = whole.to_scipy().toarray()[np.ix_(nodes, nodes)]
    assert np.array_equal(own.to_scipy().toarray(), expected)
    assert np.array_equal(own.node_weights, whole.node_weights[nodes])
    Graph(own.indptr, own.indices, own.weights, own.node_weights)  # which checks the rows


@pytest.mark.parametrize("graph", [nx.empty_graph(0), nx.empty_graph(1), nx.star_graph(50)])
@pytest.mark.parametrize("k", [1, 2, 100])
def test_few_nodes(graph: nx.Graph, k: int) -> None:
    n = len(graph)
    hierarchy = Hierarchy.from_parents(as_graph(graph), [np.zeros(n, int)] if n else [])
    parts = hierarchy.parts(k, halo=1)
    assert len(parts) == min(k, n)
    owned = [part.core_nodes().tolist() for part in parts]
    assert sorted(node for nodes in owned for node in nodes) == list(range(n))
    assert all(owned)


def test_one_part_is_the_whole() -> None:
    hierarchy = coarsen(nx.grid_2d_graph(9, 8), levels=3, labels=np.arange(72) % 2)
    (part,) = hierarchy.parts(1)
    assert part.hierarchy.fingerprint == hierarchy.fingerprint
    assert part.hierarchy.method == hierarchy.method
    assert part.hierarchy[0].graph.names == hierarchy[0].graph.names
    for own, whole in zip(part.hierarchy, hierarchy, strict=True):
        assert own.constraints.labels is not None
        assert np.array_equal(own.constraints.labels, whole.constraints.labels)  # type: ignore[arg-type]


def test_parts_are_even_and_their_borders_short() -> None:
    side, k = 60, 9
    hierarchy = coarsen(nx.grid_2d_graph(side, side), sizes=[100])
    parts = hierarchy.parts(k)
    labels = parts.labels()
    counts = np.bincount(labels)
    assert counts.max() <= 1.1 * counts.mean()
    square = labels.reshape(side, side)
    across = int((square[1:] != square[:-1]).sum() + (square[:, 1:] != square[:, :-1]).sum())
    assert across < 2.5 * 4 * side  # of nine squares 4 * side


def test_a_cut_goes_through_light_edges() -> None:
    path = nx.path_graph(40)
    nx.set_edge_attributes(path, 8.0, "weight")
    path[20][21]["weight"] = 1.0
    labels = cut(as_graph(path), np.ones(40), 2)
    assert np.bincount(labels).tolist() in ([21, 19], [19, 21])
    assert labels[20] != labels[21]


def test_a_hierarchy_on_the_disk_has_the_same_parts(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    ids = np.arange(900).reshape(30, 30)
    right, down = (ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])
    ends = np.concatenate([[a.ravel(), b.ravel()] for a, b in (right, down)], axis=1)
    edges = tmp_path / "edges.csv"
    np.savetxt(edges, ends.T, "%d", ",", header="u,v", comments="")
    stored = coarsen(edges, sizes=[100], memory="50MB", out=tmp_path / "levels")
    in_memory = coarsen(as_graph(ends, kind="edge_index", symmetrize=True), sizes=[100])
    field = ReceptiveField([[(0, 0)], [(0, 2)], [(2, 2)], [(2, 0)]])
    for one, other in zip(stored.parts(4, field), in_memory.parts(4, field), strict=True):
        assert one.hierarchy.fingerprint == other.hierarchy.fingerprint
        for mine, theirs in zip((*one.nodes, *one.core), (*other.nodes, *other.core), strict=True):
            assert np.array_equal(mine, theirs)


def test_parts_survive_a_pickle_and_stay_read_only() -> None:
    parts = coarsen(nx.path_graph(12), levels=1).parts(3, halo=1)
    again = pickle.loads(pickle.dumps(parts))
    for one, other in zip(parts, again, strict=True):
        copy = pickle.loads(pickle.dumps(one))
        for part in (other, copy):
            assert part.nodes[0].tolist() == one.nodes[0].tolist()
            assert part.hierarchy.fingerprint == one.hierarchy.fingerprint
            with pytest.raises(ValueError, match="read-only"):
                part.nodes[0][0] = 1


def test_parts_are_a_sequence() -> None:
    parts = coarsen(nx.path_graph(12), levels=1).parts(3)
    assert [part.index for part in parts[1:]] == [1, 2]
    assert parts[-1].index == 2
    with pytest.raises(IndexError, match="part 3 does not exist; there are 3"):
        parts[3]
    with pytest.raises(IndexError, match="level 2 does not exist"):
        parts[0].core_nodes(2)


@pytest.mark.parametrize(
    ("halo", "message"),
    [
        (-1, "halo = -1 must be at least 0"),
        ("two", "halo = 'two' must be an integer, or a ReceptiveField"),
        (ReceptiveField([[(0, 5)]]), "halo reads level 5; the hierarchy has levels 0 to 1"),
    ],
)
def test_what_is_no_halo_is_refused(halo: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(12), levels=1).parts(3, halo)  # type: ignore[arg-type]


def test_what_is_no_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"steps\[1\]\[0\] = \(0,\) must be a pair"):
        ReceptiveField([[(0, 0)], [(0,)]])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"steps\[0\]\[0\]\[1\] = -1 must be at least 0"):
        ReceptiveField([[(0, -1)]])
