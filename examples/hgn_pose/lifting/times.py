"""The pace of a film, from the times that a file gives its frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
"""Seconds of a unit, by the last word of a name."""
PACES = (1.0, 100.0)
"""Frames per second that are believed where no unit is named: no two units can both be meant."""
UNEVEN = 1.5
"""How much longer or shorter than the usual step some are, where it is said."""


def times_named(name: str) -> bool:
    """Whether a column or a key of this name tells when a frame was taken."""
    words = _WORD.findall(name.lower())
    return words[:1] in (["time"], ["times"], ["timestamp"], ["timestamps"]) and len(words) <= 2


_WORD = re.compile(r"[a-z]+")


def pace(
    frames: Sequence[int], times: Sequence[Any], name: str
) -> tuple[float | None, tuple[str, ...]]:
    """Frames per second, and what is to be said of it.

    Parameters
    ----------
    frames : sequence of int
        Numbers of the frames.
    times : sequence of T
        When each was taken.
    name : str
        What the times are called; ``time_ms`` tells the unit.

    Returns
    -------
    float or None
        None where the times do not rise with the frames, or where their unit leaves a doubt.
    tuple of str
        Notes, for people.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.times import pace
    >>> pace([0, 1, 2], [0, 40, 80], "timestamp")
    (25.0, ('25 frames per second, by timestamp',))
    >>> pace([0, 1, 2], [0, 1, 2], "timestamp")
    (None, ())
    """
    try:
        seconds = np.array(times, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None, ()
    number, first = np.unique(np.array(frames, dtype=np.float64), return_index=True)
    if seconds.ndim != 1 or len(seconds) != len(frames) or len(number) < 2:
        return None, ()
    steps = np.diff(seconds[first]) / np.diff(number)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        return None, ()
    usual = float(np.median(steps))
    unit = _unit(usual, name)
    if unit is None:
        return None, ()
    fps = round(1 / (usual * unit), 3)
    notes = [f"{fps:g} frames per second, by {name}"]
    if steps.max() > UNEVEN * usual or steps.min() * UNEVEN < usual:
        notes.append(
            f"frames are from {steps.min() * unit:.3g} to {steps.max() * unit:.3g} s apart, and "
            "taken as evenly spaced"
        )
    return fps, tuple(notes)


def _unit(step: float, name: str) -> float | None:
    """Seconds of the unit of a step, if one alone makes a film of it."""
    told = UNITS.get(_WORD.findall(name.lower())[-1])
    if told is not None:
        return told
    fitting = [unit for unit in (1.0, 1e-3, 1e-6) if PACES[0] < 1 / (step * unit) <= PACES[1]]
    return fitting[0] if len(fitting) == 1 else None
