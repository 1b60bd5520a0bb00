"""Which joints are these, where a file does not say? Told by the lengths of the bones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS, SIDES

DISTANCES = {
    **{(f"{side}_{a}", f"{side}_{b}"): metres for side in SIDES for a, b, metres in (
        ("shoulder", "elbow", 0.275), ("elbow", "wrist", 0.259), ("hip", "knee", 0.422),
        ("knee", "ankle", 0.410), ("shoulder", "hip", 0.488), ("eye", "ear", 0.113),
        ("ear", "shoulder", 0.258), ("ankle", "heel", 0.072), ("ankle", "big_toe", 0.216),
        ("big_toe", "small_toe", 0.088), ("wrist", "pinky", 0.159), ("wrist", "index", 0.190),
        ("wrist", "thumb", 0.143),
    )},
    **{(middle, f"{side}_{joint}"): metres for side in SIDES for middle, joint, metres in (
        ("neck", "shoulder", 0.183), ("pelvis", "hip", 0.085), ("nose", "eye", 0.059),
        ("upper_neck", "shoulder", 0.245),
    )},
    ("left_shoulder", "right_shoulder"): 0.366, ("left_hip", "right_hip"): 0.170,
    ("left_eye", "right_eye"): 0.070, ("left_ear", "right_ear"): 0.174,
    ("upper_neck", "crown"): 0.194, ("nose", "crown"): 0.209, ("neck", "nose"): 0.281,
    ("pelvis", "neck"): 0.477, ("pelvis", "torso"): 0.236, ("torso", "neck"): 0.245,
}  # fmt: skip
"""Median metres between points of the built-in body in the built-in motion."""

CLEARLY = 0.75
"""An order is told if its misfit is at most so many times that of the next best."""
WORST = 0.6
"""Misfit of a right order at most. One frame of the built-in motion reaches it, a clip 0.25."""
FEWEST, ROWS = 8, 300
"""Bones that have to be seen, and detections that are looked at."""


def order_told(
    points: np.ndarray,  # [D, K, 2]
    seen: np.ndarray,  # [D, K] bool
    candidates: Sequence[str],
) -> str | None:
    """The one convention of which the joints have the bones; None if that is in doubt.

    Parameters
    ----------
    points : array of float, shape (D, K, 2)
        In one unit, the same for x and y or nearly so.
    seen : array of bool, shape (D, K)
    candidates : sequence of str
        Keys of ``CONVENTIONS`` with K points.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.filming import film
    >>> from examples.hgn_pose.lifting.orders import order_told
    >>> points = film("walk", 0).in_convention("body25b")
    >>> order_told(points, np.ones(points.shape[:2], bool), ["body25", "body25b"])
    'body25b'
    """
    misfits = sorted((misfit(points, seen, name), name) for name in candidates)
    if not misfits or not misfits[0][0] <= WORST:
        return None
    if len(misfits) > 1 and not misfits[0][0] <= CLEARLY * misfits[1][0]:
        return None
    return misfits[0][1]


def misfit(points: np.ndarray, seen: np.ndarray, convention: str) -> float:
    """How far bones are from the lengths that bones have, were the joints in that order.

    The mean length of each bone over the detections, relative to its length in ``DISTANCES``,
    would be the same for all bones of a person who turns to all sides alike. Returned is the mean
    size of the logarithm of what it is, relative to the median over the bones.

    Parameters
    ----------
    points : array of float, shape (D, K, 2)
    seen : array of bool, shape (D, K)
    convention : str
        A key of ``CONVENTIONS`` of K points.

    Returns
    -------
    float
        Infinity if fewer than ``FEWEST`` bones are seen.
    """
    rows = slice(None, None, max(1, len(points) // ROWS))
    points, seen = points[rows], seen[rows]
    where = {name: place for place, name in enumerate(_places(convention))}
    bones = [(where[a], where[b], d) for (a, b), d in DISTANCES.items() if {a, b} <= set(where)]
    relative = []
    for a, b, distance in bones:
        both = seen[:, a] & seen[:, b]
        if both.any():
            length = np.linalg.norm(points[both, a] - points[both, b], axis=1).mean()
            relative.append(length / distance)
    usual = float(np.median(relative)) if relative else 0.0
    if len(relative) < FEWEST or not usual > 0:
        return float("inf")
    return float(np.minimum(np.abs(np.log(np.array(relative) / usual + 0.05)), 2).mean())


def _places(convention: str) -> tuple[str, ...]:
    """The points; those of ``skeleton17`` under the names of the joints that stand near them."""
    return CONVENTIONS["human36m17" if convention == "skeleton17" else convention].points
