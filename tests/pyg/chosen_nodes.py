"""A method that chooses nodes and interpolates, for graphs that are paths."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from multiscale_gcn import ClusteringMethod, Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods import Step


class EverySecond(ClusteringMethod):
    """Nodes 0, 2, 4, ...; the others are the means of those on both sides."""

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        return np.arange(graph.num_nodes) // 2

    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step:
        n = graph.num_nodes
        chosen = np.arange(0, n, 2)
        matrix = np.zeros((n, len(chosen)))
        matrix[chosen, np.arange(len(chosen))] = 1.0
        for odd in range(1, n, 2):
            sides = [odd // 2, odd // 2 + 1] if odd + 1 < n else [odd // 2]
            matrix[odd, sides] = 1.0 / len(sides)
        return Step(np.arange(n) // 2, sampled=chosen, interpolation=sp.csr_array(matrix))
