"""How many edges apart the nodes of a graph are."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.graph import Graph


def hop_distances(graph: Graph) -> np.ndarray:  # [N, N] int64
    """Edges on the shortest path between any two nodes; one more than the most where none is.

    Examples
    --------
    >>> from multiscale_gcn import Graph
    >>> hop_distances(Graph([0, 1, 2, 2], [1, 0])).tolist()
    [[0, 1, 2], [1, 0, 2], [2, 2, 0]]
    """
    from scipy.sparse.csgraph import shortest_path

    pattern = graph.to_scipy() != 0
    steps = shortest_path(pattern.astype(float), directed=False, unweighted=True)
    reached = np.isfinite(steps)
    farthest = steps[reached].max(initial=0.0)
    hops: np.ndarray = np.where(reached, steps, farthest + 1).astype(np.int64)
    return hops
