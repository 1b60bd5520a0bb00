"""A predicted clip in a scene with a floor, with a body fitted to every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.fitting.fitter import fit
from examples.hgn_pose.lifting.outputs.drawn_body import drawn_body
from examples.hgn_pose.lifting.prediction import Prediction

Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From the camera's axes (x right, y down, z away) to the scene's (x right, y away, z up)."""
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From the scene's axes to those of BVH, TRC and glTF (x right, y up, z towards the camera)."""


@dataclass(frozen=True, eq=False)
class BodyClip:
    """T frames of one person.

    Parameters
    ----------
    prediction : Prediction
    joints : array of float64, shape (T, 17, 3)
        In the scene: x to the right, y away from the camera, z up; metres. The floor is z = 0.
    body : BodyModel
    poses : BodyPose
        One person's, in the scene.
    error : array of float32, shape (T,)
        Mean distance of the predicted joints from the body's, millimetres.
    """

    prediction: Prediction
    joints: np.ndarray
    body: BodyModel
    poses: BodyPose
    error: np.ndarray

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def seconds(self) -> np.ndarray:
        """Time of every frame from the first, shape (T,)."""
        frame = self.prediction.frame
        return (frame - frame[0]) / self.prediction.fps


def with_body(body: BodyModel, prediction: Prediction, root: np.ndarray | None = None) -> BodyClip:
    """Fit a body to a prediction, and put both on a floor.

    The lowest point that the body reaches in the clip is the floor: one height for all frames, so
    that jumps stay jumps.

    Parameters
    ----------
    body : BodyModel
    prediction : Prediction
    root : array of float, shape (T, 3), optional
        Where the pelvis is in the frame of the camera, metres; without it the pelvis stays in one
        place.
    """
    places = prediction.pose.astype(np.float64)
    if root is not None:
        places = places + root[:, None]
    joints = places @ Z_UP.T
    person = np.zeros(len(joints), np.int64)
    poses, error = fit(body, joints.astype(np.float32), person)
    floor = float(drawn_body(body).posed(body, poses)[..., 2].min())
    down = np.array([0.0, 0.0, floor])
    poses = replace(poses, translation=(poses.translation - down).astype(poses.translation.dtype))
    return BodyClip(prediction, joints - down, body, poses, error)
