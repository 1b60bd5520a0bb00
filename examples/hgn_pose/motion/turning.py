"""A camera turned about its optical centre sees the same rays: its picture follows exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BESIDE = 0.05
"""Least cosine of the angle between a ray and the new line of sight; rays beyond are kept there."""


def axes_towards(
    slope: NDArray[np.floating],  # [T, 2]
    down: NDArray[np.floating],  # [3] or [T, 3]
) -> NDArray[np.float64]:  # [T, 3, 3]
    """Axes of cameras that look along rays and are not rolled.

    Parameters
    ----------
    slope : array of float, shape (T, 2)
        Of the rays, in the axes of the old camera: x to the right and y down, z being 1.
    down : array of float, shape (3,) or (T, 3)
        In the same axes. The new right is at a right angle to it: level, if things fall that way.

    Returns
    -------
    array of float64, shape (T, 3, 3)
        Rows: right, down and forward of the new camera, in the axes of the old one.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.motion.turning import axes_towards
    >>> (axes_towards(np.zeros((1, 2)), np.array([1.0, 0.0, 0.0]))[0] + 0.0).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    forward = _unit(_rays(slope))
    right = _unit(np.cross(np.broadcast_to(down, forward.shape), forward))
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def turned(
    slopes: NDArray[np.floating],  # [T, N, 2]
    axes: NDArray[np.float64],  # [T, 3, 3]
) -> NDArray[np.float64]:  # [T, N, 2]
    """Slopes of the same rays in the axes of turned cameras."""
    seen = np.einsum("tij,tnj->tni", axes, _rays(slopes))
    picture: NDArray[np.float64] = seen[..., :2] / np.maximum(seen[..., 2:], BESIDE)
    return picture


def turned_back(
    points: NDArray[Any],  # [T, N, 3]
    axes: NDArray[np.float64],  # [T, 3, 3]
) -> NDArray[Any]:  # [T, N, 3]
    """Points of turned cameras in the axes of the old ones, of the same type."""
    return np.einsum("tji,tnj->tni", axes, points).astype(points.dtype)


def _rays(slopes: NDArray[np.floating]) -> NDArray[np.float64]:  # [..., 3]
    wide = np.asarray(slopes, np.float64)
    return np.concatenate([wide, np.ones_like(wide[..., :1])], axis=-1)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float64] = vectors / np.maximum(lengths, 1e-12)
    return unit
