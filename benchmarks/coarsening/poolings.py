"""The poolings that people use, beside each other and beside other code.

    python -m benchmarks.coarsening.poolings

The first tables take each graph to a quarter of its nodes: edges, seconds, clusters that fall
apart, and what is lost on the way down and up again, of the positions and of a smooth function. The
losses are mean distances, over the diagonal of the bounding box and over the range of the function.
Values go down as they are at the kept nodes, and up by the interpolation; for clusters, down by
means and up constant. A slash stands where a method refuses, with the reason below.

The last table has the seconds of one step on a Delaunay graph of 100,000 points, and on the points
alone: the best of three runs, after compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import networkx as nx
import numpy as np
from scipy.spatial import Delaunay

from benchmarks.coarsening.prolongation import body, sphere
from multiscale_gcn import (
    BiStride,
    ClusteringMethod,
    Constraints,
    FarthestPoints,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    KronReduction,
    MaximalIndependentSet,
    VoxelGrid,
    as_graph,
    coarsen,
    to_networkx,
)
from multiscale_gcn.graph.spectrum import laplacian
from multiscale_gcn.quality import disconnected_clusters


@dataclass(frozen=True)
class Problem:
    """A graph whose nodes have places."""

    name: str
    graph: Graph
    points: np.ndarray  # [n, d]

    @property
    def spacing(self) -> float:
        """Median length of an edge."""
        ends = self.points[self.graph.rows()], self.points[self.graph.indices]
        return float(np.median(np.linalg.norm(ends[0] - ends[1], axis=1)))

    @property
    def smooth(self) -> np.ndarray:
        """A wave and a half along each axis, over the nodes, shape (n,)."""
        low = self.points.min(axis=0)
        scaled = (self.points - low) / np.ptp(self.points, axis=0).max()
        values: np.ndarray = np.sin(3 * np.pi * scaled).sum(axis=1)
        return values


def plane(num_points: int) -> Problem:
    """Random points in the unit square and the edges of their Delaunay triangulation."""
    points = np.random.default_rng(0).random((num_points, 2))
    faces = Delaunay(points).simplices.astype(np.int64)
    name = f"Delaunay, {num_points:,} points"
    return Problem(name, as_graph(faces, kind="faces", num_nodes=num_points), points)


def mesh(name: str, vertices: np.ndarray, faces: np.ndarray) -> Problem:
    graph = as_graph(faces, kind="faces", num_nodes=len(vertices))
    return Problem(f"{name}, {len(vertices):,} vertices", graph, vertices)


def methods(problem: Problem) -> dict[str, ClusteringMethod]:
    points = problem.points
    return {
        "HeavyEdgeMatching()": HeavyEdgeMatching(),
        "BiStride()": BiStride(),
        "BiStride(positions)": BiStride(points),
        "MaximalIndependentSet()": MaximalIndependentSet(),
        "FarthestPoints(positions)": FarthestPoints(points),
        "VoxelGrid(positions, 2 edges)": VoxelGrid(points, 2 * problem.spacing),
        "KronReduction()": KronReduction(),
    }


def lost(hierarchy: Hierarchy, values: np.ndarray) -> float:
    """Mean length of what does not come back."""
    last = len(hierarchy) - 1
    below = hierarchy.restrict(
        values, 0, last, "mean" if hierarchy[0].sampled is None else "sampled"
    )
    back = hierarchy.prolongation(last, 0, "interpolated") @ below
    return float(np.linalg.norm((back - values).reshape(len(values), -1), axis=1).mean())


def print_quarters(problem: Problem) -> None:
    n, points, smooth = problem.graph.num_nodes, problem.points, problem.smooth
    print(f"\n{problem.name}: to {n // 4:,} nodes")
    print(f"{'':32}{'edges':>8}{'seconds':>9}{'apart':>7}{'positions':>11}{'smooth':>8}")
    notes = []
    for name, method in methods(problem).items():
        try:
            start = perf_counter()
            hierarchy = coarsen(problem.graph, sizes=[n // 4], method=method)
            seconds = perf_counter() - start
        except ValueError as error:
            print(f"{name:32}{'/':>8}{'/':>9}{'/':>7}{'/':>11}{'/':>8}")
            notes.append(f"  {name}: {str(error).split(':')[0]}")
            continue
        edges, apart = hierarchy[-1].graph.num_edges, disconnected_clusters(hierarchy)
        of_points = lost(hierarchy, points) / np.linalg.norm(np.ptp(points, axis=0))
        of_smooth = lost(hierarchy, smooth) / np.ptp(smooth)
        print(f"{name:32}{edges:8}{seconds:9.2f}{apart:7}{of_points:11.5f}{of_smooth:8.5f}")
    print("\n".join(notes), end="\n" if notes else "")


def best_of_three(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        start = perf_counter()
        run()
        seconds.append(perf_counter() - start)
    return min(seconds)


def print_speed(num_points: int = 100_000) -> None:
    problem = plane(num_points)
    graph, points = problem.graph, problem.points
    cloud = Graph(np.zeros(num_points + 1, dtype=np.int64), [])
    tenth = num_points // 10
    steps: list[tuple[str, Graph, ClusteringMethod, dict[str, list[int]]]] = [
        ("BiStride()", graph, BiStride(), {}),
        ("BiStride(positions)", graph, BiStride(points), {}),
        ("MaximalIndependentSet()", graph, MaximalIndependentSet(), {}),
        ("MaximalIndependentSet(k=2)", graph, MaximalIndependentSet(2), {}),
        (f"FarthestPoints, {tenth:,}", cloud, FarthestPoints(points), {"sizes": [tenth]}),
        ("VoxelGrid, 2 edges", cloud, VoxelGrid(points, 2 * problem.spacing), {}),
        ("HeavyEdgeMatching()", graph, HeavyEdgeMatching(), {}),
    ]
    print(f"\nOne step, {problem.name}")
    print(f"{'':32}{'nodes':>8}{'edges':>8}{'seconds':>9}")
    for name, source, method, options in steps:

        def run(
            source: Graph = source,
            method: ClusteringMethod = method,
            options: dict[str, list[int]] = options,
        ) -> Hierarchy:
            if options:
                return coarsen(source, sizes=options["sizes"], method=method)
            return coarsen(source, levels=1, method=method)

        coarse = run()[-1].graph
        seconds = best_of_three(run)
        print(f"{name:32}{coarse.num_nodes:8}{coarse.num_edges:8}{seconds:9.2f}")


def numpy_farthest(points: np.ndarray, count: int) -> np.ndarray:
    """The plain algorithm, from the point nearest to the mean."""
    squared = np.full(len(points), np.inf)
    new = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())
    chosen = []
    for _ in range(count):
        chosen.append(new)
        np.minimum(squared, ((points - points[new]) ** 2).sum(axis=1), out=squared)
        new = int(squared.argmax())
    return np.sort(chosen)


def print_references() -> None:
    """The same by plain code of NumPy and networkx, and by PyTorch Geometric."""
    problem = plane(10_000)
    graph, points = problem.graph, problem.points
    print(f"\nBeside other code, {problem.name}")

    few = coarsen(graph, sizes=[2500], method=FarthestPoints(points))
    ours = few.restrict(np.arange(len(points)), 0, 1, "sampled")
    start = perf_counter()
    plain = numpy_farthest(points, 2500)
    seconds = perf_counter() - start
    same = np.array_equal(ours, plain)
    print(f"  farthest points by NumPy, 2,500: {seconds:.2f} s, the same points: {same}")

    net = to_networkx(graph)
    start = perf_counter()
    theirs = len(nx.maximal_independent_set(net, seed=0))
    seconds = perf_counter() - start
    kept = coarsen(graph, levels=1, method=MaximalIndependentSet()).sizes[1]
    print(f"  maximal independent set by networkx: {seconds:.2f} s, {theirs} nodes, ours {kept}")

    print_schur(plane(2000))
    print_pyg("fps", problem)
    print_pyg("voxel_grid", problem)


def print_schur(problem: Problem) -> None:
    graph, n = problem.graph, problem.graph.num_nodes
    step = KronReduction().step(graph, constraints=Constraints(), max_merges=None, backend="auto")
    assert step.graph is not None
    assert step.sampled is not None
    first = np.isin(np.arange(n), step.sampled)
    start = perf_counter()
    L = laplacian(graph).toarray()
    L11, L12, L22 = L[first][:, first], L[first][:, ~first], L[~first][:, ~first]
    schur = L11 - L12 @ np.linalg.solve(L22, L12.T)
    seconds = perf_counter() - start
    off = np.abs(laplacian(step.graph).toarray() - schur).max()
    print(f"  Schur complement by NumPy, {n:,} points: {seconds:.2f} s, ours within {off:.1e}")


def print_pyg(name: str, problem: Problem) -> None:
    import torch
    import torch_geometric.nn

    points, size = torch.from_numpy(problem.points), 2 * problem.spacing
    start = perf_counter()
    try:
        if name == "fps":
            theirs = len(torch_geometric.nn.fps(points, ratio=0.25, random_start=False))
            ours = 2500
        else:
            theirs = len(torch.unique(torch_geometric.nn.voxel_grid(points, size)))
            ours = coarsen(problem.graph, levels=1, method=VoxelGrid(problem.points, size)).sizes[1]
    except ImportError as error:
        print(f"  left out: {name} of PyG, {' '.join(str(error).split())}")
        return
    print(f"  {name} of PyG: {perf_counter() - start:.2f} s, {theirs} nodes, ours {ours}")


def main() -> None:
    warm = plane(300)
    for method in methods(warm).values():
        coarsen(warm.graph, sizes=[75], method=method)
    for problem in (plane(10_000), mesh("sphere", *sphere()), mesh("body", *body()), plane(2000)):
        print_quarters(problem)
    print_references()
    print_speed()


if __name__ == "__main__":
    main()
