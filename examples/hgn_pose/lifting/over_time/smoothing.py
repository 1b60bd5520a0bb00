"""Smooth what moves: without delay where the whole clip is known, causally in a stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d


def smooth(
    points: np.ndarray,  # [T, ...]
    frame: np.ndarray,  # [T]
    sigma: float,
) -> np.ndarray:  # [T, ...]
    """A Gaussian over time, which has no delay.

    Each run of frames without a hole is smoothed on its own; at its ends it is continued by its
    mirror image through the last point, which keeps the velocity.

    Parameters
    ----------
    points : array of float, shape (T, ...)
    frame : array of float, shape (T,)
        Rising; frames that follow each other are 1 apart.
    sigma : float
        Standard deviation in frames; 0 or less: nothing is smoothed.

    Returns
    -------
    array of the type and shape of ``points``

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.smoothing import smooth
    >>> straight = np.arange(9.0)
    >>> bool(np.allclose(smooth(straight, straight, 1.5), straight))
    True
    """
    if not sigma > 0:
        return points
    result = points.copy()
    for run in np.split(np.arange(len(frame)), np.flatnonzero(np.diff(frame) > 1.5) + 1):
        if len(run) < 3:
            continue
        part = points[run].astype(np.float64)
        reach = min(int(4 * sigma + 0.5), len(run) - 1)
        before = 2 * part[0] - part[reach:0:-1]
        after = 2 * part[-1] - part[-2 : -reach - 2 : -1]
        long = np.concatenate([before, part, after])
        long = gaussian_filter1d(long, sigma, axis=0, mode="nearest", radius=reach)
        result[run] = long[reach : reach + len(run)]
    return result


@dataclass
class OneEuro:
    """A causal filter that follows fast movements and calms slow ones (Casiez et al., CHI 2012).

    A first-order low pass whose cutoff rises with the speed: ``cutoff = least + slope |speed|``.

    Parameters
    ----------
    least : float
        Cutoff of what stands still, Hz.
    slope : float
        By how much the cutoff rises with the speed, per unit of the values.
    speed_cutoff : float
        Of the speed itself, Hz.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.smoothing import OneEuro
    >>> calm = OneEuro(least=1.0, slope=0.5)
    >>> [round(float(calm(0.04 * t, np.array([x]))[0]), 2) for t, x in enumerate([0, 0, 1, 0, 0])]
    [0.0, 0.0, 0.47, 0.32, 0.25]
    """

    least: float
    slope: float
    speed_cutoff: float = 1.0

    def __post_init__(self) -> None:
        self._time: float | None = None
        self._value = self._speed = np.zeros(0)

    def __call__(
        self,
        time: float,  # seconds
        value: np.ndarray,  # [...]
    ) -> np.ndarray:  # [...]
        """The smoothed value at a time after the last one."""
        if self._time is None or not time > self._time:
            self._time, self._value, self._speed = time, value, np.zeros_like(value)
            return value
        step = time - self._time
        speed = (value - self._value) / step
        self._speed = self._speed + _share(self.speed_cutoff, step) * (speed - self._speed)
        share = _share(self.least + self.slope * np.abs(self._speed), step)
        self._value = self._value + share * (value - self._value)
        self._time = time
        return self._value


def _share(cutoff: np.ndarray | float, step: float) -> np.ndarray | float:
    """Weight of the new value of a first-order low pass."""
    turn = 2 * np.pi * cutoff * step
    return turn / (turn + 1)
