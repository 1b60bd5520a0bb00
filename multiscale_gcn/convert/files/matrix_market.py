"""Matrix Market files, through scipy."""

from __future__ import annotations

from pathlib import Path

from multiscale_gcn.convert.arrays import from_dense, square
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.sparse import from_matrix
from multiscale_gcn.convert.values import as_array, refuse_gaps


def read(path: Path, options: Options) -> Entries:
    import scipy.io

    size = path.stat().st_size
    try:
        rows, columns, entries, form, field, _ = scipy.io.mminfo(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    square((rows, columns))
    if field == "complex":
        raise ValueError(f"the entries of {path} are complex; weights must be real numbers")
    if entries > size:  # before scipy makes room for so many
        raise ValueError(
            f"{path} has {size} bytes, and {entries} entries by its header; it is cut, or its "
            "counts are wrong"
        )
    if form == "coordinate":
        refuse_gaps(rows, 2 * entries)
    try:
        matrix = scipy.io.mmread(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    if form == "coordinate":
        return from_matrix(matrix, options)
    return from_dense(as_array(matrix))


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"scipy cannot read {path} as a Matrix Market file: {error}; look whether it is one, and "
        "whole"
    )
