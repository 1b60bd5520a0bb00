"""What networks are given that take a clip: a person's track around each of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from examples.hgn_pose.lifting.viewing import Input

LONGEST_GAP = 0.5
"""Seconds without the person that are part of a clip; longer ones end it, as the video's ends do.
Steps of a slow video are no gaps."""


@dataclass(frozen=True, eq=False)
class TrackClips:
    """F clips, cut out of a track when they are needed.

    A clip has as many frames a second as those of the training, whatever the video has: the joints
    between two frames are interpolated, and those before the first frame, after the last one and
    beyond a long gap stand still.

    Parameters
    ----------
    time : array of float, shape (F,)
        Seconds, rising.
    joints : array of float, shape (F, 17, 2)
        Pixels.
    frames : int
        Of a clip, an odd number.
    steps_per_second : float
        Of a clip.
    ask : callable
        From clips in pixels, (B, frames, 17, 2), to what the network is asked of them.
    device : torch.device
        Where the clips go.
    """

    time: np.ndarray
    joints: np.ndarray
    frames: int
    steps_per_second: float
    ask: Callable[[np.ndarray], Input]
    device: torch.device

    def __len__(self) -> int:
        return len(self.time)

    def split(self, size: int, /) -> Iterator[Tensor]:  # each [B, frames, 17, 2]
        """So many clips at a time, in order."""
        moments = self._moments()
        for begin in range(0, len(self), size):
            clips = self._joints_at(moments[begin : begin + size])
            yield torch.from_numpy(self.ask(clips).image).to(self.device)

    def _moments(self) -> np.ndarray:  # [F, frames] seconds
        half = self.frames // 2
        moments = self.time[:, None] + np.arange(-half, half + 1) / self.steps_per_second
        steps = np.diff(self.time)
        usual = np.median(steps) if len(steps) else 0.0
        breaks = np.flatnonzero(steps > max(LONGEST_GAP, 2 * usual))
        begins, ends = np.r_[0, breaks + 1], np.r_[breaks, len(self) - 1]
        stretch = np.searchsorted(ends, np.arange(len(self)))
        first, last = self.time[begins][stretch], self.time[ends][stretch]
        return moments.clip(first[:, None], last[:, None])

    def _joints_at(self, moments: np.ndarray) -> np.ndarray:  # [B, frames, 17, 2]
        columns = self.joints.reshape(len(self), -1).T
        found = [np.interp(moments, self.time, column) for column in columns]
        return np.stack(found, axis=-1).reshape(*moments.shape, *self.joints.shape[1:])
