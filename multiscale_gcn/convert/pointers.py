"""Pointers of compressed matrices, checked before compiled code follows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.values import asking


def check_pointers(matrix: Any) -> None:
    """Refuse pointers beyond the entries, which scipy's compiled code follows."""
    if getattr(matrix, "format", None) not in ("csr", "csc", "bsr"):
        return
    with asking(matrix):
        indptr, indices = np.asarray(matrix.indptr), np.asarray(matrix.indices)
        block = matrix.blocksize if matrix.format == "bsr" else (1, 1)
        rows, columns = matrix.shape[0] // block[0], matrix.shape[1] // block[1]
        held = min(len(indices), len(matrix.data))
    if matrix.format == "csc":
        rows, columns = columns, rows
    good = len(indptr) == rows + 1 and indptr[0] == 0 and indptr[-1] <= held
    if not good or (np.diff(indptr) < 0).any():
        raise ValueError(
            f"the indptr of the {matrix.format} matrix does not fit its {held} entries and shape "
            f"{tuple(matrix.shape)}; matrix.check_format() says where"
        )
    outside = np.flatnonzero((indices < 0) | (indices >= columns))
    if len(outside):
        raise ValueError(
            f"column {indices[outside[0]]} of the {matrix.format} matrix lies outside, at "
            f"indices[{outside[0]}]; matrix.check_format() says where"
        )
