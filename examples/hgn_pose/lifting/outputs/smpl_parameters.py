"""SMPL's parameters of a clip, for who has the model."""

from __future__ import annotations

import io

import numpy as np

from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.lifting.outputs.body_clip import BodyClip

NEEDS_MODEL = (
    "SMPL's parameters need its model, which does not come with the example; give "
    "--smpl-model FILE, or leave the .smpl.npz file out"
)


def smpl_parameters(clip: BodyClip) -> bytes:
    """An npz file with AMASS's names: poses, betas, trans and mocap_frame_rate; z up.

    Raises
    ------
    ValueError
        If the body is not SMPL's.
    """
    if not isinstance(clip.body, SmplBody):
        raise ValueError(NEEDS_MODEL)
    found = clip.body.parameters(clip.poses)
    file = io.BytesIO()
    np.savez(
        file,
        poses=found.pose,
        betas=found.shape[0],
        trans=found.translation,
        mocap_frame_rate=np.array(clip.prediction.fps),
        gender=np.array("neutral"),
    )
    return file.getvalue()
