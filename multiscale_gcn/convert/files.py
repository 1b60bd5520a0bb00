"""Mesh files to a graph, its nodes in the order of the file's vertices."""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.convert.arrays import from_faces
from multiscale_gcn.convert.assembly import count_nodes, from_sides
from multiscale_gcn.convert.meshes import from_cells, polygon_sides
from multiscale_gcn.graph import Graph


def from_file(source: str | PathLike[str], node_weights: Any) -> Graph:
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}; a str is read as a path")
    suffix = path.suffix.lower()
    if suffix == ".obj":
        return _from_obj(path, node_weights)
    if suffix in (".off", ".ply", ".stl"):
        return _from_trimesh(path, node_weights)
    return _from_meshio(path, node_weights)


def _from_obj(path: Path, node_weights: Any) -> Graph:
    """Vertices, faces and lines alone.

    trimesh would number the vertices anew wherever a file has textures, normals or materials.
    """
    n = 0
    sides: list[tuple[int, int]] = []
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    for number, line in enumerate(text.splitlines(), start=1):
        keyword, *fields = line.split("#", 1)[0].split() or [""]
        if keyword == "v":
            n += 1
        elif keyword in ("f", "l"):
            try:
                ids = [int(field.split("/", 1)[0]) for field in fields]
                if 0 in ids:
                    raise ValueError
            except ValueError:
                raise ValueError(
                    f"line {number} of {path} is no face: {line.strip()!r}; vertices count from 1"
                ) from None
            corners = [i - 1 if i > 0 else n + i for i in ids]  # below zero: from the last back
            around = polygon_sides(len(corners))
            sides += [
                (corners[a], corners[b]) for a, b in (around if keyword == "f" else around[:-1])
            ]
    pairs = np.array(sides, dtype=np.int64).reshape(-1, 2)
    count_nodes(n, **{f"{path.name}: sides of faces": pairs})
    return from_sides(pairs, node_weights, n, "faces")


def _from_trimesh(path: Path, node_weights: Any) -> Graph:
    trimesh = _library("trimesh", path)
    try:
        mesh = trimesh.load_mesh(path, process=False)
    except Exception as error:
        raise ValueError(f"trimesh cannot read {path}: {error}") from error
    if not hasattr(mesh, "faces"):
        raise ValueError(f"{path} has no faces, and so no edges")
    faces, n = np.asarray(mesh.faces), len(mesh.vertices)
    if path.suffix.lower() == ".stl":
        corner, n = _first_equal(np.asarray(mesh.vertices))
        faces = corner[faces]
    return from_faces(faces, node_weights, n)


def _first_equal(positions: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the different positions in the order in which they appear."""
    _, first, inverse = np.unique(positions, axis=0, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))
    return number[inverse.reshape(-1)], len(first)


def _from_meshio(path: Path, node_weights: Any) -> Graph:
    meshio = _library("meshio", path)
    try:
        mesh = meshio.read(path)
    except SystemExit:  # that is how meshio ends when a reader of the right suffix fails
        raise ValueError(f"meshio cannot read {path}; what it printed says why") from None
    except Exception as error:
        raise ValueError(f"meshio cannot read {path}: {error}") from error
    return from_cells(mesh, node_weights, None)


def _library(name: str, path: Path) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ImportError(
            f"reading {path.suffix} files needs {name}: pip install 'multiscale-gcn[mesh]'"
        ) from None
