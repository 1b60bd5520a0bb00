"""The protocol ``wild`` for networks that are given clips: the frames around each of its samples.

A clip is seen by the camera that sees its frame in the middle, which is the sample of single
frames, errors and all. In the other frames the detector errs as ``samples.detecting`` says. A clip
ends where a joint leaves the image, or comes nearer to the camera than half a metre.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from examples.hgn_pose.measuring.wild import Views
from examples.hgn_pose.samples.clips import ClipSamples, at_times, whole_time
from examples.hgn_pose.samples.detecting import PIXEL, RARE, Course, Errors, over_time, spoiled
from examples.hgn_pose.samples.samples import NEAREST

Ask = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.floating]]
"""From the slopes of some clips, (B, T, 17, 2), and their numbers to what the network is asked."""


@dataclass(frozen=True, eq=False)
class WildClips:
    """S clips, made when they are needed.

    Parameters
    ----------
    views : Views
        Of S samples.
    samples : ClipSamples
        The same frames with those around them, on the CPU.
    found : array of float64, shape (S, 17, 2)
        What ``views`` shows networks of single frames, with the same errors.
    pixels, seed
        As in :meth:`.wild.Views.detected`.
    ask : callable
    device : torch.device
        Where the clips go.
    """

    views: Views
    samples: ClipSamples
    found: NDArray[np.float64]
    pixels: float
    seed: int
    ask: Ask
    device: torch.device

    def __len__(self) -> int:
        return len(self.found)

    def split(self, size: int, /) -> Iterator[Tensor]:  # each [B, T, 17, 2]
        """So many clips at a time, in order."""
        positions = self.samples.around.positions.double()
        errors = errors_of(len(self), self.pixels, self.seed)
        course = course_of(len(self), self.pixels, self.seed)
        for chosen in torch.arange(len(self)).split(size):
            rows = self.samples.windows.rows(chosen // (len(self) // len(self.samples)))
            slopes, seen = self._seen(positions[rows], chosen.numpy())
            if self.pixels:
                wrong = over_time(
                    Errors(*(part[chosen] for part in errors)),
                    Course(*(part[chosen] for part in course)),
                    self.samples.time(),
                )
                slopes = spoiled(slopes.flatten(0, 1), wrong).view_as(slopes)
            slopes[:, rows.shape[1] // 2] = torch.from_numpy(self.found[chosen])
            shown = at_times(slopes, whole_time(rows, seen))
            asked = self.ask(shown.numpy(), chosen.numpy()).astype(np.float32)
            yield torch.from_numpy(asked).to(self.device)

    def _seen(
        self,
        points: Tensor,  # [B, T, 17, 3]
        chosen: NDArray[np.int64],
    ) -> tuple[Tensor, Tensor]:  # [B, T, 17, 2], [B, T] bool
        """Slopes of the rays, and in which frames the camera sees the whole person."""
        views = self.views
        rotation, position, half = (
            torch.from_numpy(values[chosen])
            for values in (views.rotation, views.position, views.half)
        )
        seen = (points - position[:, None, None]) @ rotation[:, None].transpose(2, 3)
        slopes = seen[..., :2] / seen[..., 2:].clamp(min=NEAREST)
        whole = (slopes.abs() < half[:, None, None]).all(3) & (seen[..., 2] > NEAREST)
        return slopes, whole.all(2)


def errors_of(count: int, pixels: float, seed: int) -> Errors:
    """The draws of :class:`.noise.Detector` for so many samples and this seed, one by one."""
    random = np.random.default_rng(seed)
    rare = min(RARE * pixels, 1.0)
    confused, missing, misplaced = (
        random.random((count, columns)) < share
        for columns, share in ((2, rare / 2), (17, rare), (17, rare))
    )
    place = random.random((count, 17, 2))
    jitter = pixels * PIXEL * random.standard_normal((count, 17, 2))
    parts = (jitter, place, missing, misplaced, confused)
    return Errors(*(torch.from_numpy(part) for part in parts))


def course_of(count: int, pixels: float, seed: int) -> Course:
    """What follows from the draws of :func:`errors_of` in the frames around."""
    key = np.random.default_rng([seed, 1]).integers(2**32, size=count)
    return Course(torch.full((count,), pixels, dtype=torch.float64), torch.from_numpy(key))
