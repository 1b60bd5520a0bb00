"""What a detector found: joints of persons in frames, as a file holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS, conventions_with
from examples.hgn_pose.lifting.joint_names import convention_of, order_of
from examples.hgn_pose.lifting.orders import order_told
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
MOST_CONFIDENT = 20.0
"""Some networks give confidences that are no shares; none gives such a one."""
SAME, APART, MOST_LOOKED_AT = 3, 0.3, 1000
"""Of :func:`placeholder`: joints that stand in one place at least; how far they are from the box
around the others, in diagonals of the box; and detections that are looked at."""


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
    x_first : bool
        Whether the form of the file says that x stands before y; arrays do not.
    notes : tuple of str
        What the reader left out or took for granted, for people.
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
    x_first: bool = True
    notes: tuple[str, ...] = ()
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

    def in_convention(self, asked: str, threshold: float = 0.0) -> Detections:
        """The same with a convention that is known and whose joints stand in its order.

        Parameters
        ----------
        asked : str
            A key of ``CONVENTIONS``, or ``auto``: what the file says, else what its names leave
            no doubt about, else what the lengths of the bones leave no doubt about.
        threshold : float
            Joints of less confidence are not looked at.

        Raises
        ------
        ValueError
            If it is unknown or does not fit the file, or if ``auto`` leaves a doubt.
        """
        count = self.points.shape[1]
        if asked == "auto":
            asked = self._told(threshold)
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
        extra = [name for row, name in enumerate(self.names or ()) if row not in set(order)]
        lost = np.array(order) < 0
        lacking = [n for n, gone in zip(CONVENTIONS[asked].points, lost, strict=True) if gone]
        notes = [f"joints that {asked} lacks: {_some(extra)}"] if extra else []
        notes += [f"joints that the file lacks: {_some(lacking)}"] if lacking else []
        return replace(
            self,
            notes=(*self.notes, *notes),
            convention=asked,
            names=CONVENTIONS[asked].points,
            points=np.where(lost[:, None], np.nan, self.points[:, order]),
            confidence=np.where(lost, 0.0, self.confidence[:, order]),
        )

    def _told(self, threshold: float) -> str:
        """The convention, without being told."""
        certain = self.convention or (convention_of(self.names) if self.names else None)
        if certain is not None:
            return certain
        count = self.points.shape[1]
        fitting = conventions_with(count)
        if self.names is None:
            seen = (self.confidence > 0) & (self.confidence >= threshold)
            told = order_told(self.points, seen, fitting)
            if told is not None:
                return told
        else:
            fitting = [name for name in CONVENTIONS if _fits(self.names, name)] or fitting
        raise ValueError(
            f"{self.source} does not say which joints its {count} are"
            + (f" ({', '.join(self.names)})" if self.names else "")
            + "; "
            + (
                f"give --convention, one of {', '.join(fitting)}"
                if fitting
                else f"the conventions have {_counts()}: convert the file to one of them"
            )
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


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more


def _fits(names: Sequence[str], convention: str) -> bool:
    try:
        order_of(names, convention)
    except ValueError:
        return False
    return True


def _counts() -> str:
    return ", ".join(f"{len(known.points)} ({name})" for name, known in CONVENTIONS.items())


def collect(
    rows: Sequence[Row],
    source: str,
    notes: Sequence[str] = (),
    **facts: Any,
) -> Detections:
    """Detections from rows of frame, person, points and confidence, sorted by frame.

    Without a confidence a point counts as sure. A point counts as not found where detectors put
    what they lack: if a number of it is not finite, in the image's corner (0, 0), where both
    numbers are the same and negative such as (-1, -1), and see :func:`placeholder`. Who has no
    name and no joint is left out.

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
        x, y = xy.T
        lost = ~np.isfinite(xy).all(axis=1) | ~np.isfinite(c) | ((x == y) & (x <= 0))
        xy[lost], c[lost] = np.nan, 0.0
        if np.abs(xy[~lost]).max(initial=0) > FARTHEST:
            raise ValueError(
                f"{source}: a joint of frame {shown(frame)} lies at "
                f"{np.abs(xy[~lost]).max():.3g}, and no image is so large; give pixels, or shares "
                "of the image"
            )
        _check_confidence(c, frame, source)
        points.append(xy)
        confidence.append(c)
    frames = np.array([frame_number(row[0], source) for row in rows], dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    all_points, all_sure = np.stack(points)[order], np.stack(confidence)[order]
    lacking = placeholder(all_points)
    if lacking is not None:
        lost = (all_points == lacking).all(axis=2)
        all_points[lost], all_sure[lost] = np.nan, 0.0
        notes = [
            *notes,
            f"{lost.sum()} joints lie at exactly ({lacking[0]:g}, {lacking[1]:g}), far from the "
            "others: taken as not found",
        ]
    frames, people = frames[order], [rows[i][1] for i in order]
    kept = np.array([who is not None for who in people]) | (all_sure > 0).any(axis=1)
    if not kept.any():
        kept[:] = True
    return Detections(
        frame=frames[kept],
        points=all_points[kept],
        confidence=all_sure[kept],
        person=tuple(who for who, keep in zip(people, kept, strict=True) if keep),
        notes=tuple(notes),
        source=source,
        **facts,
    )


def placeholder(
    points: np.ndarray,  # [D, K, 2]
) -> np.ndarray | None:  # [2]
    """The one place where joints stand that were not found, if there is such a place.

    That is where joints stand to the last bit, ``SAME`` times at least, and far from where the
    other joints of the same person are; twice as far if it is always the same joint.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.detections import placeholder
    >>> points = np.random.default_rng(0).uniform(100, 200, (4, 17, 2))
    >>> placeholder(points) is None
    True
    >>> points[:, [3, 9]] = 0, 480
    >>> placeholder(points).tolist()
    [0.0, 480.0]
    """
    flat = points.reshape(-1, 2)
    x, y = flat[np.isfinite(flat).all(axis=1)].T
    places, counts = np.unique(x + 1j * y, return_counts=True)
    if not len(counts) or counts.max() < SAME:
        return None
    most = places[counts.argmax()]
    usual = np.array([most.real, most.imag])
    here = (points == usual).all(axis=2)
    apart = APART if here.any(axis=0).sum() > 1 else 2 * APART
    rows = np.flatnonzero(here.any(axis=1))[:MOST_LOOKED_AT]
    others = np.where(here[rows, :, None], np.nan, points[rows])
    whole = np.isfinite(others).all(axis=2).sum(axis=1) >= 2
    if not whole.any():
        return None
    low, high = np.nanmin(others[whole], axis=1), np.nanmax(others[whole], axis=1)
    outside = np.linalg.norm(np.maximum(np.maximum(low - usual, usual - high), 0), axis=1)
    far = outside > apart * np.linalg.norm(high - low, axis=1)
    return usual if far.mean() > 0.5 else None


def _check_confidence(confidence: np.ndarray, frame: Any, source: str) -> None:
    """Refuse what stands in the place of a confidence and can be none."""
    least, most = confidence.min(initial=0), confidence.max(initial=0)
    if most > MOST_CONFIDENT:
        raise ValueError(
            f"{source}: a joint of frame {shown(frame)} has {most:.4g} in the place of its "
            "confidence; are these percent, or a third coordinate? Give confidences from 0 to 1, "
            "or x and y alone"
        )
    if ((confidence < 0) & (confidence != -1)).any():
        raise ValueError(
            f"{source}: a joint of frame {shown(frame)} has {least:.4g} in the place of its "
            "confidence, so that is a third coordinate and the file holds 3D joints; predict takes "
            "2D joints: give x, y and a confidence, or x and y alone"
        )
