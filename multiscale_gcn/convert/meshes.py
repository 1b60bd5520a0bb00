"""Meshes of other libraries to a graph: each face and each cell by its sides."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.arrays import from_faces
from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.polygons import Sides, fan_of_faces, polygon_sides
from multiscale_gcn.convert.values import (
    as_any_array,
    as_ids,
    as_positions,
    asking,
    attribute,
    count_nodes,
    has,
)

# Corners are numbered as in VTK, and as meshio does.
SIDES: dict[str, Sides] = {
    "vertex": [(0, 0)],  # which names it, and is no edge
    "line": [(0, 1)],
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "quad": [(0, 1), (1, 2), (2, 3), (3, 0)],
    "tetra": [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],
    "pyramid": [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4)],
    "wedge": [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)],
    "hexahedron": [
        *[(0, 1), (1, 2), (2, 3), (3, 0)],
        *[(4, 5), (5, 6), (6, 7), (7, 4)],
        *[(0, 4), (1, 5), (2, 6), (3, 7)],
    ],
}

# Cells with one more node in the middle of each side, numbered in the order of the sides.
MIDSIDE = {
    "line3": "line",
    "triangle6": "triangle",
    "quad8": "quad",
    "tetra10": "tetra",
    "pyramid13": "pyramid",
    "wedge15": "wedge",
    "hexahedron20": "hexahedron",
}

OF_SURFACES = ("vertex", "line", "triangle", "quad")


def is_mesh(source: Any) -> bool:
    return has(source, "faces", "vertices")


def from_mesh(source: Any, options: Options) -> Mesh:
    """Of an object with ``faces`` and ``vertices``, such as a ``trimesh.Trimesh``."""
    vertices = as_any_array(source.vertices, "vertices")
    if vertices.ndim == 0:
        raise TypeError(f"vertices of the {type(source).__name__} are none; give positions (V, 3)")
    return from_faces(source.faces, options.num_nodes, "faces", vertices)


def is_triangulation(source: Any) -> bool:
    return (
        has(source, "triangles", "vertices")
        or has(source, "triangles", "x", "y")
        or has(source, "simplices", "points")
    )


def from_triangulation(source: Any, options: Options) -> Mesh:
    """Of Open3D's meshes, matplotlib's triangulations, and scipy's of Delaunay and of hulls."""
    if has(source, "simplices"):
        name, faces, positions = "simplices", source.simplices, source.points
    elif has(source, "vertices"):
        name, faces, positions = "triangles", source.triangles, source.vertices
    else:
        name, faces = "triangles", source.triangles
        positions = np.stack([as_any_array(source.x, "x"), as_any_array(source.y, "y")], axis=-1)
    corners = as_ids(faces, name)
    if corners.ndim != 2 or corners.shape[1] != 3:
        raise ValueError(
            f"{name} of the {type(source).__name__} have shape {corners.shape}, expected (F, 3): "
            "triangles; of other simplices give the edges, with kind='edge_list'"
        )
    return from_faces(corners, options.num_nodes, name, as_any_array(positions, "positions"))


def is_scene(source: Any) -> bool:
    return isinstance(attribute(source, "geometry"), dict)


def from_scene(source: Any, options: Options) -> Mesh:
    """Of a ``trimesh.Scene``: its meshes one behind the other, each once."""
    sides, positions = [np.empty((0, 2), dtype=np.int64)], [np.empty((0, 3))]
    triangles = [np.empty((0, 3), dtype=np.int64)]
    n = 0
    for name, geometry in source.geometry.items():
        if not is_mesh(geometry):
            raise TypeError(
                f"geometry {name!r} of the scene is a {type(geometry).__name__}, and no mesh; "
                "take it out, or pass one mesh"
            )
        vertices = as_positions(geometry.vertices, f"vertices of {name!r}")
        mesh = from_faces(geometry.faces, None, f"faces of {name!r}", vertices)
        sides.append(mesh.sides + n)
        assert mesh.triangles is not None
        triangles.append(mesh.triangles + n)
        positions.append(vertices)
        n += mesh.num_nodes
    said = options.num_nodes is not None
    pairs = np.concatenate(sides)
    n = count_nodes(options.num_nodes if said else n, **{"faces of the scene": pairs})
    return Mesh(
        pairs,
        n,
        "faces",
        np.concatenate(positions),
        np.concatenate(triangles),
        counted_by_ids=not said,
    )


def is_cell_mesh(source: Any) -> bool:
    # Of the class: for some polyhedra cells_dict itself raises.
    return has(source, "points", "cells") and hasattr(type(source), "cells_dict")


def from_cells(source: Any, options: Options) -> Mesh:
    """Of a ``meshio.Mesh``."""
    said = options.num_nodes is not None
    with asking(source):
        n = len(source.points) if options.num_nodes is None else options.num_nodes
        blocks = [(str(block.type), block.data) for block in source.cells]
    sides = [np.empty((0, 2), dtype=np.int64)]
    for k, (kind, data) in enumerate(blocks):
        sides.extend(_sides_of_block(kind, data, f"cells[{k}].data", n))
    triangles = _triangles([kind for kind, _ in blocks], [data for _, data in blocks])
    return Mesh(
        np.concatenate(sides), n, "cells", source.points, triangles, counted_by_ids=not said
    )


def _triangles(kinds: list[str], blocks: list[Any]) -> np.ndarray | None:
    """Of a surface of triangles, quads and polygons, which may have lines; None: of others."""
    if not all(kind in OF_SURFACES or kind.startswith("polygon") for kind in kinds):
        return None
    faces = [
        as_ids(data, "cells")
        for kind, data in zip(kinds, blocks, strict=True)
        if kind not in ("vertex", "line")
    ]
    return np.concatenate([np.empty((0, 3), dtype=np.int64), *map(fan_of_faces, faces)])


def _sides_of_block(kind: str, data: Any, name: str, n: int) -> list[np.ndarray]:
    if kind.startswith("polyhedron"):  # every cell is a list of faces
        with asking(data):
            faces = [np.asarray(face) for cell in data for face in cell]
        return [_sides(face[None], polygon_sides(len(face)), name, n) for face in faces]
    cells = as_any_array(data, name)
    if cells.ndim != 2:
        raise ValueError(f"{name} has shape {cells.shape}; give one row for each cell")
    if kind.startswith("polygon"):
        return [_sides(cells, polygon_sides(cells.shape[1]), name, n)]
    return [_sides(cells, _table(kind), name, n)]


def _sides(cells: np.ndarray, table: Sides, name: str, n: int) -> np.ndarray:  # [S, 2]
    cells = as_ids(cells, name)
    count_nodes(n, **{name: cells})
    pairs = np.array(table, dtype=np.int64).reshape(-1, 2)
    if pairs.size and cells.shape[1] <= pairs.max():
        raise ValueError(
            f"{name} has shape {cells.shape}, too few corners for cells of its kind; mend the mesh"
        )
    return cells[:, pairs].reshape(-1, 2)


def _table(kind: str) -> Sides:
    if kind in SIDES:
        return SIDES[kind]
    if kind in MIDSIDE:
        ends = SIDES[MIDSIDE[kind]]
        first = 1 + max(corner for side in ends for corner in side)
        return [half for s, (u, v) in enumerate(ends) for half in ((u, first + s), (first + s, v))]
    known = ", ".join([*SIDES, *MIDSIDE, "polygon", "polyhedron"])
    raise ValueError(
        f"cells of kind {kind!r} have nodes off their sides; the kinds that are read are {known}"
    )
