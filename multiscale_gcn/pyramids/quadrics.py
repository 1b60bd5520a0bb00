"""How far a place lies from the faces that a vertex stands for: Garland and Heckbert, "Surface
simplification using quadric error metrics", SIGGRAPH 1997.

A quadric is the polynomial x'Ax - 2b'x + c of a place x, as ten numbers: the upper triangle of A by
rows, b, and c.
"""

from __future__ import annotations

import numpy as np

OF_POINT = 2.0**-10
"""Share of the squared distance from the vertex itself. It spreads the vertices of a flat part
evenly, where planes alone say nothing, as in Trettner and Kobbelt, "Fast and robust QEF
minimization using probabilistic quadrics", Computer Graphics Forum 39(2), 2020."""
OF_BOUNDARY = 8.0
"""Weight of the plane that stands upright on a boundary edge, in squares of the edge's length."""


def vertex_quadrics(
    vertices: np.ndarray,  # [n, 3]
    triangles: np.ndarray,  # [F, 3]
    boundary: np.ndarray,  # [B, 3]: a boundary edge, and the third corner of its face
) -> np.ndarray:  # [n, 10]
    """Of each vertex the sum over its faces, each weighted by its area.

    To the square of the distance from the plane of the face comes ``OF_POINT`` of that from the
    vertex; both ends of a boundary edge also have its plane.
    """
    corner = vertices[triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    twice = np.linalg.norm(normal, axis=1)
    area = twice / 2
    unit = np.divide(normal, twice[:, None], out=np.zeros_like(normal), where=twice[:, None] > 0)
    of_face = area[:, None] * _planes(unit, corner[:, 0])
    quadrics = np.zeros((len(vertices), 10))
    for k in range(3):
        np.add.at(quadrics, triangles[:, k], of_face)
        points = OF_POINT * area[:, None] * _points(corner[:, k])
        np.add.at(quadrics, triangles[:, k], points)

    start, end, opposite = (vertices[boundary[:, k]] for k in range(3))
    along = end - start
    squared = np.einsum("ij,ij->i", along, along)[:, None]
    inward = (opposite - start) * squared
    inward -= along * np.einsum("ij,ij->i", along, opposite - start)[:, None]
    length = np.linalg.norm(inward, axis=1, keepdims=True)
    upright = np.divide(inward, length, out=np.zeros_like(inward), where=length > 0)
    of_edge = OF_BOUNDARY * squared * _planes(upright, start)
    for k in range(2):
        np.add.at(quadrics, boundary[:, k], of_edge)
    return quadrics


def _planes(normal: np.ndarray, point: np.ndarray) -> np.ndarray:  # [m, 3] -> [m, 10]
    """Squared distance from the plane through the point, whose normal has length 1 or 0."""
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
