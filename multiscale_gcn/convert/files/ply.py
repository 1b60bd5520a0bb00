"""The Polygon File Format, as text and binary, with any elements and properties in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.ply_binary import binary_columns
from multiscale_gcn.convert.files.ply_header import Columns, Element, Lists, read_header
from multiscale_gcn.convert.files.ply_text import text_columns
from multiscale_gcn.convert.files.text import decoded, is_marked
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.polygons import (
    fan_of_polygons,
    sides_of_polygons,
    sides_of_strip,
    triangles_of_strip,
)
from multiscale_gcn.convert.values import as_whole_ids, count_nodes

CORNERS = ("vertex_indices", "vertex_index")


def read(path: Path, options: Options) -> Mesh:
    content = path.read_bytes()
    if is_marked(content):
        content = decoded(content, path).encode()
    header = read_header(content, path)
    if header.form == "ascii":
        columns = text_columns(content, header, path)
    else:
        columns = binary_columns(content, header, path)
    sides = [np.empty((0, 2), dtype=np.int64)]
    triangles = [np.empty((0, 3), dtype=np.int64)]
    n, positions = 0, None
    for element, held in zip(header.elements, columns, strict=True):
        if element.name == "vertex":
            n = element.count
            if {"x", "y", "z"} <= held.keys():
                positions = np.stack([held[axis] for axis in "xyz"], axis=1).astype(float)
        elif element.name == "face":
            corners = _corners(element, held, path)
            sides.append(sides_of_polygons(*corners))
            triangles.append(fan_of_polygons(*corners))
        elif element.name == "tristrips":
            flat, counts = _corners(element, held, path)
            ends = np.cumsum(counts)[:-1]
            # Those of different rows are different strips.
            strips = np.insert(flat, ends, -1)
            sides.append(sides_of_strip(strips))
            triangles.append(triangles_of_strip(strips))
        elif element.name == "edge":
            sides.append(_edges(element, held, path))
    pairs = np.concatenate(sides)
    count_nodes(n, **{f"{path.name}: sides of faces": pairs})
    return Mesh(pairs, n, "faces", positions, np.concatenate(triangles))


def _corners(element: Element, held: Columns, path: Path) -> tuple[np.ndarray, np.ndarray]:
    columns = [held.get(name) for name in CORNERS]
    found = [column for column in columns if isinstance(column, Lists)]
    if len(found) != 1:
        raise ValueError(
            f"element {element.name} of {path} has the properties {', '.join(held) or 'none'}, and "
            "not one list vertex_indices; rename the list of its corners"
        )
    (lists,) = found
    flat = as_whole_ids(lists.values, f"{path.name}: corners of {element.name}")
    return flat, lists.counts


def _edges(element: Element, held: Columns, path: Path) -> np.ndarray:
    if not {"vertex1", "vertex2"} <= held.keys():
        raise ValueError(
            f"element edge of {path} has the properties {', '.join(held) or 'none'}, and not "
            "vertex1 and vertex2; rename those of its ends"
        )
    ends = np.stack([held["vertex1"], held["vertex2"]], axis=1)
    return as_whole_ids(ends, f"{path.name}: ends of edges")
