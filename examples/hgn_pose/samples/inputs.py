"""What networks are asked, in parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from examples.hgn_pose.samples.windows import Windows


class Inputs(Protocol):
    """S inputs of a network; a tensor of shape (S, 17, 2) is one of these."""

    @property
    def device(self) -> torch.device:
        """Where they are."""

    def __len__(self) -> int:
        """S."""

    def split(self, size: int, /) -> Iterable[Tensor]:
        """So many at a time, in order."""


@dataclass(frozen=True, eq=False)
class ClipInputs:
    """Clips, cut out of the 2D joints of all frames when they are needed.

    Parameters
    ----------
    image : Tensor, shape (F V, 17, 2)
        Every frame in every view, frame by frame.
    windows : Windows
        R windows of frames.
    views : int
        V.
    samples : Tensor, shape (S,), int64
        Which of the R V samples; they run over the windows, and over the views within a window.
    """

    image: Tensor
    windows: Windows
    views: int
    samples: Tensor

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.image.device

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, places: Tensor) -> ClipInputs:
        """Some of them."""
        return replace(self, samples=self.samples[places])

    def split(self, size: int, /) -> Iterator[Tensor]:  # each [B, frames, 17, 2]
        """So many clips at a time, in order."""
        for chosen in self.samples.split(size):
            rows = self.windows.rows(chosen // self.views) * self.views
            yield self.image[rows + (chosen % self.views)[:, None]]
