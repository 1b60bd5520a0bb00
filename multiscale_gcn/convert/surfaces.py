"""What the shape of a mesh says: areas of its vertices, lengths and cotangents of its edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.convert.values import as_positions

EDGE_MEASURES = ("cotangent", "inverse_length")
LEAST_COTANGENT = 1e-6
"""Of the median of the positive ones: what an edge weighs whose cotangents add up to less."""


def says_measure(weights: Any) -> bool:
    """Whether the argument names a measure of edges instead of being an array; refuses others."""
    return isinstance(weights, str) and bool(one_of(weights, "weights", EDGE_MEASURES))


def says_area(node_weights: Any) -> bool:
    """Whether the argument asks for areas instead of being an array; refuses other names."""
    if isinstance(node_weights, str) and node_weights != "area":
        raise ValueError(f"node_weights = {node_weights!r} must be 'area', or an array")
    return isinstance(node_weights, str)


def places_of(positions: Any, what: str, asked: str) -> np.ndarray:
    """Positions of the vertices, which the source must know, shape (V, D), finite."""
    if positions is None:
        raise ValueError(
            f"{asked} needs the positions of the vertices, and {what} alone have none; give an "
            "object with faces and vertices, such as trimesh.Trimesh(vertices, faces, "
            "process=False)"
        )
    return as_positions(positions, "the positions")


def triangles_of(triangles: np.ndarray | None, what: str, asked: str) -> np.ndarray:
    """The triangles of a surface; those that welding has closed up are none."""
    if triangles is None:
        raise ValueError(
            f"{asked} is of a surface, and {what} are no triangles, quads and polygons; take the "
            "surface of the mesh"
        )
    a, b, c = triangles.T
    whole: np.ndarray = triangles[(a != b) & (b != c) & (c != a)]
    return whole


def vertex_areas(triangles: np.ndarray, places: np.ndarray) -> np.ndarray:  # [V]
    """A third of the area of every triangle at a vertex.

    Raises
    ------
    ValueError
        For a vertex without area, as it stands in no triangle or in flat ones alone.
    """
    third = np.sqrt(_squared_double_areas(triangles, places)) / 6.0
    areas = np.zeros(len(places))
    for corner in triangles.T:
        areas += np.bincount(corner, weights=third, minlength=len(places))
    flat = np.flatnonzero(~((areas > 0) & np.isfinite(areas)))
    if len(flat):
        raise ValueError(
            f"vertex {flat[0]} has the area {areas[flat[0]]}, in no face or in flat ones alone, "
            "and node weights must be positive and finite; take such vertices out (of a "
            "trimesh.Trimesh by mesh.remove_unreferenced_vertices()), or give an array of "
            "node_weights"
        )
    return areas


def inverse_lengths(ids: np.ndarray, places: np.ndarray) -> np.ndarray:  # [2, E] -> [E]
    """One over the length of every edge.

    Raises
    ------
    ValueError
        For an edge of length zero, or one so short or long that its weight is not finite.
    """
    with np.errstate(all="ignore"):
        weights: np.ndarray = 1.0 / np.linalg.norm(places[ids[0]] - places[ids[1]], axis=1)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(bad):
        u, v = ids[:, bad[0]].tolist()
        raise ValueError(
            f"vertices {u} and {v} share an edge, and one over its length is {weights[bad[0]]}; "
            "weld=0 makes one node of vertices at one position"
        )
    return weights


def cotangents(ids: np.ndarray, triangles: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Half the sum of the cotangents of the angles that lie opposite to every edge, and positive.

    Where the sum is not positive, or next to nothing, the edge keeps the least weight.

    Parameters
    ----------
    ids : array of int64, shape (2, E)
        Ends of the edges, the smaller one first, in increasing order.
    triangles : array of int64, shape (T, 3)
    places : array of float64, shape (V, D)

    Returns
    -------
    array of float64, shape (E,)

    Raises
    ------
    ValueError
        For a triangle without area, which has no angles.
    """
    if ids.shape[1] == 0:
        return np.empty(0)
    n = len(places)
    double_areas = np.sqrt(_squared_double_areas(triangles, places))
    flat = np.flatnonzero(~((double_areas > 0) & np.isfinite(double_areas)))
    if len(flat):
        corners = triangles[flat[0]].tolist()
        raise ValueError(
            f"the triangle of vertices {corners} has the area {double_areas[flat[0]] / 2}, and no "
            "angles; take such faces out (of a trimesh.Trimesh by "
            "mesh.update_faces(mesh.nondegenerate_faces())), or take weights='inverse_length'"
        )
    keys = ids[0] * n + ids[1]
    total = np.zeros(len(keys))
    for k in range(3):
        opposite, u, v = (triangles[:, (k + i) % 3] for i in range(3))
        across = ((places[u] - places[opposite]) * (places[v] - places[opposite])).sum(axis=1)
        key = np.minimum(u, v) * n + np.maximum(u, v)
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        side = keys[at] == key  # diagonals of a polygon are no edges
        half = across[side] / double_areas[side] / 2.0
        total += np.bincount(at[side], weights=half, minlength=len(keys))
    positive = total > 0
    least = LEAST_COTANGENT * float(np.median(total[positive])) if positive.any() else 1.0
    floored: np.ndarray = np.maximum(total, least)
    return floored


def _squared_double_areas(triangles: np.ndarray, places: np.ndarray) -> np.ndarray:  # [T]
    """Of triangles in any number of dimensions, by Lagrange's identity, axis pair by axis pair."""
    a, b, c = (places[corner] for corner in triangles.T)
    u, v = (b - a).T, (c - a).T
    total = np.zeros(len(triangles))
    for i in range(len(u)):
        for j in range(i):
            total += (u[i] * v[j] - u[j] * v[i]) ** 2
    return total
