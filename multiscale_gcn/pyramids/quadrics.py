"""How far a place lies from the faces that a vertex stands for: Garland and Heckbert, "Surface
simplification using quadric error metrics", SIGGRAPH 1997.

A quadric is the polynomial x'Ax - 2b'x + c of a place x, as ten numbers: the upper triangle of A by
rows, b, and c.
"""

from __future__ import annotations

import numpy as np

OF_POINT = 2.0**-16
"""Weight of the squared distance from the vertex itself, against that from the plane of a face. It
decides in flat parts, where the planes say nothing, and gives every quadric one minimum, as in
Trettner and Kobbelt, "Fast and robust QEF minimization using probabilistic quadrics", Computer
Graphics Forum 39(2), 2020."""
OF_BOUNDARY = 8.0
"""Weight of the plane that stands upright on a boundary edge, against that of a face."""


def vertex_quadrics(
    vertices: np.ndarray,  # [n, 3]
    triangles: np.ndarray,  # [F, 3]
    boundary: np.ndarray,  # [B, 3]: a boundary edge, and the third corner of its face
) -> np.ndarray:  # [n, 10]
    """Of each vertex the sum over its faces of the squared distance from the plane of the face.

    Every face counts once, as in the paper: so parts with many small faces keep more vertices. To
    it comes ``OF_POINT`` of the squared distance from the vertex. Both ends of a boundary edge have
    the plane that stands upright on it, ``OF_BOUNDARY`` times.
    """
    corner = vertices[triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    of_face = _planes(normal, corner[:, 0])
    quadrics = np.zeros((len(vertices), 10))
    for k in range(3):
        np.add.at(quadrics, triangles[:, k], of_face)
        np.add.at(quadrics, triangles[:, k], OF_POINT * _points(corner[:, k]))

    start, end, opposite = (vertices[boundary[:, k]] for k in range(3))
    along, inward = end - start, opposite - start
    upright = np.cross(along, np.cross(along, inward))
    of_edge = OF_BOUNDARY * _planes(upright, start)
    for k in range(2):
        np.add.at(quadrics, boundary[:, k], of_edge)
    return quadrics


def _planes(normal: np.ndarray, point: np.ndarray) -> np.ndarray:  # [m, 3] -> [m, 10]
    """Squared distance from the plane through the point with this normal; 0 where it has none."""
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    x, y, z = normal.T
    offset = np.einsum("ij,ij->i", normal, point)
    return np.stack(
        [
            *(x * x, x * y, x * z, y * y, y * z, z * z),
            *(x * offset, y * offset, z * offset),
            offset * offset,
        ],
        axis=1,
    )


def _points(point: np.ndarray) -> np.ndarray:  # [m, 3] -> [m, 10]
    """Squared distance from the point."""
    one, zero = np.ones(len(point)), np.zeros(len(point))
    squared = np.einsum("ij,ij->i", point, point)
    return np.stack([one, zero, zero, one, zero, one, *point.T, squared], axis=1)
