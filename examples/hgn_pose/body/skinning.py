"""Posing the skin: the whole mesh, or only its coarse levels and its joints."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.carrying import Fold, Shape
from examples.hgn_pose.body.correctives import CoarseCorrectives, coarse_correctives, pose_features
from examples.hgn_pose.body.kinematics import bone_transforms, carry
from examples.hgn_pose.body.poses import BodyPose

FRAMES_AT_ONCE = 512


def linear_blend_skinning(
    body: BodyModel,
    shape: Shape,
    poses: BodyPose,
) -> np.ndarray:  # [T, V, 3]
    """Every vertex of the mesh in every pose, world metres.

    The definition, and the specification of :class:`CoarseSkinning`: a vertex goes to the
    weighted mean of where its bones would take it, after the pose-corrective shapes, if the body
    has any, have moved it at rest.

    Parameters
    ----------
    body : BodyModel
    shape : Shape
        The person to pose.
    poses : BodyPose
        T poses.

    Returns
    -------
    array of the type of ``poses.rotations``, shape (T, V, 3)
    """
    transforms = bone_transforms(body, shape.heads[None], poses).numpy().transpose(3, 0, 1, 2)
    homogeneous = np.concatenate([shape.vertices, np.ones((len(shape.vertices), 1))], 1)
    directions = body.pose_directions
    features = None if directions is None else pose_features(poses.rotations).numpy()
    posed = np.empty((len(poses), len(homogeneous), 3), transforms.dtype)
    for frame, transform in enumerate(transforms):
        blended = (body.skin_weights @ transform.reshape(-1, 12)).reshape(-1, 3, 4)
        corrected = homogeneous.copy()
        if directions is not None and features is not None:
            corrected[:, :3] += directions @ features[frame]
        posed[frame] = (blended @ corrected[..., None])[..., 0]
    return posed


class CoarseSkinning:
    """The coarse vertices of posed bodies, without posing the whole mesh.

    The coarse mesh is a fixed linear map of the mesh, which
    :meth:`~examples.hgn_pose.body.body_model.BodyModel.fold` folds into the skin. Pose-corrective
    shapes are folded in the same way, see
    :class:`~examples.hgn_pose.body.correctives.CoarseCorrectives`.

    Parameters
    ----------
    body : BodyModel
    restriction : sparse matrix, shape (N, V)
        Coarse vertices from those of the mesh; rows sum to 1.

    Raises
    ------
    ValueError
        If ``restriction`` does not fit the body.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> from examples.hgn_pose.body.poses import BodyPose
    >>> body = load_body()
    >>> rest = BodyPose(np.zeros((1, 36, 3)), body.heads[0, :1], np.zeros(1, int),
    ...                 np.eye(1, 7), np.ones((1, 36)))
    >>> centroid = sp.csr_array(np.full((1, 13348), 1 / 13348))
    >>> CoarseSkinning(body, centroid).vertices(rest).shape
    (1, 1, 3)
    """

    def __init__(self, body: BodyModel, restriction: Any) -> None:
        num_vertices = body.num_vertices
        if restriction.ndim != 2 or restriction.shape[1] != num_vertices:
            raise ValueError(
                f"restriction has shape {restriction.shape}, expected (N, {num_vertices}): one "
                "column for every vertex of the body"
            )
        matrix = sp.csr_array(restriction)
        self.body = body
        self.restriction = matrix
        self.fold = body.fold(matrix)
        self.correctives = coarse_correctives(body, matrix)

    def vertices(
        self,
        poses: BodyPose,
    ) -> np.ndarray:  # [T, N, 3]
        """Coarse vertices in every pose, each of its person, of the type of ``poses.rotations``."""
        count = self.restriction.shape[0]
        return posed_points(self.body, self.fold, count, poses, self.correctives)


def joint_positions(
    body: BodyModel,
    poses: BodyPose,
) -> np.ndarray:  # [T, 17, 3]
    """The 17 joints of posed bodies, world metres, each person with their own shape.

    Examples
    --------
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> joint_positions(load_body(), load_builtin().poses).shape
    (1620, 17, 3)
    """
    restriction = body.joint_restriction
    correctives = None if restriction is None else coarse_correctives(body, restriction)
    return posed_points(body, body.joints(), 17, poses, correctives)


def posed_points(
    body: BodyModel,
    fold: Fold,
    num_points: int,
    poses: BodyPose,
    correctives: CoarseCorrectives | None,
) -> np.ndarray:  # [T, N, 3]
    """Points that bones carry, in every pose, world metres, of the type of ``poses.rotations``."""
    posed = np.empty((len(poses), num_points, 3), poses.rotations.dtype)
    for start in range(0, len(poses), FRAMES_AT_ONCE):
        frames = slice(start, start + FRAMES_AT_ONCE)
        chosen = poses.select(frames)
        people, person = np.unique(chosen.person, return_inverse=True)
        carried = fold(poses.blend[people], poses.scale[people])
        alone = len(people) == 1
        heads = carried.heads if alone else carried.heads[person]
        points = carried.points if alone else carried.points[person]
        transforms = bone_transforms(body, heads, chosen)
        posed[frames] = carry(points, transforms)
        if correctives is not None:
            correctives.add_to(posed[frames], chosen.rotations, transforms)
    return posed
