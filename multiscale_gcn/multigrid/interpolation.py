"""Interpolation from the clusters of a level to its nodes, smoothed by a matrix.

Smoothed aggregation (Vanek, Mandel and Brezina, Computing 56, 1996) with two steps of relaxation,
damped as the polynomial of Brezina, Vanek and Vassilevski, "An improved convergence analysis of
smoothed aggregation algebraic multigrid", Numerical Linear Algebra with Applications 19, 2012,
which suits clusters of two or three matchings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from multiscale_gcn.hierarchy.smoothing import largest_eigenvalue

if TYPE_CHECKING:
    import scipy.sparse as sp

WEAK = 0.05
"""Entries below this share of sqrt(a_ii a_jj) do not smooth."""
SMALL = 0.2
"""Entries of the interpolation below this share of the largest of their row are lumped into it."""
STEPS = 2
"""Relaxations: a node takes from clusters that are up to so many edges away."""


def tentative(
    clusters: sp.csr_array,  # [n, n_coarse], one 1 in every row
    candidate: np.ndarray,  # [n], no zeros
) -> tuple[sp.csr_array, np.ndarray]:  # [n, n_coarse], [n_coarse]
    """Columns of length 1 that hold the candidate, each over one cluster, and their factors."""
    import scipy.sparse as sp

    length = np.sqrt(clusters.T @ candidate**2)
    columns = sp.diags_array(candidate) @ clusters @ sp.diags_array(1.0 / length)
    return sp.csr_array(columns), length


def interpolation(
    matrix: sp.csr_array,  # [n, n]
    columns: sp.csr_array,  # [n, n_coarse]
    candidate: np.ndarray,  # [n]
    factors: np.ndarray,  # [n_coarse]
) -> sp.csr_array:  # [n, n_coarse]
    """The columns, smoothed. What the matrix maps to 0 of the candidate stays interpolated."""
    import scipy.sparse as sp

    filtered = without_weak_entries(matrix, candidate)
    diagonal = filtered.diagonal()
    diagonal = np.where(diagonal > 0.1 * matrix.diagonal(), diagonal, matrix.diagonal())
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    root = sp.diags_array(np.sqrt(inverse))
    largest = largest_eigenvalue(sp.csr_array(root @ filtered @ root))
    if largest <= 0:
        return columns
    relaxation = sp.diags_array(inverse) @ filtered
    smoothed = columns
    for k in range(1, STEPS + 1):
        damping = 2.0 / (largest * (1.0 - np.cos(2.0 * np.pi * k / (2 * STEPS + 1))))
        smoothed = sp.csr_array(smoothed - damping * (relaxation @ smoothed))
    return without_small_entries(smoothed, factors)


def without_weak_entries(matrix: sp.csr_array, candidate: np.ndarray) -> sp.csr_array:
    """What is left out goes to the diagonal, so that the product with the candidate stays."""
    import scipy.sparse as sp

    entries = matrix.tocoo()
    root = np.sqrt(np.maximum(matrix.diagonal(), 0.0))
    weak = np.abs(entries.data) < WEAK * root[entries.row] * root[entries.col]
    weak &= entries.row != entries.col
    places = (entries.row[weak], entries.col[weak])
    left_out = sp.csr_array((entries.data[weak], places), shape=matrix.shape)
    lumped = sp.diags_array(left_out @ candidate / candidate)
    filtered = sp.csr_array(matrix - left_out + lumped)
    filtered.eliminate_zeros()
    return filtered


def without_small_entries(
    smoothed: sp.csr_array,  # [n, n_coarse]
    factors: np.ndarray,  # [n_coarse]
) -> sp.csr_array:  # [n, n_coarse]
    """What is left out goes to the largest entry of its row, so that the product stays."""
    import scipy.sparse as sp

    entries = smoothed.tocoo()
    share = np.abs(entries.data * factors[entries.col])
    order = np.lexsort((entries.col, -share, entries.row))
    row, col, data, share = (a[order] for a in (entries.row, entries.col, entries.data, share))
    first = np.flatnonzero(np.diff(row, prepend=-1))
    largest = np.zeros(smoothed.shape[0])
    largest[row[first]] = share[first]
    small = share < SMALL * largest[row]
    lost = np.bincount(row[small], (data * factors[col])[small], minlength=smoothed.shape[0])
    data[first] += lost[row[first]] / factors[col[first]]
    kept = sp.csr_array((data[~small], (row[~small], col[~small])), shape=smoothed.shape)
    kept.eliminate_zeros()
    return kept
