"""What a detector found: joints of persons in frames, as a file holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.conventions import (
    CONVENTIONS,
    convention_of,
    conventions_with,
    order_of,
)
from multiscale_gcn.checks.arguments import flag, real_number, shown, whole_number

Row = tuple[Any, str | None, Any, Any]
"""Frame, person, points [K, 2], and confidence [K] or None."""
Rows = list[Row]
ONLY = "0"
"""The person of a file whose form has room for one alone."""
LARGEST_FRAME = 2**53
MOST_DIGITS = 100
LARGEST_IMAGE = 1_000_000
"""Pixels of a side."""
FARTHEST = 1e9
"""Pixels from the corner of the image."""


@dataclass(frozen=True, eq=False)
class Detections:
    """D detections, each one person in one frame, as they stand in a file.

    Parameters
    ----------
    frame : array of int64, shape (D,)
        Number of the frame, in order of time.
    points : array of float64, shape (D, K, 2)
        x to the right and y down, pixels or shares of the image; NaN where nothing was found.
    confidence : array of float64, shape (D, K)
        0 where nothing was found.
    person : tuple of str or None, length D, optional
        Who it is; None: the file does not say.
    convention : str, optional
        A key of ``CONVENTIONS`` where the file leaves no doubt.
    names : tuple of str, length K, optional
        Joint names of the file.
    normalised : bool, optional
        Whether the points are shares of the image; None: as the convention has it.
    image_size : pair of int, optional
        Width and height in pixels.
    fps : float, optional
        Frames per second.
    source : str
        The file, for messages.

    Raises
    ------
    ValueError
        If shapes do not fit together, or there is no detection.
    """

    frame: np.ndarray
    points: np.ndarray
    confidence: np.ndarray
    person: tuple[str | None, ...] = ()
    convention: str | None = None
    names: tuple[str, ...] | None = None
    normalised: bool | None = None
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    source: str = "the keypoints"

    def __post_init__(self) -> None:
        count = len(self.frame)
        if count == 0:
            raise ValueError(f"{self.source} holds no person; run the detector on other images")
        if not self.person:
            object.__setattr__(self, "person", (None,) * count)
        shape = self.points.shape
        if (
            len(shape) != 3
            or (shape[0], shape[2]) != (count, 2)
            or self.confidence.shape != shape[:2]
            or len(self.person) != count
        ):
            raise ValueError(
                f"{self.source} has {count} frame numbers, points of shape {shape}, confidence "
                f"of shape {self.confidence.shape} and {len(self.person)} persons; expected "
                "(D,), (D, K, 2), (D, K) and D"
            )
        if self.image_size is not None and min(self.image_size) < 1:
            raise ValueError(
                f"{self.source} says that the image is {self.image_size[0]} x "
                f"{self.image_size[1]} pixels; both must be positive"
            )
        if self.image_size is not None and max(self.image_size) > LARGEST_IMAGE:
            raise ValueError(
                f"{self.source} says that the image is {shown(self.image_size)} pixels; no side "
                f"has more than {LARGEST_IMAGE}"
            )
        if self.fps is not None:
            real_number(self.fps, f"{self.source}: fps", above=0)
        if self.normalised is not None:
            flag(self.normalised, f"{self.source}: normalised")
        if self.names is not None and len(self.names) != shape[1]:
            raise ValueError(
                f"{self.source} has {len(self.names)} joint names for {shape[1]} joints"
            )

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, chosen: np.ndarray) -> Detections:
        """The detections of a boolean mask or of ids, in their order."""
        rows = np.arange(len(self))[chosen]
        return replace(
            self,
            frame=self.frame[rows],
            points=self.points[rows],
            confidence=self.confidence[rows],
            person=tuple(self.person[row] for row in rows),
        )

    def in_convention(self, asked: str) -> Detections:
        """The same with a convention that is known and whose joints stand in its order.

        Parameters
        ----------
        asked : str
            A key of ``CONVENTIONS``, or ``auto``: what the file itself leaves no doubt about.

        Raises
        ------
        ValueError
            If it is unknown or does not fit the file, or if ``auto`` leaves a doubt.
        """
        count = self.points.shape[1]
        certain = self.convention or (convention_of(self.names) if self.names else None)
        if asked == "auto":
            if certain is None:
                fitting = conventions_with(count)
                raise ValueError(
                    f"{self.source} does not say which joints its {count} are; "
                    + (
                        f"give --convention, one of {', '.join(fitting)}"
                        if fitting
                        else f"the conventions have {_counts()}: convert the file to one of them"
                    )
                )
            asked = certain
        if asked not in CONVENTIONS:
            raise ValueError(f"convention {asked!r} is none of {', '.join(CONVENTIONS)}")
        if self.names:
            order = order_of(self.names, asked)
        else:
            if self.convention not in (None, asked):
                raise ValueError(
                    f"{self.source} is in the convention {self.convention}, not {asked}; leave "
                    "--convention at auto"
                )
            expected = len(CONVENTIONS[asked].points)
            if count != expected:
                fitting = conventions_with(count)
                raise ValueError(
                    f"{self.source} has {count} joints a person, {asked} has {expected}; "
                    + (f"is it {' or '.join(fitting)}?" if fitting else f"known: {_counts()}")
                )
            order = list(range(count))
        return replace(
            self,
            convention=asked,
            names=CONVENTIONS[asked].points,
            points=self.points[:, order],
            confidence=self.confidence[:, order],
        )


def frame_number(value: Any, source: str) -> int:
    """A frame's number as a file has it: an integer, or a float or text that is one.

    Raises
    ------
    ValueError
        If it is anything else, or too large to be told from its neighbours as a float.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.detections import frame_number
    >>> frame_number("0007", "walk.json"), frame_number(7.0, "walk.json")
    (7, 7)
    >>> frame_number(7.5, "walk.json")
    Traceback (most recent call last):
    ValueError: walk.json: frame = 7.5 must be an integer
    """
    number: Any = value
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        number = int(value) if len(value) <= MOST_DIGITS else LARGEST_FRAME + 1
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if isinstance(number, int) and abs(number) > LARGEST_FRAME:
        raise ValueError(
            f"{source}: frame = {shown(value)} is no number of a frame; number them from 0"
        )
    return whole_number(number, f"{source}: frame")


def _counts() -> str:
    return ", ".join(f"{len(known.points)} ({name})" for name, known in CONVENTIONS.items())


def collect(
    rows: Sequence[Row],
    source: str,
    **facts: Any,
) -> Detections:
    """Detections from rows of frame, person, points and confidence, sorted by frame.

    Without a confidence a point counts as sure. A point counts as not found if a number of it is
    not finite, or if it lies exactly in the image's corner (0, 0), where detectors put what they
    lack.

    Raises
    ------
    ValueError
        Naming the first frame whose number of joints differs, or whose values are no numbers.
    """
    if not rows:
        raise ValueError(f"{source} holds no person; run the detector on other images")
    points: list[np.ndarray] = []
    confidence: list[np.ndarray] = []
    for frame, _, place, sure in rows:
        try:
            xy = np.array(place, dtype=np.float64)
            c = np.ones(len(xy)) if sure is None else np.array(sure, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{source}: the joints of frame {shown(frame)} are no numbers: {error}; give x, y "
                "and a confidence for each"
            ) from None
        if xy.ndim != 2 or xy.shape[1] != 2 or c.shape != xy.shape[:1]:
            raise ValueError(
                f"{source}: the joints of frame {shown(frame)} have shape {xy.shape}, their "
                f"confidence {c.shape}; expected (K, 2) and (K,)"
            )
        if points and len(xy) != len(points[0]):
            raise ValueError(
                f"{source}: frame {shown(frame)} has {len(xy)} joints a person, the first one "
                f"{len(points[0])}; a file holds one convention"
            )
        lost = ~np.isfinite(xy).all(axis=1) | ~np.isfinite(c) | (xy == 0).all(axis=1)
        xy[lost], c[lost] = np.nan, 0.0
        if np.abs(xy[~lost]).max(initial=0) > FARTHEST:
            raise ValueError(
                f"{source}: a joint of frame {shown(frame)} lies at "
                f"{np.abs(xy[~lost]).max():.3g}, and no image is so large; give pixels, or shares "
                "of the image"
            )
        points.append(xy)
        confidence.append(c)
    frames = np.array([frame_number(row[0], source) for row in rows], dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    return Detections(
        frame=frames[order],
        points=np.stack(points)[order],
        confidence=np.stack(confidence)[order],
        person=tuple(rows[i][1] for i in order),
        source=source,
        **facts,
    )
