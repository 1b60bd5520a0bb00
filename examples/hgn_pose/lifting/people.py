"""Whom to lift: identities that break off are joined, ghosts are left out, one or all are taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from examples.hgn_pose.lifting.detections import Detections
from examples.hgn_pose.lifting.gaps import usual_step
from examples.hgn_pose.lifting.tracks import FARTHEST, link, one_person

EVERYBODY = "all"
GHOST = 0.05
"""Of the frames of the person who is seen most: who is seen in no more is a ghost."""
LEAST_OF_MOST = 10
"""Frames of that person below which nobody is called a ghost."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The people to lift, each with one detection a frame, and what was decided about them.

    Parameters
    ----------
    people : tuple of Detections
    notes : tuple of str
    """

    people: tuple[Detections, ...]
    notes: tuple[str, ...]


def choose(detections: Detections, which: str | None, max_gap: int) -> Chosen:
    """One person, or all.

    Where the file does not say who is who, people are linked from frame to frame. Where it does, an
    identity that begins where another has just ended, with the same joints, is the same person. Who
    is seen in a twentieth of the frames of the person seen most, or less, is a ghost: it is left
    out, and forces no choice, unless it is asked for by its id.

    Parameters
    ----------
    detections : Detections
    which : str or None
        ``all``, or as :func:`~examples.hgn_pose.lifting.tracks.one_person` takes it.
    max_gap : int
        Longest time in frames after which someone is still recognised.

    Raises
    ------
    ValueError
        As ``one_person`` does.
    """
    notes: list[str] = []
    if None in detections.person:
        detections = replace(detections, person=link(detections, max_gap))
        names: dict[str, str] = {}
    else:
        names = _joined(detections, max_gap)
        whole = tuple(names[str(person)] for person in detections.person)
        detections = replace(detections, person=whole)
        notes += [f"{old} goes on as {new}" for old, new in names.items() if old != new]
        which = names.get(which, which) if which is not None else None
    ids = list(dict.fromkeys(str(person) for person in detections.person))
    person = np.array([str(person) for person in detections.person])
    if which is None or which == EVERYBODY:
        ghosts = _ghosts(person)
        if ghosts:
            detections = detections.select(~np.isin(person, ghosts))
            notes.append(f"left out, for they are hardly ever seen: {', '.join(ghosts)}")
            ids = [one for one in ids if one not in ghosts]
    if which == EVERYBODY:
        return Chosen(tuple(one_person(detections, one, max_gap) for one in ids), tuple(notes))
    return Chosen((one_person(detections, which, max_gap),), tuple(notes))


def _ghosts(person: np.ndarray) -> list[str]:
    ids, counts = np.unique(person, return_counts=True)
    most = counts.max()
    return ids[counts <= GHOST * most].tolist() if most >= LEAST_OF_MOST else []


def _joined(detections: Detections, max_gap: int) -> dict[str, str]:
    """The first name of the person behind every identity.

    Identities are taken in the order of their first frames; each goes on the nearest of those that
    ended at most ``max_gap`` frames before, if its joints lie as near as linking asks for.
    """
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(detections.person):
        rows.setdefault(str(person), []).append(row)
    reach = max_gap * usual_step(np.unique(detections.frame))
    names: dict[str, str] = {}
    last: dict[str, int] = {}  # of every person the row seen last
    for identity, mine in sorted(rows.items(), key=lambda item: detections.frame[item[1][0]]):
        begin = detections.frame[mine[0]]
        near = [
            (_apart(detections, row, mine[0]), person)
            for person, row in last.items()
            if 0 < begin - detections.frame[row] <= reach
        ]
        apart, person = min(near, default=(np.inf, identity))
        names[identity] = person if apart <= FARTHEST else identity
        last[names[identity]] = mine[-1]
    return names


def _apart(detections: Detections, a: int, b: int) -> float:
    """Mean distance of the joints seen in both, in diagonals of the box around the first."""
    seen = (detections.confidence[[a, b]] > 0).all(axis=0)
    if not seen.any():
        return np.inf
    first, second = detections.points[a, seen], detections.points[b, seen]
    size = float(np.linalg.norm(np.ptp(first, axis=0)))
    return float(np.linalg.norm(first - second, axis=1).mean()) / max(size, 1e-9)
