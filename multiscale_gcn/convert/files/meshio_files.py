"""Meshes of all other formats, through meshio."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.library import library
from multiscale_gcn.convert.meshes import from_cells
from multiscale_gcn.convert.options import Options


def read(path: Path, options: Options) -> Mesh:
    mesh = _mesh(_meshio(path), path)
    if len(mesh.points) == 0:
        raise ValueError(f"{path} holds no vertices; look whether it is a {path.suffix} file")
    return from_cells(mesh, options)


def check_suffix(path: Path, others: Iterable[str]) -> None:
    """Refuse a file whose suffix meshio does not know, naming the others that are read."""
    if not any(path.name.lower().endswith(known) for known in _meshio(path).extension_to_filetypes):
        raise ValueError(
            f"the suffix of {path} is none that is read: {', '.join(others)}, and those of meshio; "
            "rename the file if it is one of these, or read it with its own library"
        )


def _meshio(path: Path) -> Any:
    return library("meshio", path, "pip install 'multiscale-gcn[mesh]'")


def _mesh(meshio: Any, path: Path) -> Any:
    try:
        return meshio.read(path)
    except SystemExit:  # that is how meshio ends when a reader of the right suffix fails
        raise ValueError(
            f"meshio cannot read {path}; what it printed says why: look whether it is a "
            f"{path.suffix} file, and whole"
        ) from None
    except Exception as error:
        raise ValueError(
            f"meshio cannot read {path} ({type(error).__name__}: {error}); look whether it is a "
            f"{path.suffix} file, and whole"
        ) from error
