"""Pose-corrective shapes of SMPL and its kin, on the whole mesh and folded into a coarse one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from examples.hgn_pose.archives import read_npz, write_npz
from examples.hgn_pose.body_model import BodyModel
from examples.hgn_pose.kinematics import rotation_matrices

VERSION = 1
"""Raised when the files below change."""


def pose_features(
    rotations: np.ndarray,  # [T, J, 3]
) -> Tensor:  # [T, 9 (J - 1)]
    """Entries, row by row, of the rotation matrices of all bones but the root, minus the identity.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.correctives import pose_features
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
            moved = shares @ body.pose_directions[vertices].reshape(len(vertices), -1)
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


def coarse_correctives(
    body: BodyModel, restriction: sp.csr_array, cache: Path | None = None
) -> CoarseCorrectives | None:
    """The correctives on a coarse mesh, from a cache where they were made before.

    Parameters
    ----------
    body : BodyModel
    restriction : csr_array, shape (N, V)
    cache : Path, optional
        Folder. A file is found by a checksum of body and restriction, and added when it is not
        there.

    Returns
    -------
    CoarseCorrectives, or None for a body without them

    Raises
    ------
    ValueError
        If the cached file is damaged.
    """
    if body.pose_directions is None:
        return None
    if cache is None:
        return CoarseCorrectives.of(body, restriction)
    path = Path(cache) / f"correctives-{_checksum(body, restriction)}.npz"
    if path.exists():
        try:
            return CoarseCorrectives(**read_npz(path, ("pairs", "directions")))
        except ValueError as error:
            raise ValueError(f"the cached file is damaged, delete it: {error}") from error
    made = CoarseCorrectives.of(body, restriction)
    write_npz(path, {"pairs": made.pairs, "directions": made.directions})
    return made


def _checksum(body: BodyModel, restriction: sp.csr_array) -> str:
    digest = hashlib.sha256(f"{VERSION} {body.fingerprint} {restriction.shape}".encode())
    for array in (restriction.indptr, restriction.indices):
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(restriction.data, dtype="<f8").tobytes())
    return digest.hexdigest()[:32]
