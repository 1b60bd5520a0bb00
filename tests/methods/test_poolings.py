"""What the methods that keep nodes, and voxels, have in common: batches, backends, files."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    BiStride,
    ClusteringMethod,
    FarthestPoints,
    Graph,
    Hierarchy,
    KronReduction,
    MaximalIndependentSet,
    VoxelGrid,
    as_graph,
    coarsen,
    to_networkx,
)
from multiscale_gcn.testing import assert_valid_hierarchy, graphs

Make = Callable[[np.ndarray], ClusteringMethod]
METHODS: dict[str, Make] = {
    "bi-stride": lambda points: BiStride(),
    "bi-stride from the centre": BiStride,
    "independent set": lambda points: MaximalIndependentSet(),
    "independent set, k = 2": lambda points: MaximalIndependentSet(2),
    "farthest points": FarthestPoints,
    "voxels": lambda points: VoxelGrid(points, 2.0),
    "Kron": lambda points: KronReduction(),
}
OWN_GRAPHS = ("bi-stride", "bi-stride from the centre", "Kron")
each_method = pytest.mark.parametrize("name", METHODS)
MESH = as_graph(nx.triangular_lattice_graph(12, 14))
PLACES = np.array([(u * 7 % 31, u * 11 % 17) for u in range(MESH.num_nodes)])


def points_of(graph: Graph) -> np.ndarray:
    """Lattice points, some of them twice."""
    number = np.arange(graph.num_nodes)
    return np.stack([number * 7 % 11, number % 3], axis=1)


@each_method
def test_members_of_a_batch_are_as_each_would_be_alone(name: str) -> None:
    @settings(max_examples=40)
    @given(
        graphs(min_nodes=1, max_nodes=15), graphs(min_nodes=1, max_nodes=15),
        st.sampled_from([{"levels": 1}, {"levels": 3}, "sizes"]),
    )  # fmt: skip
    def check(one: Graph, other: Graph, how_far: Any) -> None:
        parts = [nx.number_connected_components(to_networkx(graph)) for graph in (one, other)]
        if how_far == "sizes":
            smallest = min(one.num_nodes, other.num_nodes)
            how_far = {"sizes": [max(smallest - 1, min(max(parts), smallest))]}
            if max(parts) > how_far["sizes"][0]:
                return
        both = as_graph(nx.disjoint_union(to_networkx(one), to_networkx(other)))
        points = np.concatenate([points_of(one), 50 + points_of(other)])
        batch = np.repeat([0, 1], [one.num_nodes, other.num_nodes])
        together = coarsen(both, method=METHODS[name](points), batch=batch, **how_far)
        for number, graph in enumerate((one, other)):
            places = points[batch == number]
            alone = coarsen(graph, method=METHODS[name](places), **how_far)
            member = together.members()[number]
            assert member.sizes == alone.sizes
            for ours, theirs in zip(member, alone, strict=True):
                for field in ("parent", "sampled"):
                    assert np.array_equal(getattr(ours, field), getattr(theirs, field))
                assert (ours.interpolation is None) == (theirs.interpolation is None)
                if ours.interpolation is not None:
                    difference = abs(ours.interpolation - theirs.interpolation)
                    assert difference.max() < 1e-9
                np.testing.assert_array_equal(ours.graph.indices, theirs.graph.indices)
                np.testing.assert_allclose(ours.graph.weights, theirs.graph.weights, rtol=1e-6)

    check()


@each_method
def test_the_same_without_numba(name: str) -> None:
    @settings(max_examples=40)
    @given(graphs(min_nodes=1, max_nodes=20))
    def check(graph: Graph) -> None:
        method = METHODS[name](points_of(graph))
        fast = coarsen(graph, levels=2, method=method, backend="numba")
        slow = coarsen(graph, levels=2, method=method, backend="python")
        assert fast.fingerprint == slow.fingerprint

    check()


@each_method
def test_exact_sizes(name: str) -> None:
    hierarchy = coarsen(MESH, sizes=[60, 25, 3], method=METHODS[name](PLACES))
    assert {60, 25, 3} <= set(hierarchy.sizes)
    assert_valid_hierarchy(hierarchy, contraction=name not in OWN_GRAPHS)


@each_method
def test_files_keep_it(name: str, tmp_path: Path) -> None:
    hierarchy = coarsen(MESH, levels=3, method=METHODS[name](PLACES))
    hierarchy.save(tmp_path / "pooled.npz")
    assert Hierarchy.load(tmp_path / "pooled.npz").fingerprint == hierarchy.fingerprint
    assert pickle.loads(pickle.dumps(hierarchy)).fingerprint == hierarchy.fingerprint


@each_method
def test_up_and_down_again(name: str) -> None:
    """What is linear along the way comes back nearer by the interpolation than by the clusters."""
    grid = as_graph(nx.grid_2d_graph(16, 16))
    points = np.array([(u // 16, u % 16) for u in range(256)], dtype=float)
    hierarchy = coarsen(grid, levels=2, method=METHODS[name](points))
    if hierarchy[0].sampled is None:
        with pytest.raises(ValueError, match="clusters"):
            hierarchy.restriction(0, 2, "sampled")
        return
    down = hierarchy.coarse_positions(points, 2, "sampled")
    lost = {
        kind: np.abs(hierarchy.prolongation(2, 0, kind) @ down - points).mean()
        for kind in ("constant", "interpolated")
    }
    if hierarchy[0].interpolation is None:
        assert lost["interpolated"] == lost["constant"]
    else:
        assert lost["interpolated"] < 0.8 * lost["constant"]


@each_method
def test_empty_graphs_and_single_nodes(name: str) -> None:
    for n in (0, 1):
        graph = Graph(np.zeros(n + 1, dtype=int), [])
        assert coarsen(graph, levels=2, method=METHODS[name](np.zeros((n, 2)))).sizes == (n,)
