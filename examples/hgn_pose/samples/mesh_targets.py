"""Coarse meshes of fitted bodies, which networks learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.files.caching import cached, checksum_of
from examples.hgn_pose.motion.motion import Motion

MESH_VERSION = 1
"""Raised when the coarse meshes change, so that old cached ones are not taken."""


def mesh_targets(
    body: BodyModel,
    motion: Motion,
    restrictions: Sequence[Any],
    cache: Path | None = None,
) -> list[np.ndarray]:
    """Coarse meshes of the fitted bodies.

    Parameters
    ----------
    body : BodyModel
    motion : Motion
        With body poses.
    restrictions : sequence of sparse matrix, each of shape (N, V)
        From the body's vertices to those of a coarse mesh.
    cache : Path, optional
        Folder of meshes that were computed earlier, found by a checksum.

    Returns
    -------
    list of array of float32, each of shape (T, N, 3)
        World metres.

    Raises
    ------
    ValueError
        If the motion has no poses, or a restriction does not fit the body.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> centroid = sp.csr_array(np.full((1, 13348), 1 / 13348))
    >>> motion = load_builtin().select(slice(0, 5))
    >>> mesh_targets(load_body(), motion, [centroid])[0].shape
    (5, 1, 3)
    """
    from examples.hgn_pose.body.skinning import CoarseSkinning

    if motion.poses is None:
        raise ValueError("motion has no body poses; add them with fitting.fitted_motion.fit_motion")
    poses = motion.poses
    targets = []
    for restriction in restrictions:
        skinning = CoarseSkinning(body, restriction)

        def make(skinning: CoarseSkinning = skinning) -> dict[str, np.ndarray]:
            return {"vertices": skinning.vertices(poses).astype(np.float32, copy=False)}

        checksum = checksum_of(
            MESH_VERSION, body.fingerprint, skinning.restriction, *poses.arrays().values()
        )
        targets.append(cached(cache, "meshes", checksum, ["vertices"], make)["vertices"])
    return targets
