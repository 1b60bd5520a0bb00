"""Which vertex is the image of which: an involution, each pair within a tolerance."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from multiscale_gcn.mirrors.plane import Plane

NOBODY = -1
"""The image of a vertex that has none."""
FEW = 1000
"""So many points are done by all their distances sooner than in rounds."""


def paired(
    points: np.ndarray,  # [n, d]
    plane: Plane,
    tolerance: float,
) -> np.ndarray:  # [n] int64
    """The image of every point, or ``NOBODY``.

    Of all points that are free the two that lie nearest to each other's reflections, again and
    again, while they lie within the tolerance. A point near the plane may be nearest to its own.
    As in the matching, all that are nearest to each other may be taken at once.
    """
    reflected = plane.reflected(points)
    image = np.full(len(points), NOBODY)
    free = np.arange(len(points))
    while len(free) > FEW:
        apart, nearest = cKDTree(points[free]).query(reflected[free])
        mutual = (nearest[nearest] == np.arange(len(free))) & (apart <= tolerance)
        if not mutual.any():
            break
        image[free[mutual]] = free[nearest[mutual]]
        free = free[~mutual]
    if len(free) <= FEW:
        chosen = _nearest_first(points[free], reflected[free], tolerance)
        image[free[chosen != NOBODY]] = free[chosen[chosen != NOBODY]]
    return image


def _nearest_first(points: np.ndarray, reflected: np.ndarray, tolerance: float) -> np.ndarray:
    n = len(points)
    apart = np.sqrt(((reflected[:, None] - points) ** 2).sum(axis=2))
    u, v = np.triu_indices(n)
    lengths = np.maximum(apart[u, v], apart[v, u])
    image = np.full(n, NOBODY)
    near = np.flatnonzero(lengths <= tolerance)
    for at in near[np.argsort(lengths[near], kind="stable")].tolist():
        if image[u[at]] == image[v[at]] == NOBODY:
            image[u[at]], image[v[at]] = v[at], u[at]
    return image


def distances(
    points: np.ndarray,  # [n, d]
    plane: Plane,
    image: np.ndarray,  # [n]
) -> np.ndarray:  # [n]
    """How far the reflection of every point lies from its image; infinite, if it has none.

    The same for both points of a pair, to the last bit.
    """
    apart = np.full(len(points), np.inf)
    found = np.flatnonzero(image != NOBODY)
    apart[found] = np.linalg.norm(plane.reflected(points[found]) - points[image[found]], axis=1)
    apart[found] = np.maximum(apart[found], apart[image[found]])
    return apart
