"""Joints that the detector missed: from the frames around them, or from views alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.samples.gathering import gather

SEEN, FROM_TIME, FROM_VIEWS = range(3)
"""Where a joint comes from."""

ALIKE = 10
"""How many views are averaged."""

AT_ONCE = 256
"""Frames that are compared with all views in one go, which bounds the memory."""


@dataclass(frozen=True, eq=False)
class Track:
    """The 17 joints of one person in T frames.

    Parameters
    ----------
    frame : array of int64, shape (T,)
        Frame numbers, rising.
    joints : array of float64, shape (T, 17, 2)
        Pixels; NaN where not known.
    confidence : array of float64, shape (T, 17)
    origin : array of uint8, shape (T, 17)
        ``SEEN``, ``FROM_TIME`` or ``FROM_VIEWS``.
    """

    frame: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    origin: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)


MOST_MISSING = 1000
"""Frames that are put in for each one that is there, at most."""


def usual_step(
    frame: np.ndarray,  # [T] rising
) -> int:
    """The most frequent step between frame numbers: files may hold every fifth frame only.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.gaps import usual_step
    >>> usual_step(np.array([0, 5, 10, 20])), usual_step(np.array([7]))
    (5, 1)
    """
    if len(frame) < 2:
        return 1
    steps, counts = np.unique(np.diff(frame), return_counts=True)
    return int(steps[counts.argmax()])


def fill(
    frame: np.ndarray,  # [T]
    joints: np.ndarray,  # [T, 17, 2]
    confidence: np.ndarray,  # [T, 17]
    *,
    max_gap: int,
    min_joints: int,
    drop: bool,
) -> Track:
    """Fill what was not seen: in time where the gap is short, else from views alike.

    First, frames that are missing between others are put in, and each joint is interpolated
    linearly over gaps of at most ``max_gap`` frames. What is still missing is taken from those
    views of the built-in motion whose other joints look most alike, see :func:`from_views`.

    Parameters
    ----------
    frame : array of int, shape (T,)
        Rising. The usual step between them counts as one frame.
    joints : array of float, shape (T, 17, 2)
        NaN where not seen.
    confidence : array of float, shape (T, 17)
    max_gap : int
        Longest gap, in frames, to interpolate over; 0: none.
    min_joints : int
        Frames with fewer joints, after the interpolation in time, are not usable.
    drop : bool
        Leave such frames out instead of refusing them.

    Returns
    -------
    Track
        Without NaN.

    Raises
    ------
    ValueError
        Naming the first frame with too few joints, and the joints that it lacks; or if no frame
        is left.
    """
    track = _in_time(_with_missing_frames(frame, joints, confidence, max_gap), max_gap)
    known = np.isfinite(track.joints).all(axis=2)
    few = np.flatnonzero(known.sum(axis=1) < min_joints)
    if len(few) and not drop:
        first = few[0]
        lacking = ", ".join(np.array(JOINTS)[~known[first]])
        raise ValueError(
            f"frame {track.frame[first]}: only {known[first].sum()} of the 17 joints are seen, "
            f"{min_joints} are needed, and {len(few)} of {len(track)} frames are like this; it "
            f"lacks {lacking}; leave such frames out with --drop-frames, or lower --threshold or "
            "--min-joints"
        )
    if len(few):
        track = _select(track, np.delete(np.arange(len(track)), few))
        if not len(track):
            raise ValueError(f"no frame has {min_joints} of the 17 joints; see --min-joints")
    return from_views(track)


def mark_repaired(
    track: Track,
    frame: np.ndarray,  # [F]
    outlier: np.ndarray,  # [F, 17] bool
) -> Track:
    """The same track, which says that the outliers of some frames were interpolated in time."""
    rows = np.flatnonzero(np.isin(track.frame, frame))
    mine = outlier[np.searchsorted(frame, track.frame[rows])]
    origin = track.origin.copy()
    origin[rows] = np.where(mine, np.uint8(FROM_TIME), origin[rows])
    return replace(track, origin=origin)


def _with_missing_frames(
    frame: np.ndarray, joints: np.ndarray, confidence: np.ndarray, max_gap: int
) -> Track:
    """Empty frames where a short run of frames is missing."""
    step = usual_step(frame)
    lost_between = (np.diff(frame) - 1) // step
    missing = int(lost_between[lost_between <= max_gap].sum())
    if missing > MOST_MISSING * len(frame):
        raise ValueError(
            f"{missing} frames are missing between {len(frame)}, more than {MOST_MISSING} for "
            "each; number the frames 0, 1, 2, ..., or lower --max-gap"
        )
    numbers = [frame[:1]]
    for (before, after), lost in zip(pairwise(frame), lost_between, strict=True):
        if lost <= max_gap:
            numbers.append(np.arange(before + step, after, step))
        numbers.append(np.array([after]))
    whole = np.concatenate(numbers)
    rows = np.searchsorted(whole, frame)
    wide = np.full((len(whole), *joints.shape[1:]), np.nan)
    sure = np.zeros((len(whole), joints.shape[1]))
    wide[rows], sure[rows] = joints, confidence
    return Track(whole, wide, sure, np.full(sure.shape, SEEN, np.uint8))


def _in_time(track: Track, max_gap: int) -> Track:
    joints, origin = track.joints.copy(), track.origin.copy()
    confidence = track.confidence.copy()
    step = usual_step(track.frame)
    for joint in range(joints.shape[1]):
        known = np.flatnonzero(np.isfinite(joints[:, joint]).all(axis=1))
        for before, after in pairwise(known):
            between = np.arange(before + 1, after)
            lost = (track.frame[after] - track.frame[before] - 1) // step
            if len(between) == 0 or lost > max_gap:
                continue
            share = (track.frame[between] - track.frame[before]) / (
                track.frame[after] - track.frame[before]
            )
            ends = joints[[before, after], joint]
            joints[between, joint] = ends[0] + share[:, None] * (ends[1] - ends[0])
            confidence[between, joint] = confidence[[before, after], joint].min()
            origin[between, joint] = FROM_TIME
    return replace(track, joints=joints, confidence=confidence, origin=origin)


def from_views(track: Track) -> Track:
    """Fill each frame on its own from the views of the built-in motion that look most alike.

    The views, of all clips in four cameras and mirrored, are moved and scaled onto the joints that
    are known. Of the ``ALIKE`` nearest the mean is taken: a missing joint keeps its place there
    relative to the next joint along the skeleton that is known.

    Parameters
    ----------
    track : Track
        At least two different known joints a frame.

    Returns
    -------
    Track
        The confidence of what was filled in is 0.
    """
    joints, origin = track.joints.copy(), track.origin.copy()
    confidence = track.confidence.copy()
    known = np.isfinite(joints).all(axis=2)
    for here in np.unique(known[~known.all(axis=1)], axis=0):
        lacking = np.flatnonzero((known == here).all(axis=1))
        for start in range(0, len(lacking), AT_ONCE):
            rows = lacking[start : start + AT_ONCE]
            alike, scale = _most_alike(joints[np.ix_(rows, here)], here)
            for joint in np.flatnonzero(~here):
                anchor = next(near for near in _NEAREST[joint] if here[near])
                offset = scale[..., None] * (alike[:, :, joint] - alike[:, :, anchor])
                joints[rows, joint] = joints[rows, anchor] + offset.mean(axis=1)
    origin[~known] = FROM_VIEWS
    confidence[~known] = 0.0
    return replace(track, joints=joints, confidence=confidence, origin=origin)


def _most_alike(
    seen: np.ndarray,  # [F, S, 2]
    which: np.ndarray,  # [17] bool
) -> tuple[np.ndarray, np.ndarray]:  # [F, ALIKE, 17, 2], [F, ALIKE]
    """The nearest views of every frame, and the scale that takes each onto the joints seen.

    Of the squared distance, scale² |view|² - 2 scale view . frame + |frame|² with the scale that
    makes it least, all that differs between views is the square below.
    """
    views = _views()
    there = views[:, which] - views[:, which].mean(axis=1, keepdims=True)
    here = seen - seen.mean(axis=1, keepdims=True)
    spread = np.maximum((there**2).sum(axis=(1, 2)), 1e-12)
    product = here.reshape(len(here), -1) @ there.reshape(len(there), -1).T
    scale = np.maximum(product, 0) / spread
    best = np.argsort(-scale * scale * spread, axis=1, kind="stable")[:, :ALIKE]
    return views[best], np.take_along_axis(scale, best, axis=1)


@cache
def _views() -> np.ndarray:  # [M, 17, 2]
    cameras = ring_of_cameras()
    samples = gather(replace(load_builtin().select(slice(0, None, 3)), poses=None))
    everything = torch.arange(len(samples) * len(cameras))
    batch = samples.batch(cameras, everything // len(cameras), everything % len(cameras))
    image = batch.image.numpy().astype(np.float64)
    return np.concatenate([image, image[:, FLIP] * [-1, 1]])


def _nearest_joints() -> list[list[int]]:
    """For every joint the others, nearest along the skeleton first."""
    hops = np.full((len(JOINTS), len(JOINTS)), len(JOINTS))
    np.fill_diagonal(hops, 0)
    for a, b in EDGES:
        hops[a, b] = hops[b, a] = 1
    for via in range(len(JOINTS)):
        hops = np.minimum(hops, hops[:, via : via + 1] + hops[via : via + 1])
    return [np.argsort(row, kind="stable")[1:].tolist() for row in hops]


_NEAREST = _nearest_joints()


def _select(track: Track, rows: np.ndarray) -> Track:
    return Track(track.frame[rows], track.joints[rows], track.confidence[rows], track.origin[rows])
