"""Whom a network is measured on: test people, or some of the training people in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.motion import held_out_frames

SomeFootage = TypeVar("SomeFootage", bound=Footage)


def hold_out(footage: SomeFootage, performers: Sequence[str]) -> SomeFootage:
    """Footage without its test people, in which some training people are held out in their place.

    What is chosen by errors on these is not chosen by the test.

    Parameters
    ----------
    footage : Footage
    performers : sequence of str
        Training performers, as :func:`performer_name` writes them.

    Returns
    -------
    Footage
        No frame of a test performer is in it.

    Raises
    ------
    ValueError
        If a performer is none of the training ones, or if nobody is left to train on.

    Examples
    --------
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> hold_out(load_builtin(), ["Ann"])
    Traceback (most recent call last):
    ValueError: held_out names Ann, who is no training performer; these are 0
    """
    motion = footage.motion
    tests = held_out_frames(motion)
    training = [clip for clip in motion.clips if not clip.held_out]
    known = tuple(dict.fromkeys(performer_name(clip.performer) for clip in training))
    for name in performers:
        if name not in known:
            raise ValueError(
                f"held_out names {name}, who is no training performer; these are "
                f"{', '.join(known) or 'none'}"
            )
    if set(known) <= set(performers):
        raise ValueError(
            f"held_out names all training performers, {', '.join(known)}; leave some to train on"
        )
    clips = tuple(
        replace(clip, held_out=performer_name(clip.performer) in performers)
        for clip in motion.clips
    )
    return footage.with_motion(replace(motion, clips=clips)).select(~tests)


def performer_name(performer: int | str) -> str:
    """A performer as options and reports write one.

    Examples
    --------
    >>> performer_name(5), performer_name("05"), performer_name("S1")
    ('5', '5', 'S1')
    """
    name = str(performer)
    return str(int(name)) if name.isdecimal() else name
