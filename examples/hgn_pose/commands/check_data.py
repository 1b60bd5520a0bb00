"""The check-data command: what is in a data set, or what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.plausible import FEW, check_skeleton, unit_of
from examples.hgn_pose.fitting.fitted_motion import with_bodies
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.motion import WORST_FIT, Motion, held_out_frames


@dataclass(frozen=True)
class CheckData:
    """Read a data set and print what is in it, or what is wrong with it and how to mend it.

    With --body-model also how well SMPL's parameters fit, where they come with the data.
    """

    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)

    def run(self) -> None:
        footage = self.data.read()
        print(describe_footage(footage, self.data.settled().data))
        motion = footage.motion
        if self.data.body.body_model is not None:
            body = self.data.load_body()
            print(f"body: {body.name}, {'with a' if body.mirror is not None else 'without'} mirror")
            if motion.smpl is None:
                print("the data have no SMPL parameters; bodies would be fitted")
            else:
                print(_fits(with_bodies(body, motion, None)))


def describe_footage(footage: Footage, name: str) -> str:
    """What is in a data set, as text.

    Parameters
    ----------
    footage : Footage
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If the joints are no person in metres in our order.

    Examples
    --------
    >>> from examples.hgn_pose.commands.check_data import describe_footage
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> print(describe_footage(load_builtin().select(slice(0, 100)), "mine"))
    mine: 100 frames in 2 clips, 17 joints, in metres
    part   subject     action  clips  frames
    train        0   backflip      1      29
    train        0  cartwheel      1      71
    cameras: virtual; the 2D joints are exact
    """
    motion = footage.motion
    for number in np.unique(motion.clip):
        check_skeleton(motion.positions[motion.clip == number], motion.clips[number].name)
    few = motion.positions[:: max(1, len(motion) // FEW)]
    head = (
        f"{name}: {len(motion):,} frames in {len(np.unique(motion.clip))} clips, {len(JOINTS)} "
        f"joints, in {unit_of(few) or 'an unknown unit'}"
    )
    return "\n".join([head, _frames(motion), _cameras(footage)])


def _frames(motion: Motion) -> str:
    held_out = held_out_frames(motion)
    rows: dict[tuple[str, str, str], tuple[set[int], int]] = {}
    for number in np.unique(motion.clip):
        clip, chosen = motion.clips[number], motion.clip == number
        part = "test" if held_out[chosen][0] else "train"
        key = (part, str(clip.performer), clip.action)
        clips, frames = rows.get(key, (set(), 0))
        rows[key] = (clips | {int(number)}, frames + int(chosen.sum()))
    body = [
        [part, subject, action, str(len(clips)), f"{frames:,}"]
        for (part, subject, action), (clips, frames) in sorted(
            rows.items(), key=lambda row: (row[0][0] != "train", row[0])
        )
    ]
    return aligned(["part", "subject", "action", "clips", "frames"], body)


def _fits(motion: Motion) -> str:
    """Errors of the bodies by subject."""
    error = motion.fit_error
    assert error is not None
    subject = np.array([str(clip.performer) for clip in motion.clips])[motion.clip]
    body = []
    for name in np.unique(subject):
        mine = error[subject == name]
        median, high = np.quantile(mine, [0.5, 0.95])
        refused = int((mine > WORST_FIT).sum())
        body.append([name, f"{len(mine):,}", f"{median:.1f}", f"{high:.1f}", f"{refused:,}"])
    return aligned(["SMPL", "frames", "median mm", "95 %", f"above {WORST_FIT:g} mm"], body)


def _cameras(footage: Footage) -> str:
    """Sights of each real camera, and how well the 2D joints fit the 3D ones."""
    misfits = footage.misfits(FEW)
    if not misfits:
        return "cameras: virtual; the 2D joints are exact"
    body = [[name, f"{sights:,}", f"{100 * misfit:.2f} %"] for name, sights, misfit in misfits]
    table = aligned(["camera", "2D poses", "misfit"], body)
    return (
        f"{table}\n(misfit: how far the 2D joints are from the 3D ones seen through the lens that "
        "fits best, in widths of the image)"
    )
