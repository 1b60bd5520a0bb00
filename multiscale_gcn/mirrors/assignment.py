"""Images for vertices that the nearest-first pairing left over: those around them change theirs."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from multiscale_gcn.mirrors.pairing import NOBODY
from multiscale_gcn.mirrors.plane import Plane

STEPS = 3
"""At most, from a vertex that is left over to those that may change their image."""
MANY = 1500
"""So many may change; an assignment takes time as the cube of their number."""


def reassigned(
    points: np.ndarray,  # [n, d]
    plane: Plane,
    image: np.ndarray,  # [n]
    tolerance: float,
) -> np.ndarray:  # [n]
    """The images, with as many vertices as can be that have one; then those of the least sum of
    distances. The same, if more than ``MANY`` are left over."""
    tree, reflected = cKDTree(points), plane.reflected(points)
    near = np.flatnonzero(image == NOBODY)
    if not 0 < len(near) <= MANY:
        return image
    for _ in range(STEPS):
        balls = tree.query_ball_point(reflected[near], tolerance)
        reached = np.concatenate([near, *balls]).astype(np.int64)
        partners = image[reached]
        wider = np.unique(np.concatenate([reached, partners[partners != NOBODY]]))
        if len(wider) > MANY:
            break
        near = wider
    result = image.copy()
    chosen = _assigned(points[near], plane, tolerance)
    result[near] = np.where(chosen == NOBODY, NOBODY, near[chosen])
    return result


def _assigned(points: np.ndarray, plane: Plane, tolerance: float) -> np.ndarray:  # [n]
    """An assignment of rows to columns.

    A row for each point above the plane, then one for each below; a column for each point below,
    then one for each above. A point whose row and own column meet is by itself: its own image if
    it is near the plane, else without one. The rows and columns that pairs leave meet for nothing.
    """
    heights = plane.heights(points)
    above, below = np.flatnonzero(heights > 0), np.flatnonzero(heights <= 0)
    n, a, b = len(points), len(above), len(below)
    most = (n + 1) * tolerance  # more than all pairs together
    apart = cdist(plane.reflected(points[above]), points[below])
    own = 2.0 * np.abs(heights)
    alone = np.where(own <= tolerance, own, most)
    cost = np.full((n, n), n * most)
    cost[:a, :b] = np.where(apart <= tolerance, apart, n * most)
    cost[a:, b:] = 0.0
    cost[np.arange(a), b + np.arange(a)] = alone[above]
    cost[a + np.arange(b), np.arange(b)] = alone[below]
    column = linear_sum_assignment(cost)[1][:a]
    image = np.where(own <= tolerance, np.arange(n), NOBODY)
    paired = column < b
    image[above[paired]], image[below[column[paired]]] = below[column[paired]], above[paired]
    return image
