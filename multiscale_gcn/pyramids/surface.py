"""A triangle mesh, and what holds of it where it is a surface."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from multiscale_gcn.convert import data, meshes
from multiscale_gcn.convert.arrays import from_faces
from multiscale_gcn.convert.assembly import Entries, Mesh
from multiscale_gcn.convert.files.table import from_file
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import as_positions

READERS = (
    (meshes.is_cell_mesh, meshes.from_cells),
    (meshes.is_mesh, meshes.from_mesh),
    (meshes.is_scene, meshes.from_scene),
    (data.has_face, data.from_face),
)


@dataclass(frozen=True, eq=False)
class Surface:
    """Vertices and triangles of a manifold, with or without boundary.

    Attributes
    ----------
    vertices : array of float64, shape (n, d)
        In the plane or in space.
    triangles : array of int64, shape (F, 3)
    edges : array of int64, shape (E, 2)
        Each once, the smaller id first.
    boundary : array of int64, shape (B, 3)
        The edges of one triangle alone, and the third corner of that.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    edges: np.ndarray
    boundary: np.ndarray

    @classmethod
    def of(cls, mesh: Any) -> Surface:
        """Read a mesh.

        Raises
        ------
        ValueError
            If it is no surface, naming the first place where it is none.
        TypeError
            For what is no mesh.
        """
        vertices, triangles = _read(mesh)
        if vertices.shape[1] not in (2, 3):
            raise ValueError(
                f"vertices must have shape (V, 2) or (V, 3), got {vertices.shape}; a surface lies "
                "in the plane or in space"
            )
        _refuse_bad_triangles(triangles, len(vertices))
        edges, boundary = _edges(triangles)
        return cls(vertices, triangles, edges, boundary)


def _read(mesh: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles, as graphs of meshes are read."""
    found = _found(mesh)
    if not isinstance(found, Mesh) or found.positions is None or found.triangles is None:
        raise TypeError(
            f"cannot read a {type(mesh).__name__} as a mesh; give (vertices, faces), an object "
            "that has both, such as a trimesh.Trimesh, or the path of a mesh, of triangles or "
            "polygons"
        )
    return as_positions(found.positions, "vertices"), found.triangles


def _found(mesh: Any) -> Entries | Mesh | None:
    if isinstance(mesh, tuple | list) and len(mesh) == 2:
        return from_faces(mesh[1], None, "faces", as_positions(mesh[0], "vertices"))
    options = Options.of(None, None, None, None, False, None)
    if isinstance(mesh, str | PathLike):
        return from_file(mesh, options)
    for is_one, reader in READERS:
        if is_one(mesh):
            return reader(mesh, options)
    return None


def _refuse_bad_triangles(triangles: np.ndarray, n: int) -> None:
    if len(triangles) == 0:
        raise ValueError("the mesh has no faces; give one that has")
    ordered = np.sort(triangles, axis=1)
    degenerate = (ordered[:, :-1] == ordered[:, 1:]).any(axis=1)
    if degenerate.any():
        bad = triangles[np.argmax(degenerate)].tolist()
        raise ValueError(f"the face {bad} has a corner twice; leave such faces out")
    _, first, counts = np.unique(ordered, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        bad = triangles[first[np.argmax(counts > 1)]].tolist()
        raise ValueError(f"the face {bad} stands {counts.max()} times; leave all but one out")
    alone = np.bincount(triangles.ravel(), minlength=n) == 0
    if alone.any():
        raise ValueError(
            f"vertex {np.argmax(alone)} stands in no face; leave it out, as trimesh's "
            "remove_unreferenced_vertices does"
        )


def _edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every edge once, and the boundary; refuses what is no manifold."""
    sides = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, side_edge, counts = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    side_edge = side_edge.reshape(-1)
    if (counts > 2).any():
        at = int(np.argmax(counts > 2))
        a, b = edges[at].tolist()
        raise ValueError(
            f"the edge ({a}, {b}) stands in {counts[at]} faces, and an edge of a surface in one or "
            "two; mend the mesh, or split it there"
        )
    by_edge = np.argsort(side_edge, kind="stable")
    lone = by_edge[np.flatnonzero(counts[side_edge[by_edge]] == 1)]
    third = triangles[lone // 3, (lone % 3 + 2) % 3]
    boundary = np.column_stack([sides[lone], third])

    two = by_edge[np.flatnonzero(counts[side_edge[by_edge]] == 2)].reshape(-1, 2)
    _refuse_touching_fans(triangles, two)
    return edges, boundary


def _refuse_touching_fans(triangles: np.ndarray, sides: np.ndarray) -> None:
    """Around a vertex of a surface runs one fan of faces, each beside the next.

    Two sides lie on one edge. Side ``s`` runs from corner ``s``, counted by rows, to the next one
    of its triangle.
    """
    import scipy.sparse as sp

    vertex = triangles.ravel()
    start, end = sides, 3 * (sides // 3) + (sides + 1) % 3
    turned = vertex[start[:, 0]] != vertex[start[:, 1]]
    opposite_start = np.where(turned, end[:, 1], start[:, 1])
    opposite_end = np.where(turned, start[:, 1], end[:, 1])
    beside = np.concatenate([[start[:, 0], opposite_start], [end[:, 0], opposite_end]], axis=1)
    size = len(vertex)
    matrix = sp.coo_array((np.ones(beside.shape[1]), beside), shape=(size, size))
    fan = sp.csgraph.connected_components(matrix, directed=False)[1]
    fans = np.bincount(vertex[np.unique(fan, return_index=True)[1]])
    if (fans > 1).any():
        at = int(np.argmax(fans > 1))
        raise ValueError(
            f"at vertex {at} {fans[at]} parts of the mesh touch that have no edge in common there; "
            "give each a vertex of its own"
        )
