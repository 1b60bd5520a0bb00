"""Which way is down, from how a person stands."""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS

_LEGS = [[JOINTS.index(f"{side}_{name}") for name in ("Hip", "Knee", "Ankle")] for side in "RL"]
_PELVIS, _NECK = JOINTS.index("Pelvis"), JOINTS.index("Neck")
STRAIGHT = 0.93
"""Of a leg's length the share from hip to ankle from which on it is straight."""
IN_LINE = 0.95
"""Cosine of the angle between trunk and legs of somebody who stands."""
FEWEST = 0.15
"""Share of the frames in which somebody must stand."""
MOST = 45.0
"""Degrees off the camera's own down; who seems to stand beyond them lies."""


def down_of_standing(
    pose: np.ndarray,  # [T, 17, 3]
) -> np.ndarray | None:  # [3]
    """Down in the axes of the camera: from neck to ankles of the frames in which somebody stands.

    They stand where both legs are straight and the trunk is in line with them. None where they
    hardly ever do, or where they would stand askew by more than 45 degrees.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.body.options import BodyOptions
    >>> from examples.hgn_pose.body.rest import rest_joints
    >>> from examples.hgn_pose.lifting.over_time.standing import down_of_standing
    >>> stands = rest_joints(BodyOptions().load())[None, :, [0, 2, 1]] * [1, -1, 1]
    >>> down_of_standing(stands).round(1) + 0.0
    array([0., 1., 0.])
    >>> down_of_standing(stands[..., [1, 0, 2]]) is None
    True
    """
    ankles = pose[:, [leg[2] for leg in _LEGS]].mean(axis=1)
    legs, trunk = _unit(ankles - pose[:, _PELVIS]), _unit(pose[:, _PELVIS] - pose[:, _NECK])
    stands = (legs * trunk).sum(axis=1) > IN_LINE
    for hip, knee, ankle in _LEGS:
        bones = _length(pose[:, knee] - pose[:, hip]) + _length(pose[:, ankle] - pose[:, knee])
        stands &= _length(pose[:, ankle] - pose[:, hip]) > STRAIGHT * bones
    if stands.mean() < FEWEST:
        return None
    down = _unit(np.median(_unit(ankles - pose[:, _NECK])[stands], axis=0))
    return down if down[1] > np.cos(np.deg2rad(MOST)) else None


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(_length(vectors), 1e-9)[..., None]
