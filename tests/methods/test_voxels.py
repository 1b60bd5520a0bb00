import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Graph, VoxelGrid, coarsen
from multiscale_gcn.methods.method import by_first_member
from multiscale_gcn.testing import MethodTests

WHOLE = st.integers(-40, 40)
CLOUDS = st.lists(st.tuples(WHOLE, WHOLE, st.integers(0, 1)), min_size=1, max_size=50).map(
    lambda points: np.array(points)
)


def edgeless(n: int, node_weights: list[int] | None = None) -> Graph:
    return Graph(np.zeros(n + 1, dtype=int), [], node_weights=node_weights)


class TestVoxelGrid(MethodTests):
    method = VoxelGrid(np.zeros((0, 2)), 1.0)

    def method_for(self, graph: Graph) -> VoxelGrid:
        number = np.arange(graph.num_nodes)
        return VoxelGrid(np.stack([number * 7 % 11, number % 3], axis=1), 2.0)


def voxels(points: np.ndarray, labels: np.ndarray, size: int) -> list[int]:
    """Clusters of integer positions in voxels of an integer size, which grows if need be."""
    offset = points - points.min(axis=0)
    while True:
        keys = [(*map(int, p // size), int(c)) for p, c in zip(offset, labels, strict=True)]
        if len(set(keys)) < len(keys) or not (offset // size).any():
            return by_first_member(np.array([keys.index(key) for key in keys])).tolist()
        size *= 2


@given(CLOUDS, st.integers(1, 8), st.booleans())
def test_voxels_are_what_their_description_says(
    cloud: np.ndarray, size: int, labelled: bool
) -> None:
    points, labels = cloud[:, :2], cloud[:, 2] * labelled
    hierarchy = coarsen(
        edgeless(len(cloud)),
        levels=3,
        method=VoxelGrid(points, size),
        labels=labels if labelled else None,
    )
    for k in range(1, len(hierarchy)):
        expected = voxels(points, labels, size)
        while max(expected) + 1 >= hierarchy.sizes[k - 1]:  # what merged is merged
            size *= 2
            expected = voxels(points, labels, size)
        assert hierarchy.parent(0, k).tolist() == expected, "voxels of all levels are nested"
        size *= 2


@given(CLOUDS, st.data())
def test_sizes_are_met_by_the_lightest_voxels(cloud: np.ndarray, data) -> None:
    points, n = cloud[:, :2], len(cloud)
    weights = data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    whole = voxels(points, np.zeros(n), 4)
    size = data.draw(st.integers(max(whole) + 1, n))
    hierarchy = coarsen(edgeless(n, weights), sizes=[size], method=VoxelGrid(points, 4))
    if size == n:
        return
    assert hierarchy.sizes == (n, size)
    members = [np.flatnonzero(np.equal(whole, c)).tolist() for c in range(max(whole) + 1)]
    room, leader = n - size, list(range(n))
    for nodes in sorted(members, key=lambda m: (sum(weights[u] for u in m), m)):
        for u in nodes[1:]:
            if room:
                leader[u], room = nodes[0], room - 1
    assert hierarchy.parent(0, 1).tolist() == by_first_member(np.array(leader)).tolist()


def test_voxels_grow_until_one_is_left() -> None:
    points = np.array([[-5.0, 3.0], [0.0, 0.0], [1e6, -1e6]])
    assert coarsen(edgeless(3), sizes=[1], method=VoxelGrid(points, 1e-3)).sizes == (3, 2, 1)


def test_edges_are_contracted() -> None:
    grid = nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 4))
    points = np.array([(u // 4, u % 4) for u in range(16)])
    hierarchy = coarsen(grid, levels=1, method=VoxelGrid(points, 2))
    assert hierarchy[1].graph.to_scipy().toarray().tolist() == [
        [8, 2, 2, 0], [2, 8, 0, 2], [2, 0, 8, 2], [0, 2, 2, 8]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "size = 0 must be positive"),
        (1e-17, "size = 1e-17 is too small for positions that extend over 1; take larger"),
    ],
)
def test_bad_sizes_are_refused(size, message) -> None:
    with pytest.raises(ValueError, match=message):
        VoxelGrid([[0.0], [1.0]], size)


def test_positions_of_another_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="positions has 3 rows, and the graph has 4 nodes"):
        coarsen(nx.path_graph(4), levels=1, method=VoxelGrid(np.zeros((3, 2)), 1))
