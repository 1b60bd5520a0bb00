"""Joints that a person's own body hides from the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.hgn_pose.body.skeleton import EDGES, JOINTS

LIMB, TRUNK = 0.06, 0.12
"""Half the width of what hides a joint, metres: about that of an arm, and of the trunk."""

CLEAR = 0.06
"""Metres by which the hiding part must be nearer to the camera than the joint."""

_TRUNK_ENDS = {"Torso", "Neck"}


def hidden_joints(
    pose: NDArray[np.floating],  # [S, 17, 3] camera frame, metres
) -> NDArray[np.int64]:  # [S]
    """How many joints lie behind a bone, seen from the camera.

    The bones are taken for rods, those of the trunk for thicker ones, and the camera for far away,
    so that it looks along z. A joint is hidden if it appears within a rod that it is no end of, and
    that is nearer there.

    Parameters
    ----------
    pose : array of float, shape (S, 17, 3)
        Camera frame, z away from the camera.

    Returns
    -------
    array of int64, shape (S,)

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.occlusion import hidden_joints
    >>> pose = np.arange(17.0)[None, :, None] * [1.0, 0.0, 0.0]  # a line of joints, side by side
    >>> pose[0, 16] = (pose[0, 0] + pose[0, 1]) / 2 + [0.0, 0.0, 0.5]  # a hand behind a hip
    >>> int(hidden_joints(pose)[0])
    1
    """
    pose = np.asarray(pose, np.float64)
    hidden = np.zeros(pose.shape[:2], dtype=bool)
    for a, b in EDGES:
        radius = TRUNK if JOINTS[b] in _TRUNK_ENDS else LIMB
        start, along = pose[:, None, a], pose[:, None, b] - pose[:, None, a]
        length = (along[..., :2] ** 2).sum(axis=2)
        offset = pose - start
        place = (offset[..., :2] * along[..., :2]).sum(axis=2) / np.maximum(length, 1e-12)
        nearest = start + np.clip(place, 0, 1)[..., None] * along
        apart = np.linalg.norm((pose - nearest)[..., :2], axis=2)
        behind = (apart < radius) & (pose[..., 2] - nearest[..., 2] > CLEAR)
        behind[:, [a, b]] = False
        hidden |= behind
    return hidden.sum(axis=1)
