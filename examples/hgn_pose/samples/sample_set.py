"""The one face of samples, whether a network sees a frame or a clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch import Tensor

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.augmentation import Augmentation, Variation
from examples.hgn_pose.samples.batches import Batch
from examples.hgn_pose.samples.inputs import ClipInputs
from examples.hgn_pose.samples.labels import Labels

if TYPE_CHECKING:
    from examples.hgn_pose.samples.samples import Samples


class SampleSet(Protocol):
    """What networks are trained and tested on.

    :class:`~examples.hgn_pose.samples.samples.Samples` shows single frames,
    :class:`~examples.hgn_pose.samples.clips.ClipSamples` those around each of them too.
    """

    @property
    def frames(self) -> int:
        """How many frames a network is given at once; 1: the frame alone."""

    @property
    def single(self) -> Samples:
        """The same frames without those around them."""

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""

    @property
    def mesh_flips(self) -> tuple[Tensor, ...]:
        """For every mesh the node on the other side of the body, each of shape (N,)."""

    def __len__(self) -> int:
        """How many rows there are."""

    def views(self, cameras: Cameras) -> int:
        """How many samples each of the ``len(self)`` rows is."""

    def labels(self, cameras: Cameras) -> Labels:
        """Labels of all samples: over the rows, and over the views within a row."""

    def to(self, device: torch.device | str) -> Self:
        """The same samples on another device."""

    def of_frames(self, frames: int, spacing: int = 1) -> SampleSet:
        """The same for networks that are given so many frames, so far apart."""

    def check_in_view(self, cameras: Cameras, augmentation: Augmentation) -> None:
        """Refuse scenes that reach a camera, however they are turned and scaled."""

    def batch(
        self, cameras: Cameras, row: Tensor, view: Tensor, variation: Variation | None = None
    ) -> Batch:
        """Show rows to cameras, all samples of the batch at once."""

    def inputs(
        self, cameras: Cameras, image: Tensor, spoil: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor | ClipInputs:
        """All that a network is asked, sample by sample.

        Parameters
        ----------
        cameras : Cameras
        image : Tensor, shape (S, 17, 2)
            The 2D joints of all samples, as they are or spoiled.
        spoil : callable (F, 17, 2) -> (F, 17, 2), optional
            What is done to the 2D joints of the frames around them.
        """
