"""The normalised adjacency matrix that convolutions multiply with."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.pattern_buffers import with_loops


def normalised_adjacency(graph: Graph, weighted: bool = False) -> np.ndarray:
    """Entries of D^-1/2 (A + I) D^-1/2 on the pattern, float64."""
    import scipy.sparse as sp

    matrix = with_loops(graph).astype(np.float64)
    matrix.data[:] = 1.0
    if weighted:
        matrix = graph.to_scipy() + sp.eye_array(graph.num_nodes, format="csr")
        matrix.sort_indices()
    scale = matrix.sum(axis=1) ** -0.5
    lengths = np.diff(matrix.indptr)
    entries: np.ndarray = matrix.data * np.repeat(scale, lengths) * scale[matrix.indices]
    return entries


def dense_normalised_adjacency(graph: Graph) -> np.ndarray:  # [N, N], float64
    """D^-1/2 (A + I) D^-1/2."""
    matrix = with_loops(graph).astype(np.float64)
    matrix.data = normalised_adjacency(graph)
    dense: np.ndarray = matrix.toarray()
    return dense
