"""Repair the 2D joints of a clip before they are lifted, and say what was repaired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.lifting.gaps import usual_step
from examples.hgn_pose.lifting.over_time.movement import is_clip
from examples.hgn_pose.lifting.over_time.outliers import find_outliers
from examples.hgn_pose.lifting.over_time.swaps import find_swaps, swapped

LIMB_NAMES = ("legs", "arms")
SHORTEST = 5
"""Frames below which nothing is called an outlier: there is too little to compare with."""
MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class Repaired:
    """The 2D joints of a clip, and what was done to them.

    Parameters
    ----------
    frame : array of int64, shape (T,)
    joints : array of float64, shape (T, 17, 2)
        NaN where a joint was not seen; outliers lie between the frames around them.
    confidence : array of float64, shape (T, 17)
    swapped : array of bool, shape (T, 2)
        Frames whose legs and whose arms had left and right confused.
    outlier : array of bool, shape (T, 17)
        By the joints' right names.
    clip : bool
        Whether the frames are a clip at all; else nothing was looked for.
    """

    frame: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    swapped: np.ndarray
    outlier: np.ndarray
    clip: bool

    def report(self) -> list[str]:
        """What was repaired, a line for each kind, with the numbers of the frames.

        Examples
        --------
        >>> import numpy as np
        >>> from examples.hgn_pose.lifting.over_time.repair import repair
        >>> body = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
        >>> joints = body + np.arange(20.0)[:, None, None]
        >>> joints[7, 13] += 80
        >>> repair(100 + np.arange(20), joints, np.ones((20, 17))).report()
        ['L_Wrist off, and found again between frames: frames 107']
        """
        lines = [
            f"left and right confused in the {name}, and put right: frames {_runs(frames)}"
            for name, column in zip(LIMB_NAMES, self.swapped.T, strict=True)
            if len(frames := self.frame[column])
        ]
        for joint, column in zip(JOINTS, self.outlier.T, strict=True):
            frames = self.frame[column]
            if len(frames):
                lines.append(f"{joint} off, and found again between frames: frames {_runs(frames)}")
        return lines


def repair(
    frame: np.ndarray,  # [T]
    joints: np.ndarray,  # [T, 17, 2]
    confidence: np.ndarray,  # [T, 17]
    *,
    mend: bool = True,
) -> Repaired:
    """Find left and right where they are confused, then joints that jump away.

    Parameters
    ----------
    frame : array of int, shape (T,)
        Rising.
    joints : array of float, shape (T, 17, 2)
        Pixels; NaN where not seen.
    confidence : array of float, shape (T, 17)
    mend : bool
        Look for anything at all, beyond whether it is a clip.

    Returns
    -------
    Repaired
        Swaps are swapped back; outliers are interpolated linearly. Lists of images that have
        nothing in common are left alone.
    """
    clip = is_clip(frame, joints)
    nothing = np.zeros((len(frame), 2), bool), np.zeros(confidence.shape, bool)
    if not (mend and clip) or len(frame) < SHORTEST:
        return Repaired(frame, joints, confidence, *nothing, clip)
    time = (frame - frame[0]) / usual_step(frame)
    confused = find_swaps(time, _between(time, joints))
    joints, confidence = swapped(joints, confused), swapped(confidence, confused)
    outlier = find_outliers(time, joints, confidence)
    kept = np.where(outlier[..., None], np.nan, joints)
    joints = np.where(outlier[..., None], _between(time, kept), joints)
    return Repaired(frame, joints, confidence, confused, outlier, clip)


def _between(time: np.ndarray, joints: np.ndarray) -> np.ndarray:  # [T, 17, 2]
    """Joints that are not seen, linearly between the frames where they are."""
    filled = joints.copy()
    for joint in range(joints.shape[1]):
        known = np.isfinite(joints[:, joint]).all(axis=1)
        if known.any():
            for axis in range(2):
                filled[:, joint, axis] = np.interp(time, time[known], joints[known, joint, axis])
    return filled


def _runs(frames: np.ndarray) -> str:
    """Numbers of frames, those in a row as from-to."""
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    texts = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts]
    more = f" and {len(texts) - MOST_LISTED} more places" if len(texts) > MOST_LISTED else ""
    return ", ".join(texts[:MOST_LISTED]) + more
