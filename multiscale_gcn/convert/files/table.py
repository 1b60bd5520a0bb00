"""Which reader takes which file: a new format is one line here and one file beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from multiscale_gcn.convert.assembly import Entries, Mesh
from multiscale_gcn.convert.files import (
    edge_list,
    gltf,
    matrix_market,
    meshio_files,
    metis,
    networkx_files,
    npz,
    obj,
    off,
    parquet,
    ply,
    stl,
)
from multiscale_gcn.convert.files.packed import what_it_holds
from multiscale_gcn.convert.options import Kind, Options


@dataclass(frozen=True)
class Format:
    """A format, and what sort of thing it holds."""

    read: Callable[[Path, Options], Entries | Mesh]
    sort: Sort
    packed: bool = False
    """Whether packed files of it are unpacked while they are read."""


@dataclass(frozen=True)
class Sort:
    """Which options mean something for such files."""

    accepts: tuple[str, ...]
    kind: Kind | None = None
    """The one ``kind`` that may be said of them."""


EDGES = Sort(("weights", "num_nodes", "symmetrize"), "edge_list")
NETWORK = Sort(("weights", "symmetrize"))
MATRIX = Sort(("symmetrize",), "dense")
MESH = Sort(("measures", "weld"), "faces")

FORMATS = {
    ".csv": Format(edge_list.read, EDGES, packed=True),
    ".edgelist": Format(edge_list.read, EDGES, packed=True),
    ".edges": Format(edge_list.read, EDGES, packed=True),
    ".gexf": Format(networkx_files.read_gexf, NETWORK),
    ".glb": Format(gltf.read_binary, MESH),
    ".gltf": Format(gltf.read_json, MESH),
    ".gml": Format(networkx_files.read_gml, NETWORK),
    ".graph": Format(metis.read, MATRIX, packed=True),
    ".graphml": Format(networkx_files.read_graphml, NETWORK),
    ".metis": Format(metis.read, MATRIX, packed=True),
    ".mtx": Format(matrix_market.read, MATRIX, packed=True),
    ".npz": Format(npz.read, MATRIX),
    ".obj": Format(obj.read, MESH, packed=True),
    ".off": Format(off.read, MESH, packed=True),
    ".parquet": Format(parquet.read, EDGES),
    ".ply": Format(ply.read, MESH),
    ".stl": Format(stl.read, MESH),
    ".tsv": Format(edge_list.read, EDGES, packed=True),
    ".txt": Format(edge_list.read, EDGES, packed=True),
}
# All other suffixes are meshio's, if it knows them.
OTHER = Format(meshio_files.read, MESH)


def from_file(source: str | PathLike[str], options: Options) -> Entries | Mesh:
    path = _existing(source)
    form, suffix = format_of(path)
    if form is OTHER:
        meshio_files.check_suffix(path, FORMATS)
    sort = form.sort
    options.refuse_all_but(*sort.accepts, kind=sort.kind, source=f"a {suffix} file")
    try:
        found = form.read(path, options)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}; mend that") from error
    if isinstance(found, Mesh) and len(found.sides) == 0:
        what = f"{found.num_nodes} vertices" if found.num_nodes else "no vertices"
        raise ValueError(
            f"{path} holds {what} and no faces or edges that {suffix} files have; look whether it "
            "is one, and whole"
        )
    return found


def format_of(path: Path) -> tuple[Format, str]:
    """Of a file by its name, and the suffix that says so."""
    suffix = what_it_holds(path).suffix.lower()
    form = FORMATS.get(suffix)
    if form is not None and form.packed:
        return form, suffix
    suffix = path.suffix.lower()
    return FORMATS.get(suffix, OTHER), suffix


def _existing(source: Any) -> Path:
    try:
        path = Path(fspath(source))
        there, folder = path.is_file(), path.is_dir()
    except (OSError, TypeError, ValueError):  # too long, no text, or with a zero byte
        there = folder = False
    if not there:
        remedy = (
            "it is a folder: name a file in it, or give a folder of edges to coarsen(..., out=...)"
            if folder
            else "a str is read as a path"
        )
        raise FileNotFoundError(f"there is no file {str(source)[:300]!r}; {remedy}") from None
    return path
