"""Places for nodes of which none are known: how far they are from some of them, along edges."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.spectrum import components

LANDMARKS = 16
UNIT = 2.0**10
"""Length of the heaviest edge; of the others as many times that as they are lighter."""
LONGEST = 2.0**30
"""Of an edge: sums along a path stay whole."""


def distances_to_landmarks(graph: Graph) -> np.ndarray:
    """Distances along the graph to nodes far from each other, shape (n, 16), whole numbers.

    An edge is as long as one over its weight. Each component has landmarks of its own: the first is
    farthest from its first node, each of the others farthest from those before it, of several the
    first.

    Source: Harel and Koren, "Graph drawing by high-dimensional embedding", Journal of Graph
    Algorithms and Applications 8(2), 2004.
    """
    import scipy.sparse as sp
    from scipy.sparse.csgraph import dijkstra

    n = graph.num_nodes
    if n == 0:
        return np.zeros((0, LANDMARKS))
    lengths = np.rint(np.minimum(UNIT * (graph.weights.max(initial=1.0) / graph.weights), LONGEST))
    matrix = sp.csr_array((lengths, graph.indices, graph.indptr), shape=(n, n))
    component = components(matrix)
    first = np.unique(component, return_index=True)[1]
    # From one node of every component at once, as none reaches another.
    nearest = dijkstra(matrix, indices=first, min_only=True)
    columns: list[np.ndarray] = []
    for number in range(LANDMARKS):
        order = np.lexsort((-nearest, component))
        landmarks = order[np.unique(component[order], return_index=True)[1]]
        columns.append(dijkstra(matrix, indices=landmarks, min_only=True))
        nearest = np.minimum(nearest, columns[-1]) if number else columns[-1]
    return np.stack(columns, axis=1)
