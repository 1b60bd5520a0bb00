"""The lens that fits best between joints in space and in an image."""

from __future__ import annotations

import numpy as np


def lens_misfit(
    pixels: np.ndarray,  # [T, 17, 2]
    seen: np.ndarray,  # [T, 17, 3]
) -> float:
    """Median distance, in pixels, after the focal lengths and the centre that fit best."""
    ratio = seen[..., :2] / seen[..., 2:]
    distance = np.zeros(pixels.shape[:2])
    for axis in range(2):
        x = ratio[..., axis].ravel()
        matrix = np.stack([x, np.ones_like(x)], axis=1)
        target = pixels[..., axis].ravel()
        (focal, centre), *_ = np.linalg.lstsq(matrix, target, rcond=None)
        focal = max(focal, 0.0)
        distance += (focal * ratio[..., axis] + centre - pixels[..., axis]) ** 2
    return float(np.median(np.sqrt(distance)))
