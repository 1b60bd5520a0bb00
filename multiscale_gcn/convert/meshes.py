"""Meshes with cells of several kinds to a graph: each cell by its sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multiscale_gcn.convert.assembly import as_ids, count_nodes, from_sides
from multiscale_gcn.graph import Graph

Sides = Sequence[tuple[int, int]]

# Corners are numbered as in VTK, and as meshio does.
SIDES: dict[str, Sides] = {
    "vertex": [],
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


def is_cell_mesh(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("points", "cells", "cells_dict"))


def from_cells(source: Any, node_weights: Any, num_nodes: int | None) -> Graph:
    """Of a ``meshio.Mesh``."""
    n = len(source.points) if num_nodes is None else num_nodes
    sides = [np.empty((0, 2), dtype=np.int64)]
    for k, block in enumerate(source.cells):
        sides.extend(_sides_of_block(block.type, block.data, f"cells[{k}].data", n))
    return from_sides(np.concatenate(sides), node_weights, n, "cells")


def polygon_sides(corners: int) -> Sides:
    return [(i, (i + 1) % corners) for i in range(corners)]


def _sides_of_block(kind: str, data: Any, name: str, n: int) -> list[np.ndarray]:
    if kind.startswith("polyhedron"):  # every cell is a list of faces
        faces = [np.asarray(face) for cell in data for face in cell]
        return [_sides(face[None], polygon_sides(len(face)), name, n) for face in faces]
    cells = np.asarray(data)
    if kind.startswith("polygon"):
        return [_sides(cells, polygon_sides(cells.shape[1]), name, n)]
    return [_sides(cells, _table(kind), name, n)]


def _sides(cells: np.ndarray, table: Sides, name: str, n: int) -> np.ndarray:  # [S, 2]
    cells = as_ids(cells, name)
    count_nodes(n, **{name: cells})
    pairs = np.array(table, dtype=np.int64).reshape(-1, 2)
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
