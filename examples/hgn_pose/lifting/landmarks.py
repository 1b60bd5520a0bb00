"""Points on the built-in body that pose detectors look for: face, hands and feet."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.skinning import CoarseSkinning
from examples.hgn_pose.motion.motion import Motion

MIDDLE = {"nose": (0.0, -0.165, 0.729), "crown": (0.0, -0.011, 0.878)}
SIDED = {
    "eye_inner": (0.017, -0.125, 0.767),
    "eye": (0.031, -0.125, 0.767),
    "eye_outer": (0.046, -0.12, 0.767),
    "ear": (0.086, -0.034, 0.763),
    "mouth": (0.026, -0.145, 0.69),
    "thumb": (0.435, -0.312, 0.158),
    "index": (0.506, -0.345, 0.112),
    "pinky": (0.542, -0.251, 0.081),
    "heel": (0.189, 0.047, -0.784),
    "big_toe": (0.16, -0.212, -0.803),
    "small_toe": (0.235, -0.17, -0.8),
}
"""Places on the average body at rest, metres; those with a side are the left ones."""

LANDMARKS = (*MIDDLE, *(f"{side}_{name}" for side in ("left", "right") for name in SIDED))


@cache
def landmark_vertices() -> np.ndarray:
    """Vertex of the built-in body for each of ``LANDMARKS``; right ones mirror the left.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.landmarks import LANDMARKS, landmark_vertices
    >>> len(LANDMARKS), landmark_vertices().shape
    (24, (24,))
    """
    body = load_body()
    rest = body.shape().vertices
    middle = np.flatnonzero(body.mirror == np.arange(len(rest)))
    centre = [middle[_nearest(rest[middle], place)] for place in MIDDLE.values()]
    left = [_nearest(rest, place) for place in SIDED.values()]
    return np.array([*centre, *left, *body.mirror[left]])


def _nearest(points: np.ndarray, place: tuple[float, float, float]) -> int:
    return int(((points - place) ** 2).sum(axis=1).argmin())


def landmark_positions(motion: Motion) -> np.ndarray:  # [T, 24, 3]
    """The landmarks of the bodies that were fitted to a motion, world metres.

    Parameters
    ----------
    motion : Motion
        With body poses.

    Returns
    -------
    array of float, shape (T, 24, 3)
        In the order of ``LANDMARKS``.

    Raises
    ------
    ValueError
        If the motion has no poses.
    """
    poses = motion.poses
    if poses is None:
        raise ValueError("motion has no body poses; add them with fitting.fitted_motion.fit_motion")
    body, vertices = load_body(), landmark_vertices()
    chosen = sp.csr_array(
        (np.ones(len(vertices)), (np.arange(len(vertices)), vertices)),
        shape=(len(vertices), body.vertices.shape[1]),
    )
    return CoarseSkinning(body, chosen).vertices(poses)
