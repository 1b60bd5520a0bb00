"""Frames with those around them in time: what networks are given that take a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.augmentation import Augmentation, Variation
from examples.hgn_pose.samples.batches import Batch
from examples.hgn_pose.samples.detecting import present
from examples.hgn_pose.samples.inputs import ClipInputs
from examples.hgn_pose.samples.labels import Labels
from examples.hgn_pose.samples.sample_set import SampleSet
from examples.hgn_pose.samples.samples import NEAREST, Samples
from examples.hgn_pose.samples.windows import Windows


@dataclass(frozen=True, eq=False)
class ClipSamples:
    """Samples whose input is a window of frames around the one that is asked for.

    It has the face of :class:`~examples.hgn_pose.samples.sample_set.SampleSet`. Targets and
    labels are those of ``single``, bit for bit, so that networks that see one frame and networks
    that see many are trained and tested on the same. A window is seen by one
    camera, and mirrored, turned, scaled and rebuilt as a whole. A camera that somebody holds sees
    the person of the frame in the middle; a window ends, as at the end of a take, where they come
    nearer to it than half a metre or are not found, and from there on stands still.

    Parameters
    ----------
    single : Samples
        The R rows that are asked for.
    around : Samples
        Every frame of the same takes, in the same place before the cameras; without meshes.
    windows : Windows
        R windows of rows of ``around``.
    fps : float
        Rows of ``around`` a second.
    """

    single: Samples
    around: Samples
    windows: Windows
    fps: float

    @property
    def frames(self) -> int:
        """How many frames a network is given at once."""
        return self.windows.frames

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.single.device

    @property
    def mesh_flips(self) -> tuple[Tensor, ...]:
        """For every mesh the node on the other side of the body."""
        return self.single.mesh_flips

    def __len__(self) -> int:
        return len(self.single)

    def views(self, cameras: Cameras) -> int:
        """How many samples each of the rows is."""
        return self.single.views(cameras)

    def labels(self, cameras: Cameras) -> Labels:
        """Labels of all samples."""
        return self.single.labels(cameras)

    def to(self, device: torch.device | str) -> ClipSamples:
        """The same samples on another device."""
        parts = (self.single.to(device), self.around.to(device), self.windows.to(device))
        return ClipSamples(*parts, self.fps)

    def of_frames(self, frames: int, spacing: int = 1) -> SampleSet:
        """The same for networks that are given so many frames; for 1 the single frames."""
        if frames == 1:
            return self.single
        return replace(self, windows=self.windows.of_frames(frames, spacing))

    def check_in_view(self, cameras: Cameras, augmentation: Augmentation) -> None:
        """Refuse scenes that reach a camera of the studio in any frame of a window.

        Raises
        ------
        ValueError
            As :meth:`Samples.check_in_view`.
        """
        self.around.check_in_view(cameras, augmentation)

    def batch(
        self,
        cameras: Cameras,
        row: Tensor,  # [B] int64
        view: Tensor,  # [B] int64
        variation: Variation | None = None,
    ) -> Batch:
        """As :meth:`Samples.batch`, with windows for images, (B, frames, 17, 2), and all poses."""
        batch = self.single.batch(cameras, row, view, variation)
        rows = self.windows.rows(row)
        image, places = self.around.joints_of(
            cameras,
            rows.flatten(),
            _for_each(view, self.frames),
            None if variation is None else variation.over_time(self.time()),
        )
        image, places = image.unflatten(0, rows.shape), places.unflatten(0, rows.shape)
        if variation is not None and variation.as_filmed:
            seen = places[..., 2].amin(2) > NEAREST
            if variation.course is not None:
                seen = seen & present(variation.course, self.frames)
            shown = whole_time(rows, seen)
            image, places = at_times(image, shown), at_times(places, shown)
        return replace(batch, image=image, poses=places - places[:, :, :1])

    def time(self) -> Tensor:  # [frames] float32
        """Seconds of the frames of a window, 0 in the middle."""
        half = self.frames // 2
        steps = torch.arange(-half, half + 1, device=self.device)
        return steps * (self.windows.spacing / self.fps)

    def inputs(
        self,
        cameras: Cameras,
        image: Tensor,  # [S, 17, 2]
        spoil: Callable[[Tensor], Tensor] | None = None,
    ) -> ClipInputs:
        """Windows with ``image`` in the middle, and around it the frames as they are, or spoiled.

        A frame that is asked for is the same in every window that it is in.
        """
        views = self.views(cameras)
        everything = torch.arange(len(self.around) * views, device=self.device)
        seen = torch.cat(
            [
                self.around.joints_of(cameras, chosen // views, chosen % views)[0]
                for chosen in everything.split(AT_ONCE)
            ]
        )
        if spoil is not None:
            seen = spoil(seen)
        middle = self.windows.order[self.windows.place] * views
        places = middle[:, None] + torch.arange(views, device=self.device)
        seen = seen.index_copy(0, places.flatten(), image)
        samples = torch.arange(len(self) * views, device=self.device)
        return ClipInputs(seen, self.windows, views, samples)


AT_ONCE = 16384
"""Frames that are projected in one go."""


def _for_each(values: Tensor, frames: int) -> Tensor:  # [B] -> [B * frames]
    return values[:, None].expand(-1, frames).flatten()


def whole_time(
    rows: Tensor,  # [B, T] int64
    seen: Tensor,  # [B, T] bool
) -> Tensor:  # [B, T] int64
    """Which frame of its window is shown at each moment, where a window ends with what is seen.

    From the middle on, either way, every frame by itself, up to one that is not seen, or is the one
    before it once more, as at the end of a take.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.samples.clips import whole_time
    >>> seen = torch.tensor([[True, False, True, True, True]])
    >>> whole_time(torch.tensor([[5, 6, 7, 8, 8]]), seen).tolist()
    [[2, 2, 2, 3, 3]]
    """
    middle = rows.shape[1] // 2
    other = rows[:, 1:] != rows[:, :-1]
    later = (other[:, middle:] & seen[:, middle + 1 :]).long()
    earlier = (other[:, :middle] & seen[:, :middle]).long().flip(1)
    last = middle + later.cumprod(1).sum(1, keepdim=True)
    first = middle - earlier.cumprod(1).sum(1, keepdim=True)
    moment = torch.arange(rows.shape[1], device=rows.device)
    return moment.maximum(first).minimum(last)


def at_times(
    frames: Tensor,  # [B, T, 17, D]
    shown: Tensor,  # [B, T] int64
) -> Tensor:  # [B, T, 17, D]
    """For each moment of a window the frame that is shown then."""
    return frames.gather(1, shown[..., None, None].expand_as(frames))
