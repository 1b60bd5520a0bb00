"""Meshes to three coarser ones and back, beside heavy edge matching and fast-simplification.

    python -m benchmarks.coarsening.pyramids

A quarter, a sixteenth and a sixty-fourth of the vertices. On the left the mean distance between the
vertices and what comes back of them, over the diagonal of the bounding box. A pyramid
goes up level by level, so that errors of levels add up; "in one step" each mesh is made of the
finest one, as ``fast-simplification`` does it; what comes back there is the point nearest to each
vertex.

In the middle the same for the mesh after a quarter turn from the bottom to the top, with the
matrices of the mesh as it was: down by means, by least squares, or by the vertices that were kept.

On the right whether the three meshes are watertight, how many edges of theirs have more than two
triangles, and the seconds that all took. Then how long a mesh of 100,002 vertices takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import trimesh

from benchmarks.coarsening.prolongation import Mesh, body, sphere, twisted
from multiscale_gcn import coarsen, mesh_pyramid
from multiscale_gcn.pyramids.closest import closest_on_triangles

SHARES = (4, 16, 64)
CHECKED = 300
"""Vertices whose nearest points are compared with those that trimesh finds among all triangles."""


def ball(rows: int = 60, columns: int = 100) -> Mesh:
    """A ball of 6,002 vertices with bumps: rows of quads, split, and a fan at either pole."""
    polar = np.pi * np.arange(1, rows + 1) / (rows + 1)
    around = 2 * np.pi * np.arange(columns) / columns
    a, b = (grid.ravel() for grid in np.meshgrid(polar, around, indexing="ij"))
    directions = np.stack([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)], axis=1)
    directions = np.concatenate([directions, [[0, 0, 1], [0, 0, -1]]])
    x, y, z = directions.T
    bumps = 1 + 0.2 * np.sin(3 * x) * np.cos(4 * y) + 0.15 * np.sin(5 * z)

    ids = np.arange(rows * columns).reshape(rows, columns)
    beside = np.roll(ids, -1, axis=1)
    north, south = rows * columns, rows * columns + 1
    faces = [
        np.stack([ids[:-1], ids[1:], beside[1:]], axis=-1),
        np.stack([ids[:-1], beside[1:], beside[:-1]], axis=-1),
        np.stack([np.full(columns, north), ids[0], beside[0]], axis=-1),
        np.stack([np.full(columns, south), beside[-1], ids[-1]], axis=-1),
    ]
    return directions * bumps[:, None], np.concatenate([part.reshape(-1, 3) for part in faces])


def screw() -> Mesh:
    """The ball drawn out and twisted."""
    vertices, faces = ball()
    return twisted(vertices * [1, 0.7, 2]), faces


MESHES: dict[str, Callable[[], Mesh]] = {
    "sphere": sphere,
    "ball": ball,
    "screw": screw,
    "body": body,
}


class Result(NamedTuple):
    """Of three levels."""

    lost: list[float]
    lost_twisted: list[float]
    faces: list[np.ndarray]
    seconds: float


Method = Callable[[np.ndarray, np.ndarray, list[int]], Result]


def matching(kind: Any, least_squares: bool = False) -> Method:
    """Heavy edge matching, with this prolongation."""

    def run(vertices: np.ndarray, faces: np.ndarray, sizes: list[int]) -> Result:
        start = time.perf_counter()
        hierarchy = coarsen(faces, sizes=sizes)
        options: dict[str, Any] = {"positions": vertices} if kind == "linear" else {}
        levels = [hierarchy.level(size).index for size in sizes]
        matrices = [hierarchy.prolongation(k, 0, kind, **options) for k in levels]
        seconds = time.perf_counter() - start
        lost: list[list[float]] = [[], []]
        for values, into in zip((vertices, twisted(vertices)), lost, strict=True):
            for k, matrix in zip(levels, matrices, strict=True):
                if least_squares:
                    start = time.perf_counter()
                    coarse = hierarchy.least_squares(values, 0, k, kind, **options)
                    seconds += (time.perf_counter() - start) / 2
                else:
                    coarse = hierarchy.restrict(values, 0, k)
                into.append(mean_loss(matrix @ coarse, values))
        return Result(lost[0], lost[1], [hierarchy.coarse_faces(faces, k) for k in levels], seconds)

    return run


def pyramid(placement: Any) -> Method:
    def run(vertices: np.ndarray, faces: np.ndarray, sizes: list[int]) -> Result:
        start = time.perf_counter()
        made = mesh_pyramid((vertices, faces), sizes, placement=placement)
        seconds = time.perf_counter() - start
        lost: list[list[float]] = [[], []]
        other = twisted(vertices)
        for k in (1, 2, 3):
            up = made.prolongation(k, 0, "interpolated")
            lost[0].append(mean_loss(up @ made.vertices[k], vertices))
            if placement == "subset":
                coarse = made.restrict(other, 0, k, "sampled")
            else:
                coarse = made.least_squares(other, 0, k, "interpolated")
            lost[1].append(mean_loss(up @ coarse, other))
        return Result(lost[0], lost[1], list(made.faces[1:]), seconds)

    return run


def in_one_step(placement: Any) -> Method:
    def run(vertices: np.ndarray, faces: np.ndarray, sizes: list[int]) -> Result:
        start = time.perf_counter()
        lost: list[list[float]] = [[], []]
        meshes = []
        other = twisted(vertices)
        for size in sizes:
            made = mesh_pyramid((vertices, faces), [size], placement=placement)
            up = made.prolongation(1, 0, "interpolated")
            lost[0].append(mean_loss(up @ made.vertices[1], vertices))
            coarse = made.least_squares(other, 0, 1, "interpolated")
            lost[1].append(mean_loss(up @ coarse, other))
            meshes.append(made.faces[1])
        return Result(lost[0], lost[1], meshes, time.perf_counter() - start)

    return run


def fast_simplification(vertices: np.ndarray, faces: np.ndarray, sizes: list[int]) -> Result:
    import fast_simplification as peer

    start = time.perf_counter()
    meshes = []
    for size in sizes:
        number = 2 * size - 4  # of the triangles of a closed mesh of one part without holes
        made = peer.simplify(vertices, faces.astype(np.int32), target_count=number)
        meshes.append((made[0], made[1].astype(np.int64)))
    back = [nearest(vertices, *mesh) for mesh in meshes]
    seconds = time.perf_counter() - start
    for points, mesh in zip(back, meshes, strict=True):
        check_nearest(points, vertices, *mesh)
    lost = [mean_loss(points, vertices) for points in back]
    return Result(lost, [np.nan] * len(sizes), [faces for _, faces in meshes], seconds)


METHODS: dict[str, Method] = {
    "matching, constant": matching("constant"),
    "matching, smoothed": matching("smoothed"),
    "matching, least squares": matching("smoothed", least_squares=True),
    "matching, linear": matching("linear"),
    "pyramid, subset": pyramid("subset"),
    "pyramid, optimal": pyramid("optimal"),
    "subset in one step": in_one_step("subset"),
    "optimal in one step": in_one_step("optimal"),
    "fast-simplification": fast_simplification,
}


def nearest(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # [n, 3]
    used, numbered = np.unique(faces, return_inverse=True)
    faces, vertices = numbered.reshape(-1, 3), vertices[used]
    zeros = np.zeros(len(points)), np.zeros(len(vertices))
    triangle, weights = closest_on_triangles(points, zeros[0], vertices, faces, zeros[1])
    found: np.ndarray = np.einsum("nk,nkd->nd", weights, vertices[faces[triangle]])
    return found


def check_nearest(
    found: np.ndarray, points: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> None:
    """Raise if trimesh finds another distance among all triangles."""
    few = np.linspace(0, len(points) - 1, CHECKED).astype(int)
    repeated = np.repeat(points[few], len(faces), axis=0)
    all_pairs = trimesh.triangles.closest_point(
        np.tile(vertices[faces], (len(few), 1, 1)), repeated
    )
    least = np.linalg.norm(all_pairs - repeated, axis=1).reshape(len(few), -1).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(found - points, axis=1)[few], least, atol=1e-6)


def mean_loss(back: np.ndarray, values: np.ndarray) -> float:
    diagonal = np.linalg.norm(np.ptp(values, axis=0))
    return float(np.linalg.norm(back - values, axis=1).mean() / diagonal)


def triangles_of_edges(faces: np.ndarray) -> np.ndarray:  # [E]
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    counts: np.ndarray = np.unique(sides, axis=0, return_counts=True)[1]
    return counts


def main(meshes: Sequence[str] = tuple(MESHES), methods: Sequence[str] = tuple(METHODS)) -> None:
    levels = "".join(f"{f'n/{share}':>8}" for share in SHARES)
    mesh_pyramid(ball(8, 8), [30], placement="optimal")  # compiles
    for name in meshes:
        vertices, faces = MESHES[name]()
        faces = faces.astype(np.int64)
        n = len(vertices)
        print(f"\n{f'{name}, {n:,} vertices':26}{levels}   twisted:{levels}   watertight   >2   s")
        for method in methods:
            lost, lost_twisted, coarse, seconds = METHODS[method](
                vertices, faces, [n // share for share in SHARES]
            )
            counts = [triangles_of_edges(level) for level in coarse]
            tight = "/".join("yes" if (count == 2).all() else "no" for count in counts)
            many = "/".join(str((count > 2).sum()) for count in counts)
            figures = (
                "".join(f"{x:8.4f}".replace("nan", "  -") for x in row)
                for row in (lost, lost_twisted)
            )
            row = f"{method:26}{next(figures)}{'':11}{next(figures)}"
            print(f"{row}   {tight}   {many}   {seconds:.2f}")


def time_a_large_one() -> None:
    large = ball(250, 400)
    n = len(large[0])
    start = time.perf_counter()
    made = mesh_pyramid(large, [n // share for share in SHARES])
    print(f"\na ball to {made.sizes}: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
    time_a_large_one()
