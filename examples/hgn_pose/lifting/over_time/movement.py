"""How joints move in the image: the size of the person, steady or not, how rough the file is."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

SIZE_WINDOW, ROUGH_WINDOW = 15, 25
"""Frames over which a median is taken: of the person's size, and of the accelerations."""
JUMPING = 0.5
"""Sizes of the person by which the joints of one frame and the next differ at the median: above,
the frames are no clip."""


def person_size(
    joints: np.ndarray,  # [T, 17, 2] NaN where not seen
) -> np.ndarray:  # [T]
    """Median distance of a person's joints from their middle, and of that a running median.

    It is about 0.4 m, whatever one joint or one frame does. Frames without joints have that
    of the frames around them; 1 where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.movement import person_size
    >>> joints = np.stack([np.arange(17.0), np.zeros(17)], axis=1)[None].repeat(3, axis=0)
    >>> person_size(joints)
    array([4., 4., 4.])
    """
    size = np.full(len(joints), np.nan)
    for t, points in enumerate(joints):
        known = points[np.isfinite(points).all(axis=1)]
        if len(known) > 1:
            size[t] = np.median(np.linalg.norm(known - np.median(known, axis=0), axis=1))
    known = np.flatnonzero(size > 0)
    if not len(known):
        return np.ones(len(joints))
    size = np.interp(np.arange(len(joints)), known, size[known])
    return median_filter(size, SIZE_WINDOW, mode="mirror")


def is_clip(
    frame: np.ndarray,  # [T]
    joints: np.ndarray,  # [T, 17, 2]
) -> bool:
    """Whether the frames are of one movement, not a list of images that have nothing in common.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.movement import is_clip
    >>> still = np.random.default_rng(0).uniform(0, 100, (1, 17, 2)).repeat(9, axis=0)
    >>> is_clip(np.arange(9), still)
    True
    >>> is_clip(np.arange(9), np.random.default_rng(0).uniform(0, 100, (9, 17, 2)))
    False
    """
    if len(frame) < 2:
        return False
    moved = np.linalg.norm(np.diff(joints, axis=0), axis=2) / person_size(joints)[1:, None]
    known = np.isfinite(moved)
    return bool(known.any() and np.median(moved[known]) < JUMPING)


def velocity_changes(
    time: np.ndarray,  # [T]
    points: np.ndarray,  # [T, ..., 2]
) -> np.ndarray:  # [T, ...]
    """By how much the velocity changes at every point, in image units a frame; 0 at both ends.

    Where a point or its neighbour is not known it is NaN.
    """
    steps = np.diff(time).reshape(-1, *[1] * (points.ndim - 1))
    velocity = np.diff(points, axis=0) / steps
    changes = np.zeros(points.shape[:-1])
    changes[1:-1] = np.linalg.norm(np.diff(velocity, axis=0), axis=-1)
    return changes


def usual_change(
    changes: np.ndarray,  # [T]
) -> np.ndarray:  # [T]
    """Running median of changes of velocity: how rough a joint's track is there."""
    known = np.isfinite(changes)
    usual = np.median(changes[known]) if known.any() else 0.0
    return median_filter(np.where(known, changes, usual), ROUGH_WINDOW, mode="mirror")
