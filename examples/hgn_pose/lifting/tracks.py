"""One person out of many: who is who from frame to frame, and whom to take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from examples.hgn_pose.lifting.detections import Detections
from examples.hgn_pose.lifting.gaps import usual_step

FARTHEST = 0.4
"""How far a person's joints may move on average between two frames to be linked, in units of the
diagonal of the box around the person."""
LACKING = 0.2
"""What it counts against two detections that hardly any joint is seen in both, in the same units:
a detector that splits a person in two for a frame goes on with the larger part."""
MOST_PERSONS = 1000
"""Of a frame, where they are linked: each is compared with each."""


def one_person(detections: Detections, which: str | None, max_gap: int) -> Detections:
    """The detections of one person, one a frame, in order of time.

    Where the file does not say who is who, persons are linked from frame to frame by the distance
    of their joints, and numbered from 0 in the order in which they appear.

    Parameters
    ----------
    detections : Detections
    which : str or None
        ``largest`` or ``confident``: the person with the largest sum over the frames, of the box's
        area or of the mean confidence; else a person's id. None: the only one.
    max_gap : int
        Longest time in frames after which someone is still recognised.

    Returns
    -------
    Detections
        With the person's id.

    Raises
    ------
    ValueError
        If there are several persons and none is chosen, if the chosen one is not there, or if one
        id stands twice in one frame.
    """
    if None in detections.person:
        detections = replace(detections, person=link(detections, max_gap))
    rows = _rows_by_person(detections)
    ids = list(rows)
    if which is None and len(ids) > 1:
        raise ValueError(
            f"{detections.source} shows {len(ids)} persons:\n{_listing(detections, rows)}\n"
            "choose one with --person, by id or as largest or confident"
        )
    if which in ("largest", "confident"):
        weight = _areas(detections) if which == "largest" else detections.confidence.mean(axis=1)
        chosen = max(ids, key=lambda person: weight[rows[person]].sum())
    else:
        chosen = ids[0] if which is None else which
    if chosen not in ids:
        raise ValueError(
            f"{detections.source} shows no person {chosen!r}:\n{_listing(detections, rows)}"
        )
    track = detections.select(rows[chosen])
    twice = np.flatnonzero(np.diff(track.frame) == 0)
    if len(twice):
        raise ValueError(
            f"{detections.source} has the person {chosen!r} twice in frame "
            f"{track.frame[twice[0]]}; give every person an id of their own, or --ignore-ids to "
            "link people by their motion"
        )
    return track


def link(detections: Detections, max_gap: int) -> tuple[str, ...]:
    """A number for each person, kept from frame to frame.

    Frame by frame, the detections are given to the persons seen so far so that the sum of the
    distances, and of ``LACKING`` for joints not seen in both, is least (the Hungarian method). A
    distance is the mean over the joints seen in both, divided by the diagonal of the person's box;
    above ``FARTHEST`` it is someone new.

    Parameters
    ----------
    detections : Detections
        In order of time.
    max_gap : int
        Frames after which a person who is not seen is forgotten.

    Returns
    -------
    tuple of str, length D
    """
    points = np.where((detections.confidence > 0)[..., None], detections.points, np.nan)
    size = np.maximum(np.linalg.norm(np.subtract(*_corners(points)), axis=1), 1e-9)
    seen = np.asarray(np.isfinite(points).all(axis=2))
    step = usual_step(np.unique(detections.frame))
    owner = np.full(len(detections), -1)
    last: list[int] = []
    alive: list[int] = []
    starts = np.flatnonzero(np.diff(detections.frame)) + 1
    for new in np.split(np.arange(len(detections)), starts):
        frame = detections.frame[new[0]]
        alive = [p for p in alive if frame - detections.frame[last[p]] <= max_gap * step]
        rows = [last[person] for person in alive]
        if len(new) > MOST_PERSONS:
            raise ValueError(
                f"{detections.source} shows {len(new)} persons in frame {frame}, more than "
                f"{MOST_PERSONS}; give every person an id, or fewer of them"
            )
        apart = np.stack([_costs(points[one], points[rows], size[rows]) for one in new])
        given = linear_sum_assignment(apart + _lacking(seen[new], seen[rows]))
        for i, j in zip(*given, strict=True):
            if apart[i, j] <= FARTHEST:
                owner[new[i]] = alive[j]
                last[alive[j]] = int(new[i])
        for row in new[owner[new] < 0]:
            owner[row] = len(last)
            alive.append(len(last))
            last.append(int(row))
    return tuple(str(person) for person in owner)


def _costs(
    one: np.ndarray,  # [K, 2]
    others: np.ndarray,  # [M, K, 2]
    size: np.ndarray,  # [M]
) -> np.ndarray:  # [M]
    """Mean distances of the joints seen in both, in sizes of the others; 1e6 at most."""
    apart = np.linalg.norm(one - others, axis=2)
    both = np.isfinite(apart)
    mean = np.where(both, apart, 0).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    return np.minimum(np.where(both.any(axis=1), mean / size, np.inf), 1e6)


def _lacking(
    some: np.ndarray,  # [N, K] bool
    others: np.ndarray,  # [M, K] bool
) -> np.ndarray:  # [N, M]
    """``LACKING`` times the share of the joints of the fuller one that are not seen in both."""
    both = some.astype(float) @ others.T.astype(float)
    most = np.maximum(some.sum(axis=1)[:, None], others.sum(axis=1))
    return LACKING * (1 - both / np.maximum(most, 1))


def _corners(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # [D, 2] each
    empty = ~np.isfinite(points).all(axis=2)[..., None]
    high = np.where(empty, -np.inf, points).max(axis=1)
    low = np.where(empty, np.inf, points).min(axis=1)
    blank = ~np.isfinite(high)
    return np.where(blank, 0.0, high), np.where(blank, 0.0, low)


def _areas(detections: Detections) -> np.ndarray:
    points = np.where((detections.confidence > 0)[..., None], detections.points, np.nan)
    high, low = _corners(points)
    return (high - low).prod(axis=1)


def _rows_by_person(detections: Detections) -> dict[str, np.ndarray]:
    """Ids of the detections of each person, the persons in the order in which they appear."""
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(detections.person):
        rows.setdefault(str(person), []).append(row)
    return {person: np.array(mine) for person, mine in rows.items()}


def _listing(detections: Detections, rows_of: dict[str, np.ndarray]) -> str:
    areas = _areas(detections)
    lines = []
    for person, rows in list(rows_of.items())[:12]:
        frames = detections.frame[rows]
        lines.append(
            f"  {person}: {len(rows)} frames from {frames[0]} to {frames[-1]}, box of "
            f"{np.sqrt(areas[rows].mean()):.3g} across, confidence "
            f"{detections.confidence[rows].mean():.2f}"
        )
    if len(rows_of) > 12:
        lines.append(f"  and {len(rows_of) - 12} more")
    return "\n".join(lines)
