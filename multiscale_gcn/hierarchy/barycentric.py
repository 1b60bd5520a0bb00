"""Prolongation by barycentric weights: of all that reproduce a node's position the ones that change
least, as in Levin, "The approximation power of moving least-squares", Mathematics of Computation
67(224), 1998, with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from multiscale_gcn.graph import Graph

if TYPE_CHECKING:
    import scipy.sparse as sp

LARGEST_SUM = 3.0
"""Of the magnitudes of a node's weights: errors of the coarse values grow by no more."""
FLAT = 1e-4
"""Nodes that leave their line or plane by less than so much of their extent count as lying in it:
what is less may be the rounding of float32."""


def barycentric(
    parent: np.ndarray,  # [n]
    coarse: Graph,
    positions: np.ndarray,  # [n, d], of the fine nodes
    coarse_positions: np.ndarray,  # [n_coarse, d]
) -> sp.csr_array:  # [n, n_coarse]
    """Weights of the coarse node of each node, and of the neighbours of that.

    They are 1 and 0 plus the smallest change, in the sum of squares, that keeps their sum and moves
    the mean position to the node. Where that takes magnitudes of more than ``LARGEST_SUM``, the
    direction in which the coarse nodes extend least is left as it is, then the next.
    """
    import scipy.sparse as sp

    star, member = _stars(coarse)
    centre = np.repeat(np.arange(coarse.num_nodes), np.diff(star.indptr))
    offset = coarse_positions[member] - coarse_positions[centre]
    offset -= ((star @ offset) / np.diff(star.indptr)[:, None])[centre]
    squares, axes = np.linalg.eigh(_products(star, offset))  # increasing
    along_axes = np.einsum("ed,edk->ek", offset, axes[centre])

    entries = star[parent]
    row = np.repeat(np.arange(len(parent)), np.diff(entries.indptr))
    column = member[entries.indices]
    away = np.einsum("nd,ndk->nk", positions - coarse_positions[parent], axes[parent])
    extends = squares > FLAT**2 * squares[:, -1:]
    slope = away * np.divide(1.0, squares, out=np.zeros_like(squares), where=extends)[parent]
    unmoved = (column == parent[row]).astype(np.float64)
    for axis in range(slope.shape[1] + 1):
        weights = unmoved + np.einsum("ek,ek->e", along_axes[entries.indices], slope[row])
        large = np.bincount(row, np.abs(weights), minlength=len(parent)) > LARGEST_SUM
        if not large.any():
            break
        slope[large, axis] = 0
    shape = (len(parent), coarse.num_nodes)
    result = sp.csr_array((weights, column, entries.indptr), shape=shape)
    result.eliminate_zeros()
    return result


def _stars(graph: Graph) -> tuple[sp.csr_array, np.ndarray]:
    """The nodes with their neighbours: a matrix that adds up what each star has, [n, entries], and
    the node of every entry, increasing in each star."""
    import scipy.sparse as sp

    n = graph.num_nodes
    apart = graph.rows() != graph.indices
    centre = np.concatenate([graph.rows()[apart], np.arange(n)])
    member = np.concatenate([graph.indices[apart], np.arange(n)])
    order = np.lexsort((member, centre))
    ends = np.cumsum(np.bincount(centre, minlength=n))
    adds = np.ones(len(order)), np.arange(len(order)), np.concatenate([[0], ends])
    return sp.csr_array(adds, shape=(n, len(order))), member[order]


def _products(star: sp.csr_array, offset: np.ndarray) -> np.ndarray:
    """Of each star the sums of products of every two coordinates, [n_coarse, d, d]."""
    d = offset.shape[1]
    products = np.empty((star.shape[0], d, d))
    for k in range(d):
        products[:, k] = star @ (offset * offset[:, k : k + 1])
    return products
