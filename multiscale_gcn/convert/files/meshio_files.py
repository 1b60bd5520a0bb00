"""Meshes of all other formats, through meshio, in a process of its own.

Some of meshio's readers never come to the end of a damaged file, or ask for more memory than there
is. A process can be ended from outside, whatever it does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files.packed import refuse_packed
from multiscale_gcn.convert.options import Options

SECONDS, SECONDS_PER_BYTE = 30.0, 5e-6
"""A file may take so long. The slowest of meshio's readers takes a fiftieth of it."""
BYTES, BYTES_PER_BYTE = 2 << 30, 100
"""So much memory, Python and NumPy included. What readers take is a tenth of it."""

# Only the path of what is imported is handed on, so a script needs no guard around its main part.
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from multiscale_gcn.convert.files.meshio_alone import answer; answer(*sys.argv[2:])"
)
READ_IT_YOURSELF = "as_graph also takes the mesh that meshio.read(path) gives, which has no bounds"


def read(path: Path, options: Options) -> Mesh:
    with TemporaryDirectory(prefix="multiscale_gcn-") as folder:
        mesh = _answer(path, Path(folder))
    if mesh.num_nodes == 0:
        raise ValueError(f"{path} holds no vertices; look whether it is a {path.suffix} file")
    return mesh


def check_suffix(path: Path, others: Iterable[str]) -> None:
    """Refuse a file whose suffix meshio does not know, naming the others that are read."""
    if Path(path.stem).suffix.lower() in ("", *others):
        refuse_packed(path)
    if not any(path.name.lower().endswith(known) for known in _meshio(path).extension_to_filetypes):
        refuse_packed(path)
        raise ValueError(
            f"the suffix of {path} is none that is read: {', '.join(others)}, and those of meshio; "
            "rename the file if it is one of these, or read it with its own library"
        )


def _meshio(path: Path) -> Any:
    return library("meshio", f"reading {path.suffix} files", "mesh")


def _answer(path: Path, folder: Path) -> Mesh:
    size = _size(path)
    seconds, most = SECONDS + SECONDS_PER_BYTE * size, BYTES + BYTES_PER_BYTE * size
    searched = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
    command = [sys.executable, "-c", START, searched, str(path), str(folder), str(most)]
    errors = folder / "errors"
    try:
        with errors.open("wb") as stream:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                # Every thread of a library that starts some takes memory.
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                timeout=seconds,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"meshio has not read the {size} bytes of {path} after {seconds:.0f} seconds; look "
            f"whether it is a {path.suffix} file, and whole; {READ_IT_YOURSELF}"
        ) from None
    except OSError as error:
        raise ValueError(
            f"{path} is read in a process of its own, and none can be started "
            f"({error.strerror or error}); {READ_IT_YOURSELF}"
        ) from error
    refusal = folder / "refusal"
    if refusal.exists():
        raise ValueError(refusal.read_text(encoding="utf-8"))
    said = errors.read_text(encoding="utf-8", errors="replace")
    if ended != 0:
        last = said.strip().rpartition("\n")[2][:300] or f"it ended with {ended}"
        raise ValueError(
            f"meshio's reader broke down over {path} ({last}); look whether it is a {path.suffix} "
            f"file, and whole; {READ_IT_YOURSELF}"
        )
    print(said, end="", file=sys.stderr)  # what meshio warns of
    sides, positions = (np.load(folder / f"{name}.npy") for name in ("sides", "positions"))
    surface = folder / "triangles.npy"
    triangles = np.load(surface) if surface.exists() else None
    return Mesh(sides, len(positions), "cells", positions, triangles)


def _size(path: Path) -> int:
    """Bytes of the file and of those beside it that share its name: some formats take several."""
    name = path.name.split(".")[0]
    return sum(other.stat().st_size for other in path.parent.glob(f"{escape(name)}.*"))
