"""Entries of both directions, made to agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.convert.options import Symmetrize

if TYPE_CHECKING:
    import scipy.sparse as sp


def symmetrized(matrix: sp.csr_array, how: Symmetrize) -> sp.csr_array:
    """The matrix A made symmetric; the formulas hold on the diagonal too."""
    if how == "mirror":
        return mirrored(matrix)
    transposed = matrix.T.tocsr()
    if how == "max":
        result = matrix.maximum(transposed)
    else:
        with np.errstate(over="ignore"):
            result = matrix + transposed
        if how == "mean":
            result = result / 2
    return _canonical(result)


def mirrored(matrix: sp.csr_array) -> sp.csr_array:
    """What stands in one direction only stands in both; all else stays."""
    transposed = matrix.T.tocsr()
    pattern = matrix.copy()
    pattern.data = np.ones_like(pattern.data)
    return _canonical(matrix + (transposed - transposed.multiply(pattern)))


def check_symmetric(
    matrix: sp.csr_array, how: Symmetrize | None, names: Sequence[Any] | None
) -> None:
    transposed = matrix.T.tocsr()
    same = np.array_equal(transposed.indptr, matrix.indptr)
    same = same and np.array_equal(transposed.indices, matrix.indices)
    if same and np.array_equal(transposed.data, matrix.data):
        return
    rows, columns = (matrix - transposed).nonzero()
    first = np.lexsort((columns, rows))[0]
    u, v = int(rows[first]), int(columns[first])
    there, back = (
        f"({u}, {v})" if names is None else f"({names[u]!r}, {names[v]!r})"
        for u, v in ((u, v), (v, u))
    )
    differ = f"the weights of {there} and {back} differ"
    values = f"{matrix[u, v]} and {matrix[v, u]}"
    if how == "mirror":
        raise ValueError(
            f"{differ}, {values}, and no direction is the right one; symmetrize='max', 'mean' or "
            "'sum' makes one weight of the two"
        )
    what = "the graph is not symmetric" if names is None else "the graph is directed"
    raise ValueError(
        f"{what}: {differ}, {values}; symmetrize=True mirrors entries that "
        "stand in one direction only, symmetrize='max', 'mean' or 'sum' makes one weight of two"
    )


def _canonical(matrix: Any) -> sp.csr_array:
    matrix = matrix.tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix
