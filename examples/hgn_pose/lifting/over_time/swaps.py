"""Frames in which left and right are confused."""

from __future__ import annotations

from itertools import product

import numpy as np

from examples.hgn_pose.body.skeleton import PAIRS
from examples.hgn_pose.lifting.over_time.movement import person_size, usual_change, velocity_changes

LIMBS = (PAIRS[:3], PAIRS[3:])
"""Left and right joints of the legs and of the arms, which detectors confuse limb by limb."""
ROUGHER = 3.0
"""Changes of velocity up to so many usual ones cost nothing."""
MOST = 1.0
"""What a change of velocity costs at most, in sizes of the person: an outlier is no swap."""
TURN, STAY = 1.0, 0.05
"""What it costs to begin or end a swap, and each of its frames."""
TWIST = 0.25
"""What it costs in a frame if shoulders and hips, both broad, face opposite ways."""
_HIPS, _SHOULDERS = PAIRS[0], PAIRS[3]
_STATES = tuple(product((0, 1), repeat=3))
_BOTH = tuple(product((0, 1), repeat=2))


def find_swaps(
    time: np.ndarray,  # [T]
    joints: np.ndarray,  # [T, 17, 2]
) -> np.ndarray:  # [T, 2] bool
    """Frames whose legs (column 0) or arms (column 1) have left and right confused.

    Those frames are swapped for which the joints' velocities change least in all, with a price for
    each swap, each of its frames, and each frame whose shoulders face the other way than its hips
    (a shortest path over pairs of frames, as Viterbi's). Limbs that cross keep their velocity, and
    so their names. What most frames of a clip say is taken as right.

    Parameters
    ----------
    time : array of float, shape (T,)
        Rising; frames of the usual step are 1 apart.
    joints : array of float, shape (T, 17, 2)
        NaN where not seen.

    Returns
    -------
    array of bool, shape (T, 2)

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.body.skeleton import FLIP
    >>> from examples.hgn_pose.lifting.over_time.swaps import find_swaps
    >>> body = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
    >>> joints = body + np.arange(20.0)[:, None, None]
    >>> joints[5:8] = joints[5:8, FLIP]
    >>> np.flatnonzero(find_swaps(np.arange(20), joints).all(axis=1)).tolist()
    [5, 6, 7]
    """
    if len(joints) < 3:
        return np.zeros((len(joints), 2), dtype=bool)
    size = person_size(joints)
    legs, arms = (_costs(time, joints, size, np.array(limbs)) for limbs in LIMBS)
    return _cheapest(legs, arms, _twists(joints, size))


def swapped(
    joints: np.ndarray,  # [T, 17, ...]
    where: np.ndarray,  # [T, 2] bool
) -> np.ndarray:  # [T, 17, ...]
    """The joints with left and right exchanged in the legs and arms of some frames."""
    result = joints.copy()
    for k, limbs in enumerate(LIMBS):
        rows = where[:, k]
        for left, right in limbs:
            result[rows, left], result[rows, right] = joints[rows, right], joints[rows, left]
    return result


def _costs(
    time: np.ndarray,  # [T]
    joints: np.ndarray,  # [T, 17, 2]
    size: np.ndarray,  # [T]
    limbs: np.ndarray,  # [3, 2]
) -> np.ndarray:  # [T - 2, 2, 2, 2] states of a frame, the next, and the one after
    """What the velocity's changes cost for every choice of three frames that follow each other."""
    both = np.stack([joints[:, limbs], joints[:, limbs[:, ::-1]]])  # [2, T, 3, 2, 2]
    size = size[:, None, None]
    changes = velocity_changes(time, both[0]) / size
    free = np.stack([usual_change(column) for column in changes.reshape(len(time), -1).T], axis=1)
    free = ROUGHER * free.reshape(changes.shape)[1:-1]
    first, second = np.diff(time)[:-1], np.diff(time)[1:]
    costs = np.zeros((len(time) - 2, 2, 2, 2))
    for a, b, c in _STATES:
        before, here, after = both[a, :-2], both[b, 1:-1], both[c, 2:]
        arriving = (here - before) / first[:, None, None, None]
        leaving = (after - here) / second[:, None, None, None]
        change = np.linalg.norm(leaving - arriving, axis=-1) / size[1:-1] - free
        costs[:, a, b, c] = np.nan_to_num(change.clip(0, MOST)).sum(axis=(1, 2))
    return costs


def _twists(
    joints: np.ndarray,  # [T, 17, 2]
    size: np.ndarray,  # [T]
) -> np.ndarray:  # [T, 2] as named; with one of both swapped
    """What the trunk's twist costs in every frame; nothing from the side, where both are narrow."""
    hips, shoulders = (
        (joints[:, a] - joints[:, b]) / size[:, None] for a, b in (_HIPS, _SHOULDERS)
    )
    along = np.nan_to_num((hips * shoulders).sum(axis=1)).clip(-1, 1)
    return TWIST * np.stack([-along, along], axis=1).clip(0, None)


def _cheapest(
    legs: np.ndarray,  # [T - 2, 2, 2, 2]
    arms: np.ndarray,  # [T - 2, 2, 2, 2]
    twists: np.ndarray,  # [T, 2]
) -> np.ndarray:  # [T, 2] bool
    """The states of legs and arms along the shortest path."""
    costs = legs[:, :, None, :, None, :, None] + arms[:, None, :, None, :, None, :]
    costs = costs.reshape(-1, 4, 4, 4)
    state = np.array(_BOTH)
    stays = STAY * state.sum(axis=1) + twists[:, state[:, 0] ^ state[:, 1]]  # [T, 4]
    turns = TURN * np.abs(state[:, None] - state).sum(axis=2)
    best = stays[0][:, None] + turns + stays[1]  # of the first two frames
    came = np.zeros((len(costs), 4, 4), dtype=np.int64)
    for t, cost in enumerate(costs):
        ways = best[:, :, None] + cost + turns + stays[t + 2]
        came[t] = ways.argmin(axis=0)
        best = ways.min(axis=0)
    here, last = np.unravel_index(int(best.argmin()), best.shape)
    path = [last, here]
    for choice in came[::-1]:
        here, last = choice[here, last], here
        path.append(here)
    return state[path[::-1]].astype(bool)
