"""Which body the meshes are of, and a body for every frame of a motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from examples.hgn_pose.body import load_body
from examples.hgn_pose.body_model import BodyModel, JointPlaces
from examples.hgn_pose.caching import cached, checksum_of
from examples.hgn_pose.fitting import fit_motion, joint_errors
from examples.hgn_pose.motion import Motion
from examples.hgn_pose.samples import WORST_FIT
from examples.hgn_pose.smpl import SmplBody, load_joint_regressor, load_smpl


@dataclass(frozen=True)
class BodyOptions:
    """Which body."""

    body_model: Path | None = None
    """Model file of SMPL or SMPL-X of yours (.npz or .pkl), whose meshes and graphs are taken
    instead of the built-in body's."""
    joint_regressor: Path | None = None
    """With --body-model: .npy file that gives Human3.6M's 17 joints from the vertices, such as
    Pose2Mesh's J_regressor_h36m_correct.npy. Without it they are taken from the model's bones,
    which lie a little elsewhere."""

    def load(self, joints: JointPlaces = "skeleton17") -> BodyModel:
        """Read the body.

        Parameters
        ----------
        joints : {"skeleton17", "human36m17"}
            Where the motion has its ``Nose`` and its ``Head``.

        Raises
        ------
        ValueError
            If a file is missing or not usable, or the regressor gives other joints than these.
        """
        if self.body_model is None:
            if self.joint_regressor is not None:
                raise ValueError(
                    "joint_regressor is for the vertices of a body_model; give --body-model too"
                )
            return load_body().with_joints(joints)
        body = load_smpl(self.body_model)
        if self.joint_regressor is not None:
            body = load_joint_regressor(self.joint_regressor, body)
        return body.with_joints(joints)


def with_bodies(body: BodyModel, motion: Motion, cache: Path | None) -> Motion:
    """The motion with a body in every frame, and how well it fits.

    SMPL's own parameters are taken where the motion and the body are of that kind; otherwise the
    built-in body's poses, if the motion has them; otherwise bodies are fitted.

    Parameters
    ----------
    body : BodyModel
    motion : Motion
    cache : Path, optional
        Folder of earlier results.

    Raises
    ------
    ValueError
        If the parameters are not of this body, or fit so badly that no frame is left.
    """
    if isinstance(body, SmplBody):
        if motion.smpl is not None:
            return _with_parameters(body, motion, cache)
        motion = replace(motion, poses=None, fit_error=None)
    if motion.poses is None:
        motion = fit_motion(body, motion, cache=cache, progress=True)
    return motion


def _with_parameters(body: SmplBody, motion: Motion, cache: Path | None) -> Motion:
    parameters = motion.smpl
    assert parameters is not None
    if parameters.pose.shape[1] != 3 * len(body.parents):
        raise ValueError(
            f"the data set has SMPL parameters of {parameters.pose.shape[1] // 3} bones, but "
            f"body_model is {body.name}; give the model that they are of, or take the files "
            "_smpl_param.json away to have bodies fitted"
        )
    poses = body.poses(parameters.pose, parameters.shape, parameters.translation)

    def make() -> dict[str, np.ndarray]:
        return {"fit_error": joint_errors(body, poses, motion.positions, centred=True)}

    checksum = checksum_of(body.fingerprint, motion.positions, *poses.arrays().values())
    error = cached(cache, "errors", checksum, ["fit_error"], make)["fit_error"]
    kept = np.count_nonzero(error <= WORST_FIT)
    print(
        f"SMPL parameters: {kept:,} of {len(error):,} frames fit within {WORST_FIT:g} mm (median "
        f"{np.median(error):.1f} mm)"
    )
    if not kept:
        raise ValueError(
            f"no frame of the SMPL parameters fits within {WORST_FIT:g} mm: the body_model is "
            "another one than they are of"
            + ("" if body.surface_joints is not None else ", or joint_regressor is missing")
        )
    return replace(motion, poses=poses, fit_error=error)
