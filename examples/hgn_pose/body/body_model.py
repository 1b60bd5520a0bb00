"""What every body model offers: a mesh, bones, a skin between the two, and 17 joints."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body.anatomy import Anatomy
from examples.hgn_pose.body.carrying import Carried, Fold, Shape
from examples.hgn_pose.body.shape_space import ShapeSpace
from examples.hgn_pose.body.skeleton import JointPlaces
from multiscale_gcn import Graph, as_graph


@dataclass(frozen=True, eq=False)
class BodyModel(ABC):
    """A skinned mesh of V vertices that J bones pose.

    Bones stand parents first; bone 0 is the root.

    Parameters
    ----------
    faces : array of int64, shape (F, 3)
        Triangles.
    mirror : array of int64, shape (V,), or None
        The vertex on the other side, itself on the middle line; None if the mesh has no mirror.
    parents : array of int64, shape (J,)
        Parent of every bone, -1 for the root.
    skin_weights : csr_array of float64, shape (V, J)
        How much every bone moves every vertex; rows sum to 1.
    pose_directions : array of float64, shape (V, 3, 9 (J - 1)), optional
        How the rest vertices move with the entries of the other bones' rotation matrices minus the
        identity, before they are skinned, metres. None: they do not.
    """

    faces: np.ndarray
    mirror: np.ndarray | None
    parents: np.ndarray
    skin_weights: sp.csr_array
    pose_directions: np.ndarray | None = field(default=None, kw_only=True)

    @property
    def num_vertices(self) -> int:
        """V."""
        return int(self.skin_weights.shape[0])

    def graph(self) -> Graph:
        """The mesh as a graph: an edge of weight 1 for every side of a triangle.

        With the mirror image of every edge, where the model has a mirror. So the mirror is an
        automorphism even if some quads were cut along different diagonals left and right.
        """
        faces = self.faces
        if self.mirror is not None:
            faces = np.concatenate([faces, self.mirror[faces]])
        return as_graph(faces, kind="faces", num_nodes=self.num_vertices)

    @property
    @abstractmethod
    def rest_vertices(self) -> np.ndarray:
        """The average person at rest, z up, looking along -y, metres; float64, shape (V, 3)."""

    @abstractmethod
    def shape(self, blend: np.ndarray, scale: np.ndarray | None = None) -> Shape:
        """A person, from the numbers of a row of ``BodyPose.blend`` and ``BodyPose.scale``."""

    def fold(
        self,
        restriction: sp.csr_array,  # [N, V]
    ) -> Fold:
        """Fold the skin into a linear map of the mesh.

        Skinning is linear in the bones, so a weighted mean of vertices needs no vertex once four
        numbers for every point and bone are known::

            m_c = sum_i R_ci sum_b w_ib T_b v_i = sum_b T_b (sum_i R_ci w_ib v_i)
        """

        def carried(blend: np.ndarray, scale: np.ndarray) -> Carried:
            people = [self.shape(*person) for person in zip(blend, scale, strict=True)]
            return Carried(
                heads=np.stack([person.heads for person in people]),
                points=np.stack([self._moments(restriction, p.vertices) for p in people]),
            )

        return carried

    def _moments(self, restriction: sp.csr_array, vertices: np.ndarray) -> np.ndarray:
        """The last bracket of :meth:`fold`, shape (N, J, 4), for vertices at rest."""
        homogeneous = np.concatenate([vertices, np.ones((len(vertices), 1))], 1)
        parts = [
            (restriction @ self.skin_weights.multiply(column[:, None])).toarray()
            for column in homogeneous.T
        ]
        return np.stack(parts, -1)

    @abstractmethod
    def with_joints(self, places: JointPlaces) -> Self:
        """The same body with its 17 joints where some motion has them."""

    @abstractmethod
    def joints(self) -> Fold:
        """The 17 joints of ``skeleton.JOINTS``."""

    @property
    def joint_restriction(self) -> sp.csr_array | None:
        """The joints as means of vertices, shape (17, V); None if they sit on the bones."""
        return None

    @property
    @abstractmethod
    def anatomy(self) -> Anatomy:
        """Which bones turn, and how."""

    @abstractmethod
    def shape_space(self) -> ShapeSpace:
        """All people that the body can be."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, for messages and files: two bodies of one name are the same."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 over every array, the joints' included, in hexadecimal."""


def fingerprint_of(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over shapes, types and contents of arrays, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
