"""Which frames stand around each of those that are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Windows:
    """R windows of rows that follow each other in time, each around one that is asked for.

    Where a take ends, and where its frames have a gap, the last row is repeated, as in VideoPose3D
    (Pavllo et al. 2019) and its kin.

    Parameters
    ----------
    order : Tensor, shape (F,), int64
        All rows, run by run; a run has one row for each step of time.
    place, first, last : Tensor, each of shape (R,), int64
        Of each window: where in ``order`` its middle stands, and where its run begins and ends.
    frames : int
        Rows of a window, an odd number.
    spacing : int
        Places in ``order`` from one row of a window to the next.
    """

    order: Tensor
    place: Tensor
    first: Tensor
    last: Tensor
    frames: int
    spacing: int = 1

    def __post_init__(self) -> None:
        check_frames(self.frames)

    def __len__(self) -> int:
        return len(self.place)

    def rows(
        self,
        chosen: Tensor,  # [B] int64
    ) -> Tensor:  # [B, frames] int64
        """The rows of some windows, in order of time. Nothing is sent to the device."""
        half = self.frames // 2
        steps = self.spacing * torch.arange(-half, half + 1, device=chosen.device)
        places = self.place[chosen, None] + steps
        places = places.maximum(self.first[chosen, None]).minimum(self.last[chosen, None])
        return self.order[places]

    def of_frames(self, frames: int, spacing: int = 1) -> Windows:
        """Windows of another length, or of frames farther apart, around the same rows."""
        return replace(self, frames=frames, spacing=spacing)

    def to(self, device: torch.device | str) -> Windows:
        """The same on another device."""
        names = ("order", "place", "first", "last")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def windows_around(
    asked: np.ndarray,  # [R] int64
    run: np.ndarray,  # [F] int64
    number: np.ndarray,  # [F] int64
    step: int,
    frames: int,
    spacing: int = 1,
) -> Windows:
    """Windows around some of F rows.

    Parameters
    ----------
    asked : array of int64, shape (R,)
        The rows in the middle.
    run : array of int64, shape (F,)
        What a row belongs to: a take, or a take and the camera that saw it. A window stays in it.
    number : array of int64, shape (F,)
        Number of the row's frame in its take.
    step : int
        How far numbers of neighbours are apart, at most: see :func:`step_of`.
    frames : int
    spacing : int
        How many such neighbours lie between two rows of a window, and one: 1 takes all.

    Returns
    -------
    Windows

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from examples.hgn_pose.samples.windows import windows_around
    >>> number = np.array([0, 1, 2, 0, 1])
    >>> windows = windows_around(np.array([0, 4]), np.array([0, 0, 0, 1, 1]), number, 1, 3)
    >>> windows.rows(torch.arange(2)).tolist()
    [[0, 0, 1], [3, 4, 4]]
    """
    order = np.lexsort((number, run))
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (np.diff(run[order]) != 0) | (np.diff(number[order]) > step)
    firsts = np.flatnonzero(starts)
    of_run = np.cumsum(starts) - 1
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    middle = place[asked]
    lasts = np.append(firsts[1:], len(order)) - 1
    return Windows(
        order=torch.from_numpy(order),
        place=torch.from_numpy(middle),
        first=torch.from_numpy(firsts[of_run[middle]]),
        last=torch.from_numpy(lasts[of_run[middle]]),
        frames=frames,
        spacing=spacing,
    )


def step_of(
    run: np.ndarray,  # [F] int64
    number: np.ndarray,  # [F] int64
) -> int:
    """The most frequent step between frame numbers: files may hold every fifth frame only.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.samples.windows import step_of
    >>> step_of(np.array([0, 0, 0, 1, 1]), np.array([0, 5, 10, 0, 15]))
    5
    """
    order = np.lexsort((number, run))
    steps = np.diff(number[order])[np.diff(run[order]) == 0]
    if not len(steps):
        return 1
    values, counts = np.unique(steps, return_counts=True)
    return max(int(values[counts.argmax()]), 1)


def check_frames(frames: int) -> None:
    """Refuse windows without a middle.

    Raises
    ------
    ValueError
        For a number of frames that is not odd and positive.
    """
    if frames < 1 or frames % 2 == 0:
        raise ValueError(
            f"frames = {frames} must be odd and positive, so that a frame is in the middle"
        )
