"""From a mesh to its pyramid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from multiscale_gcn.checks.arguments import one_of, whole_numbers
from multiscale_gcn.coarsening import CoarseningStalled
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.hierarchy import Level
from multiscale_gcn.pyramids.closest import closest_on_triangles
from multiscale_gcn.pyramids.pyramid import MeshPyramid
from multiscale_gcn.pyramids.sequence import Collapses, in_unit_box
from multiscale_gcn.pyramids.surface import Surface

if TYPE_CHECKING:
    import scipy.sparse as sp

MOST = 1000
"""Sizes that may be named of the smallest meshes; of others as many as vertices."""


def mesh_pyramid(
    mesh: Any, sizes: Iterable[int], *, placement: Literal["subset", "optimal"] = "subset"
) -> MeshPyramid:
    """Simplify a triangle mesh to fewer and fewer vertices, and keep the maps between the levels.

    Edges collapse one by one, the one that moves the surface least first, as in Garland and
    Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH 1997. No collapse makes
    an edge of three faces or a hole, tears or joins parts, or turns a face over: a watertight mesh
    stays watertight, and a boundary a boundary. Values come up by the barycentric weights of every
    vertex in the nearest triangle of the coarser mesh, and down from the vertices that it kept, as
    in Ranjan, Bolkart, Sanyal and Black, "Generating 3D faces using convolutional mesh
    autoencoders", ECCV 2018.

    Parameters
    ----------
    mesh
        A pair (vertices, faces), vertices of shape (V, 2) or (V, 3) and faces of shape (F, k), or
        whatever :func:`~multiscale_gcn.as_graph` takes that has both: an object of trimesh or
        meshio, a ``Data`` of PyTorch Geometric with ``pos`` and ``face``, or the path of a mesh.
        Faces of more than three corners are split into fans. It must be a
        manifold, with or without boundary; it may have several parts, and its faces any
        orientation.
    sizes : iterable of int
        Numbers of vertices that the coarser meshes have exactly, in any order.
    placement : {"subset", "optimal"}
        Where a merged vertex stands. ``"subset"``: where one of the two stood, so that every
        coarse vertex is one of the finest mesh. ``"optimal"``: where the error is least, which
        comes nearer to the surface; then nothing is ``"sampled"``, and values come down by
        ``"mean"`` or :meth:`~multiscale_gcn.Hierarchy.least_squares`.

    Returns
    -------
    MeshPyramid
        A :class:`Hierarchy` with ``vertices`` and ``faces`` of every level. The graph of a level
        has an edge of weight 1 for each of its mesh, and nodes as heavy as the number of vertices
        that merged into them. Vertices keep their order; faces keep their order and orientation.

    Raises
    ------
    ValueError
        For a mesh that is no surface, naming the edge, the vertex or the face; for sizes that
        cannot be; for another placement.
    TypeError
        For what is no mesh.
    FileNotFoundError
        For a path at which there is no file.
    CoarseningStalled
        If no edge may collapse any more before the sizes are reached. It carries what was reached.

    See Also
    --------
    MeshPyramid : meshes and the maps between them
    coarsen : all levels at once

    Notes
    -----
    Errors are compared as float64; of equal ones the vertices' ids decide. The same mesh gives the
    same pyramid on one machine, whatever the number of threads. Another one may round the last bit
    differently, and take another of two collapses that are almost as good: save the pyramid with
    what was trained on it.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.spatial import ConvexHull
    >>> from multiscale_gcn import mesh_pyramid
    >>> points = np.random.default_rng(0).normal(size=(60, 3))
    >>> points /= np.linalg.norm(points, axis=1, keepdims=True)
    >>> pyramid = mesh_pyramid((points, ConvexHull(points).simplices), sizes=[30, 12])
    >>> pyramid.sizes
    (60, 30, 12)
    >>> coarse = pyramid.restrict(points, 0, 2, "sampled")
    >>> bool((coarse == pyramid.vertices[2]).all())
    True
    >>> up = pyramid.prolongation(2, 0, "interpolated")
    >>> up.shape, bool(np.allclose(up.sum(axis=1), 1))
    ((60, 12), True)
    """
    one_of(placement, "placement", ("subset", "optimal"))
    surface = Surface.of(mesh)
    n = len(surface.vertices)
    wanted = _wanted(sizes, n)
    collapses = Collapses.of(surface, n - wanted[-1], placement == "optimal")
    most = len(collapses.kept)
    pyramid = _pyramid(collapses, [s for s in wanted if n - most <= s < n], placement)
    if wanted[-1] < n - most:
        raise CoarseningStalled(
            f"sizes has {wanted[-1]}, and no edge may collapse any more at {n - most} vertices: "
            "the mesh would be no surface, or a face would turn over; ask for so many or more",
            pyramid,
        )
    return pyramid


def _wanted(sizes: Iterable[int], n: int) -> list[int]:
    """The sizes asked for, decreasing."""
    wanted = sorted(whole_numbers(sizes, "sizes", most=max(n, MOST)), reverse=True)
    if not wanted:
        raise ValueError("sizes is empty; name at least one number of vertices")
    for size in (wanted[-1], wanted[0]):
        if not 3 <= size <= n:
            raise ValueError(
                f"sizes has {size}, and the mesh has {n} vertices; a coarser mesh has from 3 to as "
                "many"
            )
    return wanted


@dataclass(frozen=True, eq=False)
class _Mesh:
    """One level."""

    of_finest: np.ndarray
    """Vertex of this level in which each of the finest mesh is, [n]."""
    left: np.ndarray
    """Vertex of the finest mesh whose number each one had, [m]."""
    vertices: np.ndarray  # [m, d]
    faces: np.ndarray  # [F, 3]

    @classmethod
    def after(cls, collapses: Collapses, num_merges: int) -> _Mesh:
        left, of_finest, vertices = collapses.after(num_merges)
        faces = of_finest[collapses.surface.triangles]
        a, b, c = faces.T
        return cls(of_finest, left, vertices, faces[(a != b) & (b != c) & (c != a)])

    def graph(self) -> Graph:
        heavy = np.bincount(self.of_finest).astype(np.float64)
        graph = as_graph(self.faces, kind="faces", num_nodes=len(self.vertices), node_weights=heavy)
        return round_weights(graph)[0]


def _pyramid(collapses: Collapses, sizes: list[int], placement: str) -> MeshPyramid:
    n = len(collapses.surface.vertices)
    meshes = [_Mesh.after(collapses, n - size) for size in (n, *sizes)]
    levels = []
    for k, mesh in enumerate(meshes[:-1]):
        parent = meshes[k + 1].of_finest[mesh.left]
        sampled = None
        if placement == "subset":
            sampled = np.searchsorted(mesh.left, meshes[k + 1].left)
        up = _barycentric(mesh, meshes[k + 1], parent, sampled)
        levels.append(Level(k, mesh.graph(), parent, sampled=sampled, interpolation=up))
    levels.append(Level(len(levels), meshes[-1].graph(), None))
    return MeshPyramid(
        tuple(levels),
        f"mesh_pyramid(placement={placement!r})",
        vertices=tuple(mesh.vertices for mesh in meshes),
        faces=tuple(mesh.faces for mesh in meshes),
    )


def _barycentric(
    fine: _Mesh, coarse: _Mesh, parent: np.ndarray, sampled: np.ndarray | None
) -> sp.csr_array:  # [n, n_coarse]
    """Weights of every fine vertex in the nearest triangle of its part of the coarse mesh.

    A vertex that the coarse mesh has kept has that alone, even where others stand at its place.
    """
    import scipy.sparse as sp

    n, m = len(fine.vertices), len(coarse.vertices)
    part = _parts(fine)
    part_of_coarse = np.empty(m, dtype=np.int64)
    part_of_coarse[parent] = part
    unit = in_unit_box(np.concatenate([fine.vertices, coarse.vertices]))[0]
    triangle, weights = closest_on_triangles(unit[:n], part, unit[n:], coarse.faces, part_of_coarse)
    corners = coarse.faces[triangle]
    if sampled is not None:
        corners[sampled], weights[sampled] = np.arange(m)[:, None], [1, 0, 0]
    matrix = sp.csr_array((weights.ravel(), corners.ravel(), np.arange(n + 1) * 3), shape=(n, m))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _parts(mesh: _Mesh) -> np.ndarray:  # [n]
    import scipy.sparse as sp

    n = len(mesh.vertices)
    sides = mesh.faces[:, [0, 1, 1, 2]].reshape(-1, 2).T
    matrix = sp.coo_array((np.ones(sides.shape[1]), sides), shape=(n, n))
    part: np.ndarray = sp.csgraph.connected_components(matrix, directed=False)[1]
    return part
