"""Wavefront OBJ: vertices, faces and lines alone.

trimesh would number the vertices anew wherever a file has textures, normals or materials.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.text import Line, read_text, refuse
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.polygons import fan_of_polygons, polygon_sides
from multiscale_gcn.convert.values import count_nodes


def read(path: Path, options: Options) -> Mesh:
    positions: list[tuple[float, ...]] = []
    sides: list[tuple[int, int]] = []
    faces: list[list[int]] = []
    fewest = 0  # corners of a face so far
    lines = read_text(path).replace("\\\n", " ").split("\n")
    for line in enumerate(lines, start=1):
        keyword, *fields = line[1].split("#", 1)[0].split() or [""]
        if keyword == "v":
            positions.append(_position(fields, line, path))
        elif keyword in ("f", "fo", "l"):
            corners = _corners(fields, len(positions), line, path)
            least, what = (2, "a line") if keyword == "l" else (3, "a face")
            if len(corners) < least:
                refuse(path, line, f"has too few corners for {what}", f"it takes {least} or more")
            if keyword != "l":
                if line[0] == len(lines):
                    _check_last(fields, fewest, line, path)
                fewest = min(fewest or len(corners), len(corners))
                faces.append(corners)
            around = polygon_sides(len(corners))
            if keyword == "l":
                around = around[:-1]
            sides += [(corners[a], corners[b]) for a, b in around]
    pairs = np.array(sides, dtype=np.int64).reshape(-1, 2)
    n = len(positions)
    count_nodes(n, **{f"{path.name}: sides of faces": pairs})
    corners_of_all = np.array([corner for face in faces for corner in face], dtype=np.int64)
    counts = np.array([len(face) for face in faces], dtype=np.int64)
    triangles = fan_of_polygons(corners_of_all, counts)
    return Mesh(pairs, n, "faces", np.array(positions).reshape(n, 3), triangles)


def _position(fields: list[str], line: Line, path: Path) -> tuple[float, ...]:
    try:
        x, y, z = map(float, fields[:3])
    except ValueError:
        refuse(path, line, "is no vertex", "it takes three numbers")
    return x, y, z


def _check_last(fields: list[str], fewest: int, line: Line, path: Path) -> None:
    """Refuse a face at which the file ends in the middle of a line, where that can be told."""
    first, last = fields[0], fields[-1]
    if len(fields) < fewest or last.endswith("/") or last.count("/") < first.count("/"):
        why, remedy = "has no end, and less than the faces before", "it is cut, or lacks a newline"
        refuse(path, line, why, remedy)


def _corners(fields: list[str], n: int, line: Line, path: Path) -> list[int]:
    try:
        ids = [int(field.split("/", 1)[0]) for field in fields]
        if any(i == 0 or abs(i) > 2**31 for i in ids):
            raise ValueError
    except ValueError:
        refuse(path, line, "is no face", "vertices count from 1")
    return [i - 1 if i > 0 else n + i for i in ids]  # below zero: from the last back
