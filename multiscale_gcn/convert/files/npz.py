"""Sparse matrices as ``scipy.sparse.save_npz`` writes them; nothing is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

from multiscale_gcn.checks.archives import names_in, opened
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.sparse import from_matrix

OF_EVERY_MATRIX = {"format", "shape", "data"}


def read(path: Path, options: Options) -> Entries:
    import scipy.sparse as sp

    try:
        held, pickled = _look(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    if pickled:
        raise ValueError(
            f"{pickled[0]} in {path} holds pickled objects, which are not read; save the matrix "
            "with scipy.sparse.save_npz"
        )
    if not set(held) >= OF_EVERY_MATRIX:
        raise ValueError(
            f"{path} holds {', '.join(sorted(held)[:8]) or 'nothing'}, and no matrix of "
            "scipy.sparse.save_npz; of arrays pass one, and a hierarchy is read by Hierarchy.load"
        )
    try:
        matrix = sp.load_npz(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    return from_matrix(matrix, options)


def _look(path: Path) -> tuple[list[str], list[str]]:
    """The arrays of the archive, and the pickled ones among them; none is larger than it says."""
    pickled = []
    with zipfile.ZipFile(path) as archive:
        names = names_in(archive)
        for name in names:
            with opened(archive, name) as entry:
                if entry.header.dtype.hasobject:
                    pickled.append(name)
    return names, pickled


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is no archive of scipy.sparse.save_npz, or damaged ({type(error).__name__}); save "
        "the matrix again"
    )
