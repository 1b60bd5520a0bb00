"""One length for each bone of a person over a clip."""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.skeleton import EDGES, FLIP


def bone_lengths(
    pose: np.ndarray,  # [T, 17, 3]
) -> np.ndarray:  # [17]
    """Median length over a clip of the bone that ends in each joint, the same left and right.

    That of the pelvis is 0.
    """
    starts, ends = np.array(EDGES).T
    lengths = np.zeros(pose.shape[1])
    lengths[ends] = np.median(np.linalg.norm(pose[:, ends] - pose[:, starts], axis=2), axis=0)
    return (lengths + lengths[FLIP]) / 2


def with_lengths(
    pose: np.ndarray,  # [T, 17, 3]
    lengths: np.ndarray,  # [17]
) -> np.ndarray:  # [T, 17, 3]
    """The same directions of all bones with given lengths; the pelvis stays where it is.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.limbs import bone_lengths, with_lengths
    >>> pose = np.random.default_rng(0).normal(size=(5, 17, 3)).astype(np.float32)
    >>> same = with_lengths(pose, bone_lengths(pose))
    >>> float(np.linalg.norm(same[:, 3] - same[:, 2], axis=1).std().round(5))
    0.0
    """
    result = pose.astype(np.float64)
    for start, end in EDGES:
        bone = pose[:, end].astype(np.float64) - pose[:, start]
        size = np.linalg.norm(bone, axis=1, keepdims=True)
        result[:, end] = result[:, start] + bone * (lengths[end] / np.maximum(size, 1e-9))
    return result.astype(pose.dtype)
