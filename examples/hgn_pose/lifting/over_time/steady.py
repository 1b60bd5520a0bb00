"""A clip's answers over time: smoothed, with limbs of one length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.hgn_pose.lifting.gaps import usual_step
from examples.hgn_pose.lifting.over_time.limbs import bone_lengths, with_lengths
from examples.hgn_pose.lifting.over_time.smoothing import smooth


@dataclass(frozen=True)
class TimeOptions:
    """What is done to the poses of a clip; a single image is left as it is."""

    smooth: float = 40.0
    """Standard deviation of the Gaussian over time that smooths a clip, milliseconds; 0: none."""
    one_length: bool = True
    """Give each bone of a person one length over a clip."""

    def validate(self) -> None:
        """Refuse options that make no sense."""
        if not 0 <= self.smooth <= 10_000:
            raise ValueError(
                f"smooth must lie between 0 and 10000 milliseconds, got {self.smooth:g}"
            )


def steady(
    pose: np.ndarray,  # [T, 17, 3]
    meshes: list[np.ndarray],  # each [T, N, 3]
    frame: np.ndarray,  # [T]
    fps: float,
    options: TimeOptions,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The poses and meshes of a clip, smoothed over time, with bones of one length.

    Parameters
    ----------
    pose : array of float, shape (T, 17, 3)
        Relative to the pelvis.
    meshes : list of array of float, each of shape (T, N, 3)
        Smoothed with the pose. The network draws them on its own: their limbs keep its lengths.
    frame : array of int, shape (T,)
    fps : float
        Of the video whose frames are numbered.
    options : TimeOptions
    """
    step = usual_step(frame)
    sigma = options.smooth / 1000 * fps / step
    time = (frame - frame[0]) / step
    pose, *meshes = (smooth(points, time, sigma) for points in (pose, *meshes))
    if options.one_length:
        pose = with_lengths(pose, bone_lengths(pose))
    return pose, meshes
