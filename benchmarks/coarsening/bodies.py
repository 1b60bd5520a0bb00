"""Where the nodes of a coarse body are, and how much of its surface each has.

    python -m benchmarks.coarsening.bodies

The example's body at 96 and at 48 nodes, by today's default, by the example's own way, by the one
that HGN's code has, by heavy edges that know areas, with and without moves afterwards, by clusters
that are made to be compact, with positions and by the lengths of edges alone, and by METIS and
pyamg; beside them Lloyd's algorithm, written here with NumPy alone: k-means of the vertices by
their areas, of which only the piece that holds most of its area keeps a cluster, and the rest goes
to the nearest cluster beside it.

Of every level: the area of the largest cluster over the mean, the number of clusters that are not
connected, and the root of the mean squared distance to the middle of the cluster, by area, in
millimetres. Seconds are of both levels, the best of three runs after one to compile. METIS,
pyamg and Lloyd make each level from the vertices, so theirs do not nest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import util
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, dijkstra

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarsen_body
from multiscale_gcn import (
    CentroidalClusters,
    DefferrardMatching,
    ExpansionStar2,
    Graph,
    HeavyEdgeMatching,
    MetisPartition,
    RefinedClusters,
    as_graph,
    coarsen,
)

SIZES = (96, 48)
LIMIT = 1.5
"""Of the heaviest cluster over the mean at 48 nodes, for heavy edges."""
ROUNDS = 3
ROUNDS_OF_PYAMG = 20
NEEDS = {"METIS": "pymetis", "pyamg's Lloyd": "pyamg"}
"""Libraries of rows that are left out without them."""
METIS_UNITS = 2**24
"""Of area to the square metre, for METIS, which takes integers."""
Levels = dict[int, np.ndarray]
"""Cluster of every vertex, by the number of clusters."""


class Body:
    """Its surface, and what a clustering of it is worth."""

    def __init__(self) -> None:
        self.model = load_body()
        self.vertices = self.model.rest_vertices
        mesh = SimpleNamespace(vertices=self.vertices, faces=self.model.faces)
        self.plain: Graph = as_graph(mesh)
        self.by_area: Graph = as_graph(mesh, node_weights="area")
        self.by_shape: Graph = as_graph(mesh, node_weights="area", weights="inverse_length")
        self.areas = self.by_area.node_weights

    def means(self, cluster: np.ndarray) -> np.ndarray:
        total = np.bincount(cluster, self.areas)
        sums = [np.bincount(cluster, self.areas * axis) for axis in self.vertices.T]
        return np.stack(sums, axis=1) / total[:, None]

    def pieces(self, cluster: np.ndarray) -> np.ndarray:
        """The connected piece of its cluster that every vertex is in."""
        rows, columns = self.plain.edge_index()
        inside = cluster[rows] == cluster[columns]
        n = len(cluster)
        entries = (np.ones(int(inside.sum())), (rows[inside], columns[inside]))
        found: np.ndarray = connected_components(sp.coo_array(entries, shape=(n, n)))[1]
        return found

    def measured(self, cluster: np.ndarray) -> tuple[float, int, float]:
        total = np.bincount(cluster, self.areas)
        first = np.unique(self.pieces(cluster), return_index=True)[1]
        apart = int((np.bincount(cluster[first]) > 1).sum())
        squares = ((self.vertices - self.means(cluster)[cluster]) ** 2).sum(axis=1)
        radius = np.sqrt((self.areas * squares).sum() / self.areas.sum())
        return float(total.max() / total.mean()), apart, float(1000 * radius)


def lloyd(body: Body, size: int, seed: int = 0, rounds: int = 100) -> np.ndarray:
    """K-means by area from random vertices, with connected clusters at the end."""
    rng = np.random.default_rng(seed)
    share = body.areas / body.areas.sum()
    middle = body.vertices[rng.choice(len(share), size, replace=False, p=share)]
    for _ in range(rounds):
        distance = (middle**2).sum(axis=1) - 2 * body.vertices @ middle.T
        cluster = distance.argmin(axis=1)
        middle = body.means(cluster)
    piece = body.pieces(cluster)
    largest = np.zeros(size, np.int64)
    order = np.argsort(np.bincount(piece, body.areas))
    of_piece = np.zeros(len(order), np.int64)
    of_piece[piece] = cluster
    largest[of_piece[order]] = order
    stays = largest[cluster] == piece
    rows, columns = body.plain.edge_index()
    lengths = np.linalg.norm(body.vertices[rows] - body.vertices[columns], axis=1)
    n = len(cluster)
    matrix = sp.csr_array((lengths, (rows, columns)), shape=(n, n))
    _, _, source = dijkstra(
        matrix, indices=np.flatnonzero(stays), min_only=True, return_predecessors=True
    )
    return cluster[source]


def of_hierarchy(method: Any, by_area: bool = True) -> Callable[[Body], Levels]:
    def run(body: Body) -> Levels:
        graph = body.by_area if by_area else body.plain
        hierarchy = coarsen(graph, sizes=SIZES, method=method(body))
        return {size: hierarchy.parent(0, hierarchy.level(size).index) for size in SIZES}

    return run


def of_example(body: Body) -> Levels:
    hierarchy = coarsen_body(body.model)
    return {size: hierarchy.parent(0, hierarchy.level(size).index) for size in SIZES}


def of_metis(body: Body) -> Levels:
    """Each size from the vertices: of 96 nodes METIS makes no 48 parts."""
    weighed = as_graph(body.plain, node_weights=np.ceil(METIS_UNITS * body.areas))
    return {
        size: coarsen(weighed, sizes=[size], method=MetisPartition()).parent(0, -1)
        for size in SIZES
    }


def of_centroidal_without_positions(body: Body) -> Levels:
    hierarchy = coarsen(body.by_shape, sizes=SIZES, method=CentroidalClusters())
    return {size: hierarchy.parent(0, hierarchy.level(size).index) for size in SIZES}


def of_pyamg(body: Body) -> Levels:
    """Along edges of the lengths of the mesh, from random vertices."""
    from pyamg.aggregation.aggregate import lloyd_aggregation

    levels = {}
    for size in SIZES:
        np.random.seed(0)  # noqa: NPY002 (that is where it takes its vertices from)
        matrix = sp.csr_matrix(body.by_shape.to_scipy())
        ratio = size / len(body.vertices)
        members = lloyd_aggregation(matrix, ratio=ratio, measure="inv", maxiter=ROUNDS_OF_PYAMG)[0]
        levels[size] = np.asarray(members.argmax(axis=1)).reshape(-1)
    return levels


def of_lloyd(body: Body) -> Levels:
    return {size: lloyd(body, size) for size in SIZES}


def heavy_edges(body: Body) -> HeavyEdgeMatching:
    limit = LIMIT * float(body.areas.sum()) / min(SIZES)
    return HeavyEdgeMatching(rating=ExpansionStar2(), max_node_weight=limit)


METHODS: dict[str, Callable[[Body], Levels]] = {
    "default": of_hierarchy(lambda body: HeavyEdgeMatching(), by_area=False),
    "example's": of_example,
    "HGN's code": of_hierarchy(lambda body: DefferrardMatching(published=True), by_area=False),
    "area, expansion": of_hierarchy(heavy_edges),
    "refined": of_hierarchy(
        lambda body: RefinedClusters(
            method=HeavyEdgeMatching(rating=ExpansionStar2(), two_hop=False),
            positions=body.vertices,
        )
    ),
    "centroidal": of_hierarchy(lambda body: CentroidalClusters(positions=body.vertices)),
    "no positions": of_centroidal_without_positions,
    "METIS": of_metis,
    "pyamg's Lloyd": of_pyamg,
    "Lloyd": of_lloyd,
}


def main(methods: Sequence[str] = tuple(METHODS)) -> None:
    body = Body()
    print(f"{len(body.vertices)} vertices, {1e4 * body.areas.sum():.0f} cm2")
    head = "".join(f"{f'{size}: area':>11}{'apart':>7}{'radius':>8}" for size in SIZES)
    print(f"{'method':17}{head}{'seconds':>10}")
    for name in methods:
        if name in NEEDS and util.find_spec(NEEDS[name]) is None:
            print(f"{name:17}  not installed: pip install {NEEDS[name]}")
            continue
        levels, seconds = METHODS[name](body), np.inf
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            METHODS[name](body)
            seconds = min(seconds, time.perf_counter() - begin)
        print(f"{name:17}", end="")
        for size in SIZES:
            area, apart, radius = body.measured(levels[size])
            print(f"{area:11.2f}{apart:7}{radius:8.1f}", end="")
        print(f"{seconds:10.2f}")


if __name__ == "__main__":
    main()
