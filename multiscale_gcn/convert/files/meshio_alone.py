"""What reads one file with meshio and ends: the other side of ``meshio_files``."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.convert.meshes import from_cells
from multiscale_gcn.convert.options import Options

try:
    import resource
except ImportError:  # where no process can be held to so much memory
    resource = None  # type: ignore[assignment]

LONGEST = 500
"""Characters that are told of what meshio says."""


def answer(path: str, folder: str, most: str) -> None:
    """Write what the mesh says into the folder, or why there is none."""
    _bound_memory(int(most))
    try:
        mesh = from_cells(_mesh(Path(path)), Options.of(None, None, None, None, False, None))
        arrays = {"sides": mesh.sides, "positions": mesh.positions, "triangles": mesh.triangles}
        for name, array in arrays.items():
            if array is not None:
                np.save(Path(folder, f"{name}.npy"), array, allow_pickle=False)
    except (TypeError, ValueError) as error:
        Path(folder, "refusal").write_text(str(error), encoding="utf-8")


def _bound_memory(most: int) -> None:
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        with suppress(OSError, ValueError):  # of systems that know the limit and do not set it
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _mesh(path: Path) -> Any:
    meshio = import_module("meshio")
    said = StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            mesh = meshio.read(path)
    except SystemExit:  # that is how meshio ends when a reader of the right suffix fails
        reason = said.getvalue()
    except MemoryError:
        reason = "it asks for more memory than files of its size need"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    else:
        sys.stderr.write(said.getvalue())
        return mesh
    raise ValueError(
        f"meshio cannot read {path} ({' '.join(reason.split())[:LONGEST]}); look whether it is a "
        f"{path.suffix} file, and whole"
    )
