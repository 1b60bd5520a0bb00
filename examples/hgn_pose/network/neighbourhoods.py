"""Joints that hear of each other though no bone joins them."""

from __future__ import annotations

from multiscale_gcn import Graph, as_graph


def within(graph: Graph, hops: int) -> Graph:
    """The graph in which all nodes up to so many edges apart are neighbours.

    Examples
    --------
    >>> from multiscale_gcn import Graph
    >>> within(Graph([0, 1, 3, 4], [1, 0, 2, 1]), 2).num_edges  # a path of three nodes
    3
    """
    dense = graph.to_scipy().toarray() != 0
    step = dense.astype(int)
    reached = step.copy()
    for _ in range(hops - 1):
        reached = ((reached + reached @ step) > 0).astype(int)
    for node in range(graph.num_nodes):
        reached[node, node] = 0
    return as_graph(reached.astype(float))
