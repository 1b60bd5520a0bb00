"""The one face of motion, whether virtual cameras look at it or real ones saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.motion.motion import Motion


@dataclass(frozen=True, eq=False)
class Sights:
    """S times that a real camera saw a frame.

    Parameters
    ----------
    frame, camera : array of int64, shape (S,)
        Row of the motion and of the cameras.
    image : array of float32, shape (S, 17, 2)
        2D joints in the units of :meth:`Cameras.normalise`.
    """

    frame: np.ndarray
    camera: np.ndarray
    image: np.ndarray


class Footage(Protocol):
    """Motion and the cameras before it.

    :class:`~examples.hgn_pose.motion.motion.Motion` is seen by virtual cameras,
    :class:`~examples.hgn_pose.motion.recording.Recording` was seen by real ones.
    """

    @property
    def motion(self) -> Motion:
        """The true joints in the world of the cameras."""

    @property
    def number(self) -> np.ndarray:  # [T] int64
        """Number of every frame in its take, from 0."""

    @property
    def cameras(self) -> Cameras:
        """V cameras."""

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Name of every camera; real ones that stood in several worlds keep theirs."""

    @property
    def sights(self) -> Sights | None:
        """What the cameras saw; None: each of them sees every frame."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to keep in mind of figures on it."""

    def select(self, frames: np.ndarray) -> Self:
        """The frames of a boolean mask of shape (T,)."""

    def every(self, n: int) -> Self:
        """The frames whose number in their take is a multiple of n."""

    def with_motion(self, motion: Motion) -> Self:
        """The same with another motion of as many frames, such as one with bodies."""

    def misfits(self, most: int) -> list[tuple[str, int, float]]:
        """How well 2D joints that were not computed fit the 3D ones.

        Parameters
        ----------
        most : int
            About how many sights of a camera to look at.

        Returns
        -------
        list of tuple
            For each name of a camera the number of its sights, and how far the 2D joints are from
            the 3D ones seen through the lens that fits best, in widths of the image.
        """

    def input_by(self, keypoints: str) -> str:
        """What the 2D joints are, for reports; ``keypoints`` names real ones."""
