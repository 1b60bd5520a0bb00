"""P^T A P in plain Python: one dictionary for each coarse row."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from multiscale_gcn.graph import Graph


def aggregate(graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
    rows: list[dict[int, float]] = [defaultdict(float) for _ in range(num_coarse)]
    coarse = parent.tolist()
    entries = zip(
        graph.rows().tolist(), graph.indices.tolist(), graph.weights.tolist(), strict=True
    )
    for u, v, weight in entries:
        rows[coarse[u]][coarse[v]] += weight
    columns = [column for row in rows for column in sorted(row)]
    weights = [row[column] for row in rows for column in sorted(row)]
    return Graph._of_valid(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array(columns, dtype=graph.indices.dtype),
        np.array(weights, dtype=np.float64),
        np.bincount(parent, weights=graph.node_weights, minlength=num_coarse),
        graph.quantum,
    )
