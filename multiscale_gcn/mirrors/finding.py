"""From a mesh to its mirror."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from multiscale_gcn.checks.arguments import real_number, shown
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.convert import as_graph
from multiscale_gcn.convert.placed import positions_of
from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.mirrors.assignment import reassigned
from multiscale_gcn.mirrors.mirror import Mirror, unmirrored_edges
from multiscale_gcn.mirrors.pairing import NOBODY, distances, paired
from multiscale_gcn.mirrors.plane import best_plane

AXES = "xyz"
EXACT = 1e-6
"""Relative to the diagonal of the bounding box: what single precision leaves."""


def find_mirror(
    mesh: Any,
    *,
    positions: ArrayLike | None = None,
    normal: Literal["x", "y", "z"] | ArrayLike | None = None,
    offset: float | None = None,
    tolerance: float | None = None,
) -> Mirror:
    """Find the plane in which a mesh is its own mirror image, and the image of every vertex.

    Few meshes are exact mirror images of themselves: vertices are off by a little, and quads are
    cut along other diagonals on the other side. So vertices are paired within a tolerance, and
    :meth:`Mirror.symmetrized` adds the edges whose image is missing. The result is a function of
    the arguments alone.

    Parameters
    ----------
    mesh
        Anything that :func:`~multiscale_gcn.as_graph` takes.
    positions : array of float, shape (n, d), optional
        Of the vertices, where the mesh has none of its own, as faces have not.
    normal : {"x", "y", "z"} or array of float, shape (d,), optional
        Across the plane. Without it, planes through the mean of the vertices are tried: across the
        axes, across the principal axes, and those that map a far vertex to one that is as far. The
        best of them are fitted, by least squares between reflections and the vertices next to them.
    offset : float, optional
        Where the plane stands, ``point @ normal`` with the unit normal; fitted by default.
    tolerance : float, optional
        How far the reflection of a vertex may lie from its image; the median length of an edge by
        default. Of all vertices the two that lie nearest to each other's reflections are paired,
        again and again; a vertex near the plane may be its own image. Where this leaves a few
        over, those around them are assigned anew: as many as can be, with the least sum of
        distances.

    Returns
    -------
    Mirror
        Where the mesh has no mirror it says so: many vertices have no image.

    Raises
    ------
    ValueError
        Without positions, without vertices, for an ``offset`` without ``normal``, and for a mesh
        without edges if no ``tolerance`` is given.

    See Also
    --------
    Mirror : a mirror and how well it fits
    Constraints : what must not merge
    multiscale_gcn.nn.MirrorEquivariant : treats both sides alike

    Examples
    --------
    >>> from multiscale_gcn import coarsen, find_mirror
    >>> faces = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]]
    >>> roof = [[5, 5, 2], [4, 3, 0], [6, 3, 0], [6, 7, 0], [4, 7, 0.1]]
    >>> mirror = find_mirror(faces, positions=roof, normal="x")
    >>> mirror.offset, mirror.image.tolist(), mirror.num_exact, mirror.num_approximate
    (5.0, [0, 2, 1, 4, 3], 3, 2)
    >>> hierarchy = coarsen(mirror.symmetrized(faces), sizes=[3], symmetry=mirror.image)
    >>> hierarchy.parent(0, -1).tolist()
    [0, 1, 2, 2, 1]
    """
    graph = as_graph(mesh)
    places = NodePositions.of(positions_of(mesh) if positions is None else positions)
    places.check_length(graph.num_nodes)
    points = places.array
    if points.shape[1] == 0:
        raise ValueError("positions has no coordinates; give at least one for each vertex")
    if graph.num_nodes == 0:
        raise ValueError("the mesh has no vertices; there is nothing to mirror")
    direction = None if normal is None else _direction(normal, points.shape[1])
    if offset is not None:
        offset = real_number(offset, "offset")
        if direction is None:
            raise ValueError("offset says where a plane stands; say normal too, or leave it out")
    tolerance = (
        _median_length(graph, points)
        if tolerance is None
        else real_number(tolerance, "tolerance", above=0)
    )
    plane = best_plane(points, direction, offset, tolerance)
    exact = EXACT * float(np.linalg.norm(np.ptp(points, axis=0)))
    image = reassigned(points, plane, paired(points, plane, tolerance), tolerance)
    apart = distances(points, plane, image)
    left = np.flatnonzero(image == NOBODY)
    sufficient = tolerance
    if len(left):
        rest = paired(points[left], plane, np.inf)  # as it would go on
        sufficient = float(distances(points[left], plane, rest).max())
        apart[left] = cKDTree(points).query(plane.reflected(points[left]))[0]
    return Mirror._of_valid(
        normal=plane.normal,
        offset=plane.offset,
        image=image.astype(np.int64),
        distances=apart,
        exact=(image != NOBODY) & (apart <= exact),
        unmirrored_edges=unmirrored_edges(graph, image),
        num_edges=graph.num_edges,
        tolerance=tolerance,
        sufficient=sufficient,
    )


def _direction(normal: Any, dimension: int) -> np.ndarray:  # [d]
    axes = AXES[:dimension]
    if isinstance(normal, str):
        if len(normal) != 1 or normal not in axes:
            raise ValueError(
                f"normal = {shown(normal)} is no axis of {dimension} coordinates; name one of "
                f"{', '.join(map(repr, axes))}, or give a vector"
            )
        axis: np.ndarray = np.eye(dimension)[axes.index(normal)]
        return axis
    array = real_array(normal, "normal").astype(np.float64)
    if array.shape != (dimension,):
        raise ValueError(f"normal has shape {array.shape}, expected ({dimension},)")
    largest = np.abs(array).max(initial=0.0)
    if not np.isfinite(array).all() or largest == 0:
        raise ValueError(f"normal = {shown(array.tolist())} has no direction; give a finite vector")
    direction: np.ndarray = array / largest
    direction /= np.linalg.norm(direction)
    return direction


def _median_length(graph: Graph, points: np.ndarray) -> float:
    between = graph.rows() != graph.indices
    ends = points[graph.rows()[between]], points[graph.indices[between]]
    lengths = np.linalg.norm(ends[0] - ends[1], axis=1)
    lengths = lengths[lengths > 0]
    if len(lengths) == 0:
        raise ValueError(
            "tolerance = None takes the median length of an edge, and the mesh has none; say how "
            "far apart a vertex and its image may be"
        )
    return float(np.median(lengths))
