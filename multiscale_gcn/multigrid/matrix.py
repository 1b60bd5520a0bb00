"""The matrix of a linear system, and the graph that multigrid coarsens for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.convert import as_graph
from multiscale_gcn.convert.pointers import check_pointers
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.exact import round_weights

if TYPE_CHECKING:
    import scipy.sparse as sp

ASYMMETRY = 1e-10
"""Share of the largest entry by which two entries that mirror each other may differ."""
NOISE = 1e-12
"""Entries a_ij below this share of sqrt(a_ii a_jj) are what rounding left, and no couplings."""


def couplings(matrix: Any) -> Graph:
    """The graph of a matrix for multigrid: an edge of weight -a_ij for every negative entry.

    After a few relaxations the error hardly differs between unknowns with a large negative entry,
    so these may share a value on the coarser level. Positive entries and the diagonal say nothing
    of that, and are left out; so are entries below 1e-12 sqrt(a_ii a_jj), which rounding leaves.

    Source: Ruge and Stueben, "Algebraic multigrid", in: Multigrid Methods, SIAM 1987.

    Parameters
    ----------
    matrix : sparse matrix or array of real numbers, shape (n, n)
        Symmetric, with a positive diagonal.

    Returns
    -------
    Graph
        Without self loops, and all its nodes weigh 1. Its weights are exact already, see
        :func:`~multiscale_gcn.round_weights`: what that changes is too weak to matter here.

    Raises
    ------
    ValueError
        If the matrix is not symmetric, not square, not finite, not real, or has an entry on the
        diagonal that is not positive, naming the first place.
    TypeError
        If it is no matrix.

    See Also
    --------
    to_pyamg : a multigrid solver of the levels
    StrongMatching : strong edges alone, for multigrid

    Examples
    --------
    >>> from multiscale_gcn import couplings
    >>> couplings([[2, -1, 0.5], [-1, 2, 0], [0.5, 0, 2]]).edge_index().tolist()
    [[0, 1], [1, 0]]
    """
    import scipy.sparse as sp

    system = system_matrix(matrix)
    root = np.sqrt(system.diagonal())
    entries = system.tocoo()
    row, col, weight = entries.row, entries.col, -entries.data
    coupled = (row != col) & (weight > NOISE * root[row] * root[col])
    one_way = (weight[coupled], (row[coupled], col[coupled]))
    negative = sp.csr_array(one_way, shape=system.shape)
    return round_weights(as_graph(negative.maximum(negative.T)))[0]


def system_matrix(matrix: Any) -> sp.csr_array:  # [n, n]
    """A copy as float64 with sorted indices, which is symmetric and has a positive diagonal.

    Raises
    ------
    ValueError
        Naming the first place that is wrong.
    TypeError
        If it is no matrix.
    """
    import scipy.sparse as sp

    if not sp.issparse(matrix):
        matrix = real_array(matrix, "matrix")
    check_pointers(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix has shape {tuple(matrix.shape)}, and must be square")
    if matrix.dtype.kind not in "buif":
        raise ValueError(f"matrix must hold real numbers, got dtype {matrix.dtype}")
    system = sp.csr_array(matrix, dtype=np.float64, copy=True)
    system.sum_duplicates()
    _check_entries(system)
    return system


def _check_entries(system: sp.csr_array) -> None:
    entries = system.tocoo()
    infinite = np.flatnonzero(~np.isfinite(entries.data))
    if len(infinite):
        at = infinite[0]
        raise ValueError(
            f"matrix[{entries.row[at]}, {entries.col[at]}] = {entries.data[at]} must be finite"
        )
    difference = abs(system - system.T).tocoo()
    largest = np.abs(entries.data).max(initial=0.0)
    differing = np.flatnonzero(difference.data > ASYMMETRY * largest)
    if len(differing):
        i, j = int(difference.row[differing[0]]), int(difference.col[differing[0]])
        raise ValueError(
            f"matrix[{i}, {j}] = {system[i, j]} and matrix[{j}, {i}] = {system[j, i]}: the matrix "
            "must be symmetric; (A + A.T) / 2 is"
        )
    diagonal = system.diagonal()
    wrong = np.flatnonzero(diagonal <= 0)
    if len(wrong):
        raise ValueError(
            f"matrix[{wrong[0]}, {wrong[0]}] = {diagonal[wrong[0]]} must be positive, as the "
            "diagonal of a positive definite matrix is"
        )
