"""Meshes of all other formats, through meshio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.library import library
from multiscale_gcn.convert.meshes import from_cells
from multiscale_gcn.convert.options import Options


def read(path: Path, options: Options) -> Mesh:
    meshio = library("meshio", path, "pip install 'multiscale-gcn[mesh]'")
    mesh = _mesh(meshio, path)
    if len(mesh.points) == 0:
        raise ValueError(f"{path} holds no vertices; look whether it is a {path.suffix} file")
    return from_cells(mesh, options)


def _mesh(meshio: Any, path: Path) -> Any:
    if not any(path.name.lower().endswith(suffix) for suffix in meshio.extension_to_filetypes):
        from multiscale_gcn.convert.files.table import FORMATS

        known = ", ".join(FORMATS)
        raise ValueError(
            f"the suffix of {path} is none that is read: {known}, and those of meshio; rename the "
            "file if it is one of these, or read it with its own library"
        )
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
