"""What every body model offers: a mesh, bones, and a skin between the two."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from multiscale_gcn import as_graph

if TYPE_CHECKING:
    from multiscale_gcn import Graph


@dataclass(frozen=True, eq=False)
class Shape:
    """One person at rest, in metres and in the axes of the body model.

    Parameters
    ----------
    vertices : array of float64, shape (V, 3)
    heads : array of float64, shape (J, 3)
        Where every bone begins, which is the joint that it turns about.
    """

    vertices: np.ndarray
    heads: np.ndarray


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

    @abstractmethod
    def shape(self, blend: np.ndarray, scale: np.ndarray | None = None) -> Shape:
        """A person, from the numbers of a row of ``BodyPose.blend`` and ``BodyPose.scale``."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 over every array, in hexadecimal."""


def fingerprint_of(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over shapes, types and contents of arrays, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
