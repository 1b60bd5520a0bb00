"""Prolongation by smoothed aggregation: Vanek, Mandel and Brezina, "Algebraic multigrid by smoothed
aggregation for second and fourth order elliptic problems", Computing 56, 1996."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from multiscale_gcn.graph import Graph

if TYPE_CHECKING:
    import scipy.sparse as sp

DENSE_NODES = 64
"""Up to this many nodes all eigenvalues are computed, beyond it the largest one to a thousandth."""


def smooth(
    prolongation: sp.csr_array,  # [n, n_coarse]
    graph: Graph,
    damping: float | None,
) -> sp.csr_array:  # [n, n_coarse]
    """(I - damping D^-1 L) P, with the Laplacian L = D - W of the finer graph."""
    import scipy.sparse as sp

    degrees, weights = _without_loops(graph)
    inverse = np.divide(1.0, degrees, out=np.zeros_like(degrees), where=degrees > 0)
    connected = (degrees > 0).astype(np.float64)
    step = sp.diags_array(connected) - sp.diags_array(inverse) @ weights  # D^-1 L
    if damping is None:
        if not connected.any():
            return prolongation
        damping = 4.0 / 3.0 / largest_eigenvalue(scaled_laplacian(graph))
    result = sp.csr_array(prolongation - damping * (step @ prolongation))
    result.sort_indices()
    return result


def scaled_laplacian(graph: Graph) -> sp.csr_array:  # [n, n]
    """D^-1/2 L D^-1/2, whose eigenvalues are those of D^-1 L."""
    import scipy.sparse as sp

    degrees, weights = _without_loops(graph)
    root = np.sqrt(np.divide(1.0, degrees, out=np.zeros_like(degrees), where=degrees > 0))
    scale = sp.diags_array(root)
    return sp.diags_array((degrees > 0).astype(np.float64)) - scale @ weights @ scale


def largest_eigenvalue(matrix: sp.csr_array) -> float:
    """Of a symmetric matrix."""
    from scipy.sparse.linalg import eigsh

    n = matrix.shape[0]
    if n <= DENSE_NODES:
        return float(np.linalg.eigvalsh(matrix.toarray())[-1])
    start = np.random.default_rng(0).standard_normal(n)
    return float(eigsh(matrix, k=1, which="LA", v0=start, tol=1e-3, return_eigenvectors=False)[0])


def _without_loops(graph: Graph) -> tuple[np.ndarray, sp.csr_array]:
    """Weighted degrees and weights of the edges between different nodes."""
    weights = graph.to_scipy()
    weights.setdiag(0)
    weights.eliminate_zeros()
    return weights.sum(axis=1), weights
