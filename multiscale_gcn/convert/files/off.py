"""The Object File Format, as text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.text import (
    Line,
    numbered_lines,
    read_text,
    refuse,
    refuse_cut,
    tables_by_width,
)
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.polygons import fan_of_faces, sides_of_faces
from multiscale_gcn.convert.values import count_nodes

# The counts may follow without a space, as in ModelNet40.
HEADER = re.compile(r"\s*(ST)?(C)?(N)?(4)?(n)?OFF(?P<rest>.*)")
COLOURS = 4


def read(path: Path, options: Options) -> Mesh:
    lines = numbered_lines(read_text(path))
    header = HEADER.fullmatch(lines[0][1]) if lines else None
    if header is None:
        raise ValueError(
            f"{path} does not begin with OFF, COFF, NOFF or the like; look whether it is an OFF "
            "file"
        )
    if "BINARY" in header["rest"]:
        raise ValueError(f"{path} is a binary OFF file; save it as text, or as PLY")
    at = 0 if header["rest"].strip() else 1
    dimension = 3
    if header[5]:
        dimension = _counts(lines, at, 1, path)[0]
        at += 1
        rest = ""
    else:
        rest = header["rest"]
    if rest.strip():
        num_vertices, num_faces = _two_counts((lines[0][0], rest), path)
        at = 1
    else:
        num_vertices, num_faces = _counts(lines, at, 2, path)
        at += 1
    dimension += bool(header[4])
    body = lines[at:]
    if len(body) != num_vertices + num_faces:
        _refuse_length(lines, body, num_vertices, num_faces, path)
    positions = _positions(body[:num_vertices], dimension, path)
    sides, triangles = _sides(body[num_vertices:], num_vertices, path)
    return Mesh(sides, num_vertices, "faces", positions, triangles)


def _counts(lines: list[Line], at: int, least: int, path: Path) -> list[int]:
    if at >= len(lines):
        refuse_cut(path, lines[-1][0], "before its counts")
    return _whole_counts(lines[at], least, path)


def _two_counts(line: Line, path: Path) -> list[int]:
    return _whole_counts(line, 2, path)


def _whole_counts(line: Line, least: int, path: Path) -> list[int]:
    fields = line[1].split()
    if not (least <= len(fields) <= 3 and all(re.fullmatch(r"\d{1,18}", f) for f in fields)):
        refuse(path, line, "is no line of counts", "it takes the numbers of vertices and faces")
    return [int(field) for field in fields[:least]]


def _refuse_length(
    lines: list[Line], body: list[Line], num_vertices: int, num_faces: int, path: Path
) -> None:
    said = num_vertices + num_faces
    if len(body) < said:
        refuse_cut(
            path,
            lines[-1][0],
            f"after {len(body)} of {num_vertices} vertices and {num_faces} faces",
        )
    refuse(
        path,
        body[said],
        f"stands after the {num_vertices} vertices and {num_faces} faces of the header",
        "correct the counts, or take it away",
    )


def _positions(lines: list[Line], dimension: int, path: Path) -> np.ndarray:
    positions = np.empty((len(lines), dimension))
    row = {number: i for i, (number, _) in enumerate(lines)}
    for group, numbers in tables_by_width(lines, path):
        if numbers.shape[1] < dimension:
            refuse(path, group[0], "is no vertex", f"it takes {dimension} numbers")
        positions[[row[number] for number, _ in group]] = numbers[:, :dimension]
    return positions


def _sides(lines: list[Line], n: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Sides of the faces, and their triangles."""
    sides = [np.empty((0, 2), dtype=np.int64)]
    triangles = [np.empty((0, 3), dtype=np.int64)]
    for group, numbers in _faces_by_corners(lines, path):
        corners = numbers[:, 1:]
        whole = (corners == np.floor(corners)) & (corners >= 0) & (corners < n)
        if not whole.all():
            bad = int(np.flatnonzero(~whole.all(axis=1))[0])
            refuse(path, group[bad], "names no vertex", f"they are numbered from 0 to {n - 1}")
        sides.append(sides_of_faces(corners.astype(np.int64)))
        triangles.append(fan_of_faces(corners.astype(np.int64)))
    pairs = np.concatenate(sides)
    count_nodes(n, **{f"{path.name}: sides of faces": pairs})
    return pairs, np.concatenate(triangles)


def _faces_by_corners(lines: list[Line], path: Path) -> list[tuple[list[Line], np.ndarray]]:
    """Faces with their number of corners before them, and without the colour behind them."""
    by_corners: dict[str, list[Line]] = {}
    for number, text in lines:
        fields = text.split()
        corners = int(fields[0]) if re.fullmatch(r"\d{1,9}", fields[0]) else 0
        more = len(fields) - 1 - corners
        if corners < 1 or not 0 <= more <= COLOURS:
            refuse(
                path,
                (number, text),
                "is no face",
                "it takes the number of its corners, then these, then a colour if you like",
            )
        by_corners.setdefault(fields[0], []).append((number, " ".join(fields[: corners + 1])))
    return [pair for group in by_corners.values() for pair in tables_by_width(group, path)]
