"""All levels as one graph, against the union that is made of the meshes themselves."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from multiscale_gcn import Hierarchy, Level, as_graph, coarsen, multi_mesh
from multiscale_gcn.testing import graphs

trimesh = pytest.importorskip("trimesh")


def icospheres(depth: int) -> tuple[Hierarchy, list]:
    """A hierarchy that chooses nodes: each icosphere's vertices are among those of the next finer
    one, and every other vertex belongs to the nearest of them. Vertices are numbered anew."""
    meshes = [trimesh.creation.icosphere(k) for k in range(depth, -1, -1)]
    rng = np.random.default_rng(0)
    vertices, levels = [], []
    for mesh in meshes:
        order = rng.permutation(len(mesh.vertices))
        place = np.argsort(order)
        vertices.append(mesh.vertices[order])
        levels.append(as_graph(place[mesh.faces], kind="faces"))
    made = []
    for k, graph in enumerate(levels):
        parent = sampled = None
        if k < depth:
            parent = cKDTree(vertices[k + 1]).query(vertices[k])[1]
            sampled = cKDTree(vertices[k]).query(vertices[k + 1])[1]
            parent[sampled] = np.arange(len(sampled))
        made.append(Level(k, graph, parent, sampled=sampled))
    return Hierarchy(tuple(made)), [meshes, vertices]


def test_icospheres_give_the_multi_mesh_of_graphcast() -> None:
    hierarchy, (meshes, vertices) = icospheres(3)
    graph, edge_levels = multi_mesh(hierarchy)
    tree = cKDTree(vertices[0])
    expected = {}
    for k, mesh in reversed(list(enumerate(meshes))):
        at = tree.query(mesh.vertices)[1]
        for u, v in at[mesh.edges_unique].tolist():
            expected[u, v] = expected[v, u] = k
    found = dict(zip(map(tuple, graph.edge_index().T.tolist()), edge_levels.tolist(), strict=True))
    assert found == expected
    assert graph.num_nodes == 642
    assert np.bincount(edge_levels).tolist() == [3840, 960, 240, 60]


def test_chosen_levels_alone() -> None:
    hierarchy, _ = icospheres(2)
    whole, of_whole = multi_mesh(hierarchy)
    part, of_part = multi_mesh(hierarchy, levels=[-1, 0])
    assert set(of_part.tolist()) == {0, 2}
    edges, kept = whole.edge_index(), of_whole != 1
    assert part.edge_index().tolist() == edges[:, kept].tolist()
    assert multi_mesh(hierarchy, levels=[0])[0] == hierarchy[0].graph


def slow(hierarchy: Hierarchy, positions: np.ndarray | None) -> dict[tuple[int, int], tuple]:
    """Entries to weight and level, cluster by cluster."""
    chosen = {0: {u: u for u in range(hierarchy[0].num_nodes)}}
    for level in list(hierarchy)[1:]:
        finer = hierarchy[level.index - 1]
        of_all = hierarchy.parent(0, level.index)
        chosen[level.index] = {}
        for c in range(level.num_nodes):
            children = np.flatnonzero(finer.parent == c).tolist()
            if positions is None:
                best = min(children, key=lambda u: (-finer.graph.node_weights[u], u))
            else:
                sums = [0.0] * positions.shape[1]
                members = np.flatnonzero(of_all == c).tolist()
                for u in members:
                    sums = [a + b for a, b in zip(sums, positions[u].tolist(), strict=True)]
                mean = np.array(sums) / len(members)
                nodes = chosen[finer.index]
                best = min(children, key=lambda u: (((positions[nodes[u]] - mean) ** 2).sum(), u))
            chosen[level.index][c] = chosen[finer.index][best]
    entries: dict[tuple[int, int], tuple] = {}
    for level in hierarchy:
        u, v = level.graph.edge_index().tolist()
        for a, b, weight in zip(u, v, level.graph.weights.tolist(), strict=True):
            ends = chosen[level.index][a], chosen[level.index][b]
            if a != b or level.index == 0:
                entries.setdefault(ends, (weight, level.index))
    return entries


@given(graphs(min_nodes=1, max_nodes=24), st.booleans(), st.integers(0, 3))
def test_clusters_are_represented_by_a_member(graph, placed: bool, levels: int) -> None:
    hierarchy = coarsen(graph, levels=levels)
    positions = None
    if placed:
        positions = np.random.default_rng(0).integers(0, 8, (graph.num_nodes, 2)).astype(float)
    found, edge_levels = multi_mesh(hierarchy, positions=positions)
    u, v = found.edge_index().tolist()
    values = zip(found.weights.tolist(), edge_levels.tolist(), strict=True)
    assert dict(zip(zip(u, v, strict=True), values, strict=True)) == slow(hierarchy, positions)
    assert found.node_weights.tolist() == hierarchy[0].graph.node_weights.tolist()


def test_a_long_path_gets_short() -> None:
    """What it is for: messages need few steps from end to end."""
    hierarchy = coarsen(nx.path_graph(256), min_nodes=4)
    graph, _ = multi_mesh(hierarchy, positions=np.arange(256.0)[:, None])
    steps = sp.csgraph.shortest_path(graph.to_scipy(), unweighted=True).max()
    assert steps < 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": [3]}, "levels has 3, and there are 3 levels"),
        ({"levels": [-4]}, "levels has -4"),
        ({"levels": []}, "levels is empty"),
        ({"positions": np.zeros((3, 2))}, "positions has 3 rows, and the graph has 8 nodes"),
        ({"positions": np.zeros((8, 0))}, "positions has no coordinates"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multi_mesh(coarsen(nx.path_graph(8), levels=2), **options)
