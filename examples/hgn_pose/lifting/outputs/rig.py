"""A body as the files of animation have it: named bones with offsets, y up, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.built_in import BuiltInBody
from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.lifting.outputs.body_clip import Y_UP, BodyClip

SMPL_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar",
    "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist",
)  # fmt: skip
"""Of the bones that SMPL, SMPL+H and SMPL-X have in common."""


@dataclass(frozen=True, eq=False)
class Rig:
    """J bones, parents first, and how they turn in T frames.

    Parameters
    ----------
    names : tuple of str, length J
    parents : array of int64, shape (J,)
        -1 for the root.
    heads : array of float64, shape (J, 3)
        Where each bone begins at rest.
    vertices : array of float64, shape (V, 3)
        The skin at rest.
    turns : array of float64, shape (T, J, 3, 3)
        Of every bone relative to its parent, along the axes of the rest pose.
    root : array of float64, shape (T, 3)
        Where the root begins.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    vertices: np.ndarray
    turns: np.ndarray
    root: np.ndarray

    @property
    def offsets(self) -> np.ndarray:
        """From the parent's head to each bone's at rest; the root's is its own place."""
        offsets = self.heads - self.heads[self.parents.clip(0)]
        offsets[0] = self.heads[0]
        return offsets


def rig_of(clip: BodyClip) -> Rig:
    """The rig of a clip's body.

    SMPL's rest pose has y up already; the built-in body's is turned. So the rest poses of all
    bodies stand upright and look along z.
    """
    body, poses = clip.body, clip.poses
    at_rest = np.eye(3) if isinstance(body, SmplBody) else Y_UP
    shape = poses.shape(body, 0)
    count = len(body.parents)
    turns = Rotation.from_rotvec(poses.rotations.reshape(-1, 3).astype(np.float64)).as_matrix()
    turns = turns.reshape(len(poses), count, 3, 3)
    turns[:, 0] = Y_UP @ turns[:, 0] @ at_rest.T
    turns[:, 1:] = at_rest @ turns[:, 1:] @ at_rest.T
    return Rig(
        bone_names(body),
        body.parents,
        shape.heads @ at_rest.T,
        shape.vertices @ at_rest.T,
        turns,
        poses.translation.astype(np.float64) @ Y_UP.T,
    )


def bone_names(body: BodyModel) -> tuple[str, ...]:
    """Names of the bones: the built-in body's, or SMPL's; further ones by number."""
    if isinstance(body, BuiltInBody):
        return body.bones
    count = len(body.parents)
    return (*SMPL_NAMES[:count], *(f"bone{j}" for j in range(len(SMPL_NAMES), count)))
