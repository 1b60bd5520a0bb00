"""The point of a triangle mesh that lies nearest to each of many points."""

from __future__ import annotations

from itertools import chain

import numpy as np

BLOCK = 1 << 15
"""Points that are looked at together, for the memory that their candidates take."""
SLACK = 1e-9
"""Share by which searches look further than they must, for the rounding of distances."""


def closest_on_triangles(
    points: np.ndarray,  # [n, d]
    point_part: np.ndarray,  # [n]
    vertices: np.ndarray,  # [m, d]
    triangles: np.ndarray,  # [F, 3], every vertex of a part stands in one
    vertex_part: np.ndarray,  # [m]
) -> tuple[np.ndarray, np.ndarray]:  # [n], [n, 3]
    """For each point the triangle of its part that is nearest, and the weights of its corners.

    The weights are from 0 to 1, sum to 1, and give the nearest point of the triangle. Of triangles
    at the same distance the first is taken.
    """
    found, weights_found = [np.empty(0, dtype=np.int64)], [np.empty((0, 3))]
    for begin in range(0, len(points), BLOCK):
        block = slice(begin, begin + BLOCK)
        point, triangle = _candidates(
            points[block], point_part[block], vertices, triangles, vertex_part
        )
        weights, squared = _closest_in(points[block][point], vertices[triangles[triangle]])
        order = np.lexsort((triangle, squared, point))
        _, first = np.unique(point[order], return_index=True)
        found.append(triangle[order[first]])
        weights_found.append(weights[order[first]])
    return np.concatenate(found), np.concatenate(weights_found)


def _candidates(
    points: np.ndarray,
    point_part: np.ndarray,
    vertices: np.ndarray,
    triangles: np.ndarray,
    vertex_part: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a point and a triangle, among them the nearest ones of every point.

    No point is further from its mesh than from the nearest vertex, and none nearer to a triangle
    than to the middle of that less the radius around it. Triangles of about one size are searched
    together. Parts lie apart along a further axis.
    """
    from scipy.spatial import cKDTree

    both = np.concatenate([points, vertices])
    apart = 4 * np.linalg.norm(np.ptp(both, axis=0)) + 1
    placed = np.column_stack([points, apart * point_part])
    corners = np.column_stack([vertices, apart * vertex_part])[triangles]
    middle = corners.mean(axis=1)
    radius = np.linalg.norm(corners - middle[:, None], axis=2).max(axis=1)
    reach = cKDTree(corners.reshape(-1, placed.shape[1])).query(placed)[0]

    size = np.frexp(radius)[1]
    found = [np.empty((2, 0), dtype=np.int64)]
    for one in np.unique(size):
        alike = np.flatnonzero(size == one)
        within = (reach + radius[alike].max()) * (1 + SLACK)
        lists = cKDTree(middle[alike]).query_ball_point(placed, within)
        counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
        members = np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=counts.sum())
        point, triangle = np.repeat(np.arange(len(points)), counts), alike[members]
        away = np.linalg.norm(placed[point] - middle[triangle], axis=1)
        near = away <= (reach[point] + radius[triangle]) * (1 + SLACK)
        found.append(np.stack([point[near], triangle[near]]))
    point, triangle = np.concatenate(found, axis=1)
    return point, triangle


def _closest_in(
    points: np.ndarray,  # [m, d]
    corners: np.ndarray,  # [m, 3, d]
) -> tuple[np.ndarray, np.ndarray]:  # [m, 3], [m]
    """Weights of the corners of each triangle, and the squared distance.

    The foot of the perpendicular where it lies within the triangle, otherwise the nearest point of
    the three sides.
    """
    rows = np.arange(len(points))
    choices = [_foot(points, corners)]
    for a, b in ((0, 1), (1, 2), (2, 0)):
        start, side = corners[:, a], corners[:, b] - corners[:, a]
        share = _ratio(_dot(points - start, side), _dot(side, side)).clip(0, 1)
        weights = np.zeros((len(points), 3))
        weights[:, a], weights[:, b] = 1 - share, share
        choices.append(weights)
    away = [points - np.einsum("mk,mkd->md", weights, corners) for weights in choices]
    squared = np.stack([_dot(offset, offset) for offset in away])
    squared[0, (choices[0] < 0).any(axis=1)] = np.inf
    best = squared.argmin(axis=0)
    return np.stack(choices)[best, rows], squared[best, rows]


def _foot(points: np.ndarray, corners: np.ndarray) -> np.ndarray:  # [m, 3]
    """Weights of the corners for the foot of the perpendicular; below 0 in a flat triangle."""
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    away = points - corners[:, 0]
    uu, uv, vv = _dot(u, u), _dot(u, v), _dot(v, v)
    of_u, of_v = _dot(away, u), _dot(away, v)
    determinant = uu * vv - uv * uv
    second = _ratio(vv * of_u - uv * of_v, determinant)
    third = _ratio(uu * of_v - uv * of_u, determinant)
    weights = np.stack([1 - second - third, second, third], axis=1)
    weights[determinant <= 0] = -1
    return weights


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = np.einsum("md,md->m", a, b)
    return product


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return ratio
