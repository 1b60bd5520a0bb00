"""A predicted clip in a scene with a floor, with a body fitted to every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.fitting.fitter import fit
from examples.hgn_pose.lifting.outputs.drawn_body import drawn_body
from examples.hgn_pose.lifting.over_time.trajectory import scene_axes
from examples.hgn_pose.lifting.prediction import Prediction

LEVEL = (0.0, 1.0, 0.0)
"""Down, in the axes of a camera that is held level: x right, y down, z away."""
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


def with_body(body: BodyModel, prediction: Prediction) -> BodyClip:
    """Fit a body to a prediction, and put both on a floor.

    The lowest point that the body reaches in the clip is the floor: one height for all frames, so
    that jumps stay jumps.

    Parameters
    ----------
    body : BodyModel
    prediction : Prediction
        Where its root is known, the pelvis goes where it says, from above the origin; else it
        stays there. Where its facts say which way is down, the scene is level.
    """
    axes = scene_axes(np.array(prediction.facts.get("down", LEVEL), np.float64))
    joints = prediction.pose.astype(np.float64) @ axes.T
    if prediction.root is not None:
        walked = (prediction.root - prediction.root[0]).astype(np.float64) @ axes.T
        joints += walked[:, None]
    person = np.zeros(len(joints), np.int64)
    poses, error = fit(body, joints.astype(np.float32), person)
    floor = float(drawn_body(body).posed(body, poses)[..., 2].min())
    down = np.array([0.0, 0.0, floor])
    poses = replace(poses, translation=(poses.translation - down).astype(poses.translation.dtype))
    return BodyClip(prediction, joints - down, body, poses, error)
