"""The graphs of the benchmark, made here: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.spatial import Delaunay

from multiscale_gcn import Graph, as_graph


def mesh() -> Graph:
    """A closed triangle mesh of 6,890 vertices, as many as SMPL has; weights about 1 / length."""
    points = sphere_points(6890)
    hull = Delaunay(points).convex_hull
    return _weighted_by_length(np.sort(hull, axis=1), points)


def grid(width: int = 1000) -> Graph:
    """A square grid with unit weights."""
    ids = np.arange(width * width).reshape(width, width)
    across = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()])
    down = np.stack([ids[:-1].ravel(), ids[1:].ravel()])
    edges = np.concatenate([across, down], axis=1)
    return as_graph(edges, kind="edge_index", symmetrize=True)


def delaunay(num_points: int = 1_000_000) -> Graph:
    """The Delaunay triangulation of random points in a square; weights about 1 / length."""
    points = np.random.default_rng(0).random((num_points, 2))
    points = points[np.lexsort((points[:, 1], np.floor(points[:, 0] * np.sqrt(num_points) / 4)))]
    return _weighted_by_length(Delaunay(points).simplices, points)


def rmat(scale: int = 20, edge_factor: int = 16) -> Graph:
    """A power-law graph after Graph500, ids permuted, integer weights from 1 to 1000."""
    rng = np.random.default_rng(0)
    n, count = 1 << scale, edge_factor << scale
    u = np.zeros(count, dtype=np.int64)
    v = np.zeros(count, dtype=np.int64)
    for _ in range(scale):
        quadrant = rng.random(count)
        down = quadrant > 0.57 + 0.19
        right = np.where(down, quadrant > 0.95, quadrant > 0.57)
        u = 2 * u + down
        v = 2 * v + right
    permutation = rng.permutation(n)
    first, second = np.sort(permutation[np.stack([u, v])], axis=0)
    keys = np.unique((first * n + second)[first != second])
    weights = rng.integers(1, 1001, len(keys)).astype(np.float64)
    matrix = sp.csr_array((weights, (keys // n, keys % n)), shape=(n, n))
    return as_graph((matrix + matrix.T).tocsr())


GRAPHS: dict[str, Callable[[], Graph]] = {
    "mesh": mesh,
    "grid": grid,
    "delaunay": delaunay,
    "rmat": rmat,
}


def sphere_points(n: int) -> np.ndarray:  # [n, 3]
    """The golden spiral on the unit sphere, slightly shaken: no two edges are equally long."""
    k = np.arange(n) + 0.5
    height = 1 - 2 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - height**2)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    points += np.random.default_rng(0).normal(scale=0.1 / n**0.5, size=points.shape)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _weighted_by_length(cells: np.ndarray, points: np.ndarray) -> Graph:
    graph = as_graph(cells.astype(np.int64), kind="faces", num_nodes=len(points))
    ends = points[graph.rows()], points[graph.indices]
    length = np.linalg.norm(ends[0] - ends[1], axis=1)
    weights = np.maximum(np.rint(1000 * np.median(length) / length), 1)
    return Graph(graph.indptr, graph.indices, weights)
