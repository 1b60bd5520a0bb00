"""The motion that comes with the example."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.datasets.data_set import DataSet
from examples.hgn_pose.files.archives import read_shipped_npz
from examples.hgn_pose.motion.motion import Clip, Motion

MOTION_PATH = Path(__file__).parents[2] / "data" / "motion.npz"

HELD_OUT_CLIPS = ("dance_b", "jump", "kick", "walk")
"""Built-in clips for the test: a dance, a leap, a fight and a gait; 346 of 1,620 frames."""


def load_builtin() -> Motion:
    """The 15 clips that come with the example, with the body fitted to every frame.

    Returns
    -------
    Motion

    Notes
    -----
    The clips are those of DeepMimic (Peng et al. 2018) as the package pybullet ships them: motion
    capture put on one humanoid of 1.6 m, so all bones have constant lengths. ``data/NOTICE`` says
    what is known of their origin. Frame rates differ from clip to clip.

    Examples
    --------
    >>> from examples.hgn_pose.motion.motion import held_out_frames
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> motion = load_builtin()
    >>> motion
    Motion(1620 frames, 15 clips, with body poses)
    >>> motion.select(held_out_frames(motion))
    Motion(346 frames, 4 clips, with body poses)
    """
    pose_names = [field.name for field in fields(BodyPose)]
    data = read_shipped_npz(
        MOTION_PATH,
        ["positions_3d", "clip", "clip_name", "clip_action", "fps", "fit_error", *pose_names],
    )
    clips = tuple(
        Clip(name, action, performer=0, held_out=name in HELD_OUT_CLIPS)
        for name, action in zip(
            data["clip_name"].tolist(), data["clip_action"].tolist(), strict=True
        )
    )
    return Motion(
        positions=data["positions_3d"],
        clip=data["clip"].astype(np.int64),
        clips=clips,
        fps=data["fps"],
        poses=BodyPose(**{name: data[name] for name in pose_names}),
        fit_error=data["fit_error"],
    )


DATA_SET = DataSet(
    "builtin",
    lambda request: load_builtin(),
    what="15 clips that come with the example, seen by virtual cameras",
    expected="",
    joints="skeleton17",
    notes=(
        "Whole clips are held out. Three of the four test actions (jump, kick, walk) are not "
        "trained at all; the dance is another take than the one that is trained.",
        "All clips show one humanoid of 1.6 m on which motion capture was put, so the test "
        "says nothing about unseen bodies.",
    ),
)
