"""STL, as text and binary: corners at one position are one node."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.text import decoded, is_marked, refuse, refuse_cut
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.polygons import sides_of_faces
from multiscale_gcn.convert.welding import weld_map

HEAD = 84
FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])

# What may follow on what, by the first word of a line.
NEXT = {
    "": ("solid",),
    "solid": ("facet", "endsolid"),
    "facet": ("outer",),
    "outer": ("vertex",),
    "vertex": ("vertex", "endloop"),
    "endloop": ("endfacet",),
    "endfacet": ("facet", "endsolid"),
    "endsolid": ("solid",),
}


def read(path: Path, options: Options) -> Mesh:
    content = path.read_bytes()
    # A binary file may begin with "solid" too, so its length tells.
    facets = struct.unpack_from("<I", content, HEAD - 4)[0] if len(content) >= HEAD else 0
    if len(content) == HEAD + facets * FACET.itemsize:
        positions = np.frombuffer(content, FACET, offset=HEAD)["corners"].reshape(-1, 3)
    elif b"\0" not in content or is_marked(content):
        positions = _from_text(decoded(content, path), path)
    else:
        raise ValueError(
            f"{path} has {len(content)} bytes, and a binary STL file of the {facets} "
            f"facets of its header has {HEAD + facets * FACET.itemsize}; it is cut, or no "
            "STL file"
        )
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(bad):
        raise ValueError(
            f"corner {bad[0] % 3} of facet {bad[0] // 3} of {path} stands at "
            f"{positions[bad[0]].tolist()}; all must be finite, so mend it"
        )
    corner = weld_map(positions)
    n = int(corner.max()) + 1 if len(corner) else 0
    first = np.zeros(n, dtype=np.int64)
    first[corner[::-1]] = np.arange(len(corner))[::-1]
    faces = corner.reshape(-1, 3)
    return Mesh(sides_of_faces(faces), n, "faces", positions[first], faces)


def _from_text(text: str, path: Path) -> np.ndarray:
    positions: list[tuple[float, ...]] = []
    before, corners, number = "", 0, 0
    for number, line in enumerate(text.split("\n"), start=1):
        word, *fields = line.lower().split() or [""]
        if word == "":
            continue
        if word not in NEXT[before]:
            expected = " or ".join(NEXT[before])
            refuse(path, (number, line), f"begins with {word[:20]!r}, not {expected}", "mend it")
        if word == "vertex":
            try:
                x, y, z = map(float, fields)
            except ValueError:
                refuse(path, (number, line), "is no corner", "it takes three numbers")
            positions.append((x, y, z))
        corners = corners + 1 if word == "vertex" else 0 if word == "outer" else corners
        if corners > 3 or (word == "endloop" and corners != 3):
            refuse(path, (number, line), f"makes {corners} corners of a facet", "it has three")
        before = word
    if before != "endsolid":
        refuse_cut(path, number, "before its endsolid")
    return np.array(positions).reshape(-1, 3)
