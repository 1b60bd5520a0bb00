"""The body with fewer vertices, to draw it fast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.built_in import BuiltInBody
from examples.hgn_pose.body.kinematics import bone_transforms
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.files.archives import read_shipped_npz

DRAWN_PATH = Path(__file__).parents[2] / "data" / "drawn_body.npz"
MOST_BONES = 4
"""Bones that move a drawn vertex: those that move it most."""


@dataclass(frozen=True, eq=False)
class DrawnBody:
    """N of the vertices of a body, with faces of their own.

    Parameters
    ----------
    vertices : array of int64, shape (N,)
        Ids in the body.
    faces : array of int64, shape (F, 3)
        Of these vertices, counter-clockwise from outside.
    bones : array of int64, shape (N, 4)
    weights : array of float64, shape (N, 4)
        How much each of these bones moves the vertex; rows sum to 1.
    """

    vertices: np.ndarray
    faces: np.ndarray
    bones: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.vertices)

    def posed(self, body: BodyModel, poses: BodyPose) -> np.ndarray:  # [T, N, 3]
        """The vertices of one person in every pose, by linear blend skinning."""
        shape = poses.shape(body, 0)
        transforms = bone_transforms(body, shape.heads[None], poses).numpy().transpose(3, 0, 1, 2)
        rest = np.concatenate([shape.vertices[self.vertices], np.ones((len(self), 1))], axis=1)
        result = np.empty((len(poses), len(self), 3))
        for frame, transform in enumerate(transforms):
            blended = (transform[self.bones] * self.weights[..., None, None]).sum(axis=1)
            result[frame] = (blended @ rest[..., None])[..., 0]
        return result


def main_bones(body: BodyModel, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bones that move some vertices most, and how much, the largest first.

    Returns
    -------
    bones : array of int64, shape (N, 4)
    weights : array of float64, shape (N, 4)
        Rows sum to 1.
    """
    weights = body.skin_weights[vertices].toarray()
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :MOST_BONES]
    chosen = np.take_along_axis(weights, bones, axis=1)
    return bones, chosen / chosen.sum(axis=1, keepdims=True)


def drawn_body(body: BodyModel) -> DrawnBody:
    """The built-in body with few vertices, as they come with the example; others whole."""
    if isinstance(body, BuiltInBody):
        data = _few_vertices()
        vertices, faces = data["vertices"].astype(np.int64), data["faces"].astype(np.int64)
    else:
        vertices, faces = np.arange(body.num_vertices), body.faces
    return DrawnBody(vertices, faces, *main_bones(body, vertices))


@cache
def _few_vertices() -> dict[str, np.ndarray]:
    return read_shipped_npz(DRAWN_PATH, ("vertices", "faces"))
