"""Joints that jump away for a few frames and come back."""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.skeleton import EDGES
from examples.hgn_pose.lifting.over_time.movement import person_size, usual_change, velocity_changes

LONGEST = 6
"""Frames in a row that may be left out."""
ROUGHER = 3.0
"""Changes of velocity up to so many usual ones cost nothing."""
JUMP, LEAVE_OUT = 0.02, 0.3
"""Sizes of the person: what costs nothing either, and what it costs to leave out a sure joint."""
TOO_LONG = 1.4
"""A bone is too long beyond so many times the 90th percentile of its length in the clip."""
BROKEN = 0.2
"""Sizes of the person that a joint at the end of such a bone costs."""


def find_outliers(
    time: np.ndarray,  # [T]
    joints: np.ndarray,  # [T, 17, 2]
    confidence: np.ndarray,  # [T, 17]
) -> np.ndarray:  # [T, 17] bool
    """Joints that are not where the frames before and after have them.

    Of each joint those frames are kept whose track costs least (a shortest path over pairs of
    frames that follow each other). Every change of velocity costs its length, less what is usual
    there. So does the end of a bone that is longer than it is elsewhere in the clip. To leave a
    frame out costs too, in proportion to its confidence. A joint that jumps by d and back changes
    its velocity by 4 d in all; a fast movement or a sudden stop changes it no more when a frame
    is left out, and so is kept.

    Parameters
    ----------
    time : array of float, shape (T,)
        Rising; frames of the usual step are 1 apart.
    joints : array of float, shape (T, 17, 2)
        NaN where not seen.
    confidence : array of float, shape (T, 17)

    Returns
    -------
    array of bool, shape (T, 17)

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.outliers import find_outliers
    >>> body = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
    >>> joints = body + np.arange(20.0)[:, None, None]
    >>> joints[7, 13] += 80
    >>> np.argwhere(find_outliers(np.arange(20), joints, np.ones((20, 17)))).tolist()
    [[7, 13]]
    """
    size = person_size(joints)
    broken = _broken(joints, size)
    found = np.zeros(confidence.shape, dtype=bool)
    for joint in range(joints.shape[1]):
        known = np.flatnonzero(np.isfinite(joints[:, joint]).all(axis=1))
        if len(known) < 4:
            continue
        sure = confidence[known, joint]
        sure = sure / max(float(np.median(sure)), 1e-9)
        kept = cheapest_track(
            time[known],
            joints[known, joint],
            size[known],
            LEAVE_OUT * np.clip(sure, 0.1, 1.0),
            BROKEN * broken[known, joint],
        )
        found[np.delete(known, kept), joint] = True
    return found


def _broken(joints: np.ndarray, size: np.ndarray) -> np.ndarray:  # [T, 17] bool
    """Ends of bones that are much longer than elsewhere in the clip."""
    broken = np.zeros(joints.shape[:2], dtype=bool)
    for start, end in EDGES:
        length = np.linalg.norm(joints[:, end] - joints[:, start], axis=1) / size
        known = np.isfinite(length)
        if known.any():
            most = np.quantile(length[known], 0.9)
            broken[known, end] = length[known] > TOO_LONG * most + JUMP
    return broken


def cheapest_track(
    time: np.ndarray,  # [N]
    points: np.ndarray,  # [N, 2]
    size: np.ndarray,  # [N]
    leave_out: np.ndarray,  # [N]
    keep: np.ndarray,  # [N]
) -> np.ndarray:
    """Places of the points that the cheapest track goes through, ascending.

    Parameters
    ----------
    time : array of float, shape (N,)
    points : array of float, shape (N, 2)
    size : array of float, shape (N,)
        Of the person there; changes of velocity are measured in it.
    leave_out, keep : array of float, shape (N,)
        What it costs to leave out a point, beyond four free changes of velocity, or to keep it.
    """
    count, reach = len(points), LONGEST + 1
    free = ROUGHER * usual_change(velocity_changes(time, points) / size) + JUMP
    leave = leave_out + 4 * free
    left = np.concatenate([[0.0], np.cumsum(leave)])  # left[i]: the points before i left out
    place = np.arange(count)
    steps = np.arange(1, reach + 1)
    before, after = place[:, None] - steps, place[:, None] + steps  # [N, reach]
    inside = before >= 0, after < count
    before, after = before.clip(0), after.clip(max=count - 1)
    there = place[:, None]
    arriving = _velocity(time, points, before, there)
    leaving = _velocity(time, points, there, after)
    change = np.linalg.norm(leaving[:, None] - arriving[:, :, None], axis=-1)  # [N, from, to]
    cost = np.maximum(change / size[:, None, None] - free[:, None, None], 0)
    # best[i, g]: of tracks whose last points are i - g and i; g = 0: that begin with i.
    best = np.full((count, reach + 1), np.inf)
    came = np.zeros((count, reach + 1), dtype=np.int64)
    best[:, 0] = np.where(place <= LONGEST, left[:count] + keep, np.inf)
    for i in range(count):
        ways = np.concatenate([np.full((1, reach), best[i, 0]), best[i, 1:, None] + cost[i]])
        chosen = ways.argmin(axis=0)
        ways = ways[chosen, np.arange(reach)]
        for step in steps[inside[1][i]]:
            j = i + step
            best[j, step] = ways[step - 1] + left[j] - left[i + 1] + keep[j]
            came[j, step] = chosen[step - 1]
    ends = best + (left[-1] - left[1:])[:, None]
    ends[: max(count - reach, 0)] = np.inf
    i, step = divmod(int(ends.argmin()), reach + 1)
    kept = [i]
    while step:
        i, step = i - step, int(came[i, step])
        kept.append(i)
    return np.array(kept[::-1])


def _velocity(
    time: np.ndarray, points: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    span = np.maximum(np.abs(time[end] - time[start]), 1e-9)
    return (points[end] - points[start]) / span[..., None]
