"""Laplacians, their leading eigenvectors, and what of them a coarser graph keeps."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.compiled.hashing import uniform
from multiscale_gcn.graph.graph import Graph

if TYPE_CHECKING:
    import scipy.sparse as sp

DENSE = 600
"""Up to so many nodes all eigenvectors are computed."""
SPARE = 4
"""Vectors that are iterated along, for the others to converge faster."""
NEGLIGIBLE = 1e-13
"""An energy is taken for 0 if it is this share of the largest that such a vector could have."""


def laplacian(graph: Graph) -> sp.csr_array:
    """D - W, shape (n, n); self loops cancel."""
    import scipy.sparse as sp

    n = graph.num_nodes
    matrix = sp.csr_array((graph.weights, graph.indices, graph.indptr), shape=(n, n))
    off_diagonal = matrix - sp.diags_array(matrix.diagonal(), shape=(n, n))
    result = sp.diags_array(off_diagonal.sum(axis=1), shape=(n, n)) - off_diagonal
    return sp.csr_array(result)


def leading_eigenvectors(graph: Graph, k: int) -> np.ndarray:  # [n, min(k, n)]
    """Eigenvectors of the Laplacian for its smallest eigenvalues, in increasing order of them."""
    k = whole_number(k, "k", least=1)
    return smallest_eigenpairs(laplacian(graph), k)[1]


def smallest_eigenpairs(
    matrix: sp.csr_array,  # [n, n], positive semidefinite
    k: int,
    zeros: bool = True,
) -> tuple[np.ndarray, np.ndarray]:  # [min(k, n)], [n, min(k, n)]
    """The smallest eigenvalues, increasing, and their eigenvectors.

    Each component of the matrix is taken by itself: eigensolvers do not come back from as many
    equal eigenvalues as a graph of many components has.

    Parameters
    ----------
    matrix
        Of which each component has one eigenvalue 0.
    k : int
        So many, or as many as there are.
    zeros : bool
        Whether these zeros are among them.
    """
    parts = components(matrix)
    by_part = np.argsort(parts, kind="stable")
    bounds = np.searchsorted(parts[by_part], np.arange(int(parts.max(initial=-1)) + 2))
    if len(bounds) == 2 and zeros:
        return _of_one_component(matrix, k)
    ordered = matrix[by_part][:, by_part]
    pairs: list[tuple[float, int, np.ndarray]] = []
    for first, last in pairwise(bounds.tolist()):
        if zeros and len(pairs) >= k and pairs[-1][0] <= 0.0:
            break
        values, vectors = _of_one_component(ordered[first:last, first:last], k + (not zeros))
        if zeros:
            values[:1] = 0.0
        kept = range(0 if zeros else 1, len(values))
        pairs += [(float(values[at]), first, vectors[:, at]) for at in kept]
        pairs = sorted(pairs, key=lambda pair: pair[0])[:k]
    result = np.zeros((matrix.shape[0], len(pairs)))
    for column, (_, first, vector) in enumerate(pairs):
        result[by_part[first : first + len(vector)], column] = vector
    return np.array([value for value, _, _ in pairs]), result


def components(matrix: sp.csr_array) -> np.ndarray:
    """Number of the connected component of every row, from 0, shape (n,)."""
    from scipy.sparse.csgraph import connected_components

    numbers: np.ndarray = connected_components(matrix, directed=False)[1]
    return numbers


def _of_one_component(matrix: sp.csr_array, k: int) -> tuple[np.ndarray, np.ndarray]:
    n = matrix.shape[0]
    k = min(k, n)
    if n <= DENSE or k >= n - 1:
        values, vectors = np.linalg.eigh(matrix.toarray())
        return values[:k], vectors[:, :k]
    from scipy.sparse.linalg import eigsh

    if k + SPARE < n // 5 and _is_small_world(matrix):
        values, vectors = _iterated(matrix, k)
    else:
        shift = -1e-3 * float(matrix.diagonal().mean() or 1.0)
        start = uniform(0, 0, np.arange(n))
        values, vectors = eigsh(matrix.tocsc(), k=k, sigma=shift, which="LM", v0=start)
    order = np.argsort(values)
    return values[order], vectors[:, order]


def _iterated(matrix: sp.csr_array, k: int) -> tuple[np.ndarray, np.ndarray]:
    """By LOBPCG with the diagonal for a preconditioner, which hubs call for."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import lobpcg

    n = matrix.shape[0]
    diagonal = matrix.diagonal()
    inverse = np.divide(1.0, diagonal, out=np.ones(n), where=diagonal > 0)
    start = np.stack([uniform(0, column, np.arange(n)) for column in range(k + SPARE)], axis=1)
    start[:, 0] = 1.0
    with warnings.catch_warnings():  # the spare vectors need not converge
        warnings.simplefilter("ignore", UserWarning)
        values, vectors = lobpcg(
            matrix,
            start,
            M=sp.diags_array(inverse),
            largest=False,
            tol=1e-6 * float(diagonal.mean() or 1.0),
            maxiter=120,
        )
    smallest = np.argsort(values)[:k]
    return values[smallest], vectors[:, smallest]


def _is_small_world(matrix: sp.csr_array) -> bool:
    """Whether a tenth of the nodes are equally far from a hub: no small set separates such a
    graph, so that a factorisation of its matrix would fill up."""
    from scipy.sparse.csgraph import dijkstra

    hub = int(np.argmax(np.diff(matrix.indptr)))
    distance = dijkstra(abs(matrix), indices=hub, unweighted=True)
    layers = np.bincount(distance[np.isfinite(distance)].astype(np.int64))
    return bool(layers.max() > len(distance) / 10)


def normalised(basis: np.ndarray, L: sp.csr_array) -> np.ndarray:
    """A = B (B^T L B)^(+1/2), whose columns have the energy A^T L A = 1 or 0, up to a rotation."""
    values, vectors = np.linalg.eigh(basis.T @ (L @ basis))
    largest = 2.0 * float(L.diagonal().max(initial=0.0)) * float((basis * basis).sum())
    kept = values > NEGLIGIBLE * largest
    result: np.ndarray = basis @ (vectors[:, kept] / np.sqrt(values[kept]))
    return result
