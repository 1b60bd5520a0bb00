"""Posing the skin: the whole mesh, or only its coarse levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body_model import BodyModel, Shape
from examples.hgn_pose.correctives import coarse_correctives, pose_features
from examples.hgn_pose.kinematics import bone_transforms, carry
from examples.hgn_pose.poses import BodyPose

FRAMES_AT_ONCE = 4096


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
    transforms = bone_transforms(body, shape, poses).numpy().transpose(3, 0, 1, 2)
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

    The coarse mesh is a fixed linear map R of the mesh, and skinning is linear in the bone
    transforms T_b, so::

        m_c = sum_i R_ci sum_b w_ib T_b v_i = sum_b T_b (sum_i R_ci w_ib v_i)

    with homogeneous v_i. The last bracket, four numbers for every coarse vertex and bone, does
    not depend on the pose. Pose-corrective shapes are folded in the same way, see
    :class:`~examples.hgn_pose.correctives.CoarseCorrectives`.

    Parameters
    ----------
    body : BodyModel
    shape : Shape
        The person to pose.
    restriction : sparse matrix, shape (N, V)
        Coarse vertices from those of the mesh; rows sum to 1.
    cache : Path, optional
        Folder for what is computed of the pose-corrective shapes.

    Raises
    ------
    ValueError
        If ``restriction`` does not fit the body.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from examples.hgn_pose.body import load_body
    >>> from examples.hgn_pose.poses import BodyPose
    >>> body = load_body()
    >>> rest = BodyPose(np.zeros((1, 36, 3)), body.heads[0, :1], np.zeros(1, int),
    ...                 np.eye(1, 7), np.ones((1, 36)))
    >>> centroid = sp.csr_array(np.full((1, 13348), 1 / 13348))
    >>> CoarseSkinning(body, body.shape(), centroid).vertices(rest).shape
    (1, 1, 3)
    """

    def __init__(
        self, body: BodyModel, shape: Shape, restriction: Any, cache: Path | None = None
    ) -> None:
        num_vertices = body.num_vertices
        if restriction.ndim != 2 or restriction.shape[1] != num_vertices:
            raise ValueError(
                f"restriction has shape {restriction.shape}, expected (N, {num_vertices}): one "
                "column for every vertex of the body"
            )
        self.body = body
        self.shape = shape
        homogeneous = np.concatenate([shape.vertices, np.ones((num_vertices, 1))], 1)
        parts = [
            (restriction @ body.skin_weights.multiply(column[:, None])).toarray()
            for column in homogeneous.T
        ]
        self.moments = np.stack(parts, -1)  # [N, J, 4]
        self.correctives = coarse_correctives(body, sp.csr_array(restriction), cache)

    def vertices(
        self,
        poses: BodyPose,
    ) -> np.ndarray:  # [T, N, 3]
        """Coarse vertices in every pose, world metres, of the type of ``poses.rotations``."""
        posed = np.empty((len(poses), len(self.moments), 3), poses.rotations.dtype)
        for start in range(0, len(poses), FRAMES_AT_ONCE):
            frames = slice(start, start + FRAMES_AT_ONCE)
            transforms = bone_transforms(self.body, self.shape, poses.select(frames))
            posed[frames] = carry(self.moments, transforms)
            if self.correctives is not None:
                self.correctives.add_to(posed[frames], poses.rotations[frames], transforms)
        return posed
