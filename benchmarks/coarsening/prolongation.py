"""What a mesh loses on the way to a coarse level and back.

    python -m benchmarks.coarsening.prolongation

The mean distance between the vertices and what comes back of them, relative to the diagonal of the
bounding box: down by the restriction "mean", and back by each prolongation. On the left the
vertices where the linear prolongation knows them to be, on the right those of the mesh after it has
been twisted by a quarter turn from the bottom to the top, with the same matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial import ConvexHull

from benchmarks.coarsening.graphs import sphere_points
from multiscale_gcn import coarsen

SHARES = (4, 16, 64)
KINDS = ("constant", "smoothed", "linear")
Mesh = tuple[np.ndarray, np.ndarray]
"""Vertices [n, 3] and faces [F, 3]."""


def sphere() -> Mesh:
    """A closed mesh of 6,002 vertices."""
    points = sphere_points(6002)
    return points, ConvexHull(points).simplices.astype(np.int64)


def body() -> Mesh:
    """The body of the example, of 13,348 vertices."""
    from examples.hgn_pose.body.built_in import load_body

    built_in = load_body()
    return built_in.rest_vertices, built_in.faces


MESHES: dict[str, Callable[[], Mesh]] = {"sphere": sphere, "body": body}


def twisted(vertices: np.ndarray) -> np.ndarray:
    """The mesh after a quarter turn around the third axis from its bottom to its top."""
    x, y, z = vertices.T
    angle = (z - z.min()) / np.ptp(z) * np.pi / 2
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z], axis=1)


def main(meshes: Sequence[str] = tuple(MESHES)) -> None:
    head = "".join(f"{kind:>10}" for kind in KINDS)
    print(f"{'mesh':8}{'level':6}{head}   twisted:{head}")
    for name in meshes:
        vertices, faces = MESHES[name]()
        n = len(vertices)
        hierarchy = coarsen(faces, sizes=[n // share for share in SHARES])
        for share in SHARES:
            coarse = hierarchy.level(n // share).index
            back = [
                hierarchy.prolongation(coarse, 0),
                hierarchy.prolongation(coarse, 0, "smoothed"),
                hierarchy.prolongation(coarse, 0, "linear", positions=vertices),
            ]
            print(f"{name:8}{f'n/{share}':6}", end="")
            for at in (vertices, twisted(vertices)):
                below = hierarchy.restrict(at, 0, coarse)
                diagonal = np.linalg.norm(np.ptp(at, axis=0))
                for matrix in back:
                    lost = np.linalg.norm(matrix @ below - at, axis=1).mean() / diagonal
                    print(f"{lost:10.5f}", end="")
                print(" " * 11 if at is vertices else "\n", end="")


if __name__ == "__main__":
    main()
