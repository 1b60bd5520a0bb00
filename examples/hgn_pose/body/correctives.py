"""Pose-corrective shapes of SMPL and its kin, on the whole mesh and folded into a coarse one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.kinematics import rotation_matrices


def pose_features(
    rotations: np.ndarray,  # [T, J, 3]
) -> Tensor:  # [T, 9 (J - 1)]
    """Entries, row by row, of the rotation matrices of all bones but the root, minus the identity.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.body.correctives import pose_features
    >>> pose_features(np.zeros((2, 3, 3))).abs().sum(), pose_features(np.zeros((2, 3, 3))).shape
    (tensor(0., dtype=torch.float64), torch.Size([2, 18]))
    """
    vectors = torch.tensor(rotations[:, 1:]).permute(1, 2, 0)
    matrices = rotation_matrices(vectors) - torch.eye(3, dtype=vectors.dtype)[..., None]
    return matrices.permute(3, 0, 1, 2).flatten(1)


@dataclass(frozen=True, eq=False)
class CoarseCorrectives:
    """What the pose-corrective shapes add to N coarse vertices.

    A coarse vertex is ``m_c = sum_i R_ci sum_b w_ib T_b (v_i + sum_k P_ik p_k)`` with pose
    features p_k. The part of the correctives is ``sum_b T_b sum_k p_k (sum_i R_ci w_ib P_ik)``; the
    last bracket does not depend on pose or person. It is kept for the Q pairs (c, b) where it is
    not zero.

    Parameters
    ----------
    pairs : array of int64, shape (Q, 2)
        Coarse vertices and the bones that carry them.
    directions : array of float64, shape (K, Q, 3)
    """

    pairs: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, body: BodyModel, restriction: sp.csr_array) -> CoarseCorrectives:
        """Fold the correctives of a body into its restriction to a coarse mesh."""
        assert body.pose_directions is not None
        count = body.pose_directions.shape[2]
        pairs, directions = [], []
        skin = body.skin_weights.tocsc()
        columns = sp.csc_array(restriction)
        for bone in range(skin.shape[1]):
            part = slice(skin.indptr[bone], skin.indptr[bone + 1])
            vertices = skin.indices[part]
            shares = sp.csr_array(columns[:, vertices].multiply(skin.data[part][None]))
            moved = shares @ body.pose_directions[vertices].reshape(len(vertices), 3 * count)
            touched = np.flatnonzero(np.diff(shares.indptr))
            pairs.append(np.stack([touched, np.full(len(touched), bone)], 1))
            directions.append(moved[touched].reshape(len(touched), 3, count))
        return cls(np.concatenate(pairs), np.concatenate(directions).transpose(2, 0, 1).copy())

    def add_to(
        self,
        posed: np.ndarray,  # [T, N, 3]
        rotations: np.ndarray,  # [T, J, 3]
        transforms: Tensor,  # [J, 3, 4, T]
    ) -> None:
        """Add what the correctives do in T poses to coarse vertices, in place."""
        features = pose_features(rotations)
        vertex, bone = torch.as_tensor(self.pairs).T
        directions = torch.as_tensor(self.directions).to(features.dtype)
        moved = (features @ directions.flatten(1)).unflatten(1, (-1, 3))  # [T, Q, 3]
        turned = torch.einsum("qikt,tqk->tqi", transforms[bone, :, :3], moved)
        torch.as_tensor(posed).index_add_(1, vertex, turned)


def coarse_correctives(body: BodyModel, restriction: sp.csr_array) -> CoarseCorrectives | None:
    """The correctives on a coarse mesh; None for a body without them."""
    if body.pose_directions is None:
        return None
    return CoarseCorrectives.of(body, restriction)
