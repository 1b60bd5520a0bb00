"""Vertices that have no image join a neighbour that has one."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.graph import Graph


def joined(
    graph: Graph,
    alone: np.ndarray,  # [n] bool
) -> np.ndarray:  # [n] int64
    """Node of every vertex, if those that are alone become one with others.

    In rounds: a vertex that has a neighbour which is not alone, or no longer, joins that of the
    heaviest edge, of several the one with the smallest id. Nodes are numbered as the vertices that
    stay.

    Raises
    ------
    ValueError
        If no path leads from a vertex to one that is not alone, naming the first.
    """
    rows, columns = graph.rows(), graph.indices
    leader = np.where(alone, -1, np.arange(graph.num_nodes))
    while (leader < 0).any():
        at = np.flatnonzero((leader[rows] < 0) & (leader[columns] >= 0))
        if len(at) == 0:
            u = int(np.argmax(leader < 0))
            raise ValueError(
                f"no vertex that is connected with {u} has an image, so there is none that {u} "
                "could join; take a larger tolerance, or leave that part of the mesh out"
            )
        at = at[np.lexsort((columns[at], -graph.weights[at], rows[at]))]
        at = at[np.diff(rows[at], prepend=-1) > 0]
        leader[rows[at]] = leader[columns[at]]
    number: np.ndarray = np.cumsum(~alone) - 1
    return number[leader]
