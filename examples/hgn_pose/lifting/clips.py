"""What networks are given that take a clip: a person's track around each of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from examples.hgn_pose.lifting.framing import Framing, frame_clips
from examples.hgn_pose.lifting.mapping import Trunk


@dataclass(frozen=True, eq=False)
class TrackClips:
    """F clips, cut out of a track when they are needed.

    A clip has as many frames a second as those of the training, whatever the video has: the joints
    between two frames are interpolated, and those before the first frame and after the last one
    stand still.

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
    image_size, framing, trunk
        As in :func:`~examples.hgn_pose.lifting.framing.frame_clips`.
    device : torch.device
        Where the clips go.
    """

    time: np.ndarray
    joints: np.ndarray
    frames: int
    steps_per_second: float
    image_size: tuple[int, int]
    framing: Framing
    trunk: Trunk
    device: torch.device

    def __len__(self) -> int:
        return len(self.time)

    def split(self, size: int, /) -> Iterator[Tensor]:  # each [B, frames, 17, 2]
        """So many clips at a time, in order."""
        for begin in range(0, len(self), size):
            clips = frame_clips(
                self._joints_at(self._moments(slice(begin, begin + size))),
                self.image_size,
                self.framing,
                self.trunk,
            )
            yield torch.from_numpy(clips).to(self.device)

    def _moments(self, chosen: slice) -> np.ndarray:  # [B, frames] seconds
        half = self.frames // 2
        return self.time[chosen, None] + np.arange(-half, half + 1) / self.steps_per_second

    def _joints_at(self, moments: np.ndarray) -> np.ndarray:  # [B, frames, 17, 2]
        columns = self.joints.reshape(len(self), -1).T
        found = [np.interp(moments, self.time, column) for column in columns]
        return np.stack(found, axis=-1).reshape(*moments.shape, *self.joints.shape[1:])
