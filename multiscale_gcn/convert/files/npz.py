"""Sparse matrices as ``scipy.sparse.save_npz`` writes them; nothing is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.sparse import from_matrix

MOST_INFLATED = 1100  # what deflate reaches at best, and a little more


def read(path: Path, options: Options) -> Entries:
    import scipy.sparse as sp

    names = _checked_names(path)
    if not {"format.npy", "shape.npy", "data.npy"} <= names:
        held = ", ".join(sorted(name.removesuffix(".npy") for name in names)[:8]) or "nothing"
        raise ValueError(
            f"{path} holds {held}, and no matrix of scipy.sparse.save_npz; of arrays pass one, and "
            "a hierarchy is read by Hierarchy.load"
        )
    try:
        matrix = sp.load_npz(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    return from_matrix(matrix, options)


def _checked_names(path: Path) -> set[str]:
    """Members of the archive, none of which asks for more than it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as stream:
                    _check_size(stream, member, path)
            return set(archive.namelist())
    except ValueError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _check_size(stream: IO[bytes], member: zipfile.ZipInfo, path: Path) -> None:
    version = np.lib.format.read_magic(stream)
    reader = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = reader(stream)
    if dtype.hasobject:
        raise ValueError(
            f"{member.filename} in {path} holds pickled objects, which are not read; save the "
            "matrix with scipy.sparse.save_npz"
        )
    asked = int(np.prod(shape, dtype=object)) * dtype.itemsize
    held = min(member.file_size, MOST_INFLATED * member.compress_size)
    if min(shape, default=0) < 0 or asked > held:
        raise ValueError(
            f"{member.filename} in {path} has shape {shape}, for which it is too short; it is cut, "
            "or damaged"
        )


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is no archive of scipy.sparse.save_npz, or damaged ({type(error).__name__}); save "
        "the matrix again"
    )
