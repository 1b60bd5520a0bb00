"""Which body the meshes are of, as the command line asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.skeleton import JointPlaces
from examples.hgn_pose.body.smpl_files import load_joint_regressor, load_smpl


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
