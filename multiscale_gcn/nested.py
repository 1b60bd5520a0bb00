"""All levels of a hierarchy as one graph on its finest nodes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import instance, whole_numbers
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy, Level
from multiscale_gcn.matching.positions import NodePositions

MOST = 1000
"""Levels that may be named."""


def multi_mesh(
    hierarchy: Hierarchy,
    *,
    levels: Iterable[int] | None = None,
    positions: ArrayLike | None = None,
) -> tuple[Graph, np.ndarray]:
    """The union of the edges of several levels, between nodes of the finest.

    One network layer on it passes messages over all distances at once: the multi-mesh of GraphCast
    (Lam et al., "Learning skillful medium-range global weather forecasting", Science 382, 2023),
    for any hierarchy. Each coarse node is represented by a fine one, and its edges join those that
    represent its neighbours. The nodes that represent a level are among those that represent the
    finer ones.

    Parameters
    ----------
    hierarchy : Hierarchy
    levels : iterable of int, optional
        Indices of the levels whose edges are taken; all by default.
    positions : array of float, shape (n, d), optional
        Of the finest nodes. Where a level was made by choosing nodes, a coarse node is represented
        by the one that it is. Else by one of its children: with positions by the one nearest to the
        mean of all its finest nodes, without by the heaviest, of several by the first.

    Returns
    -------
    graph : Graph
        On the finest nodes, with their weights. An edge weighs what it does in the finest level
        that has it. Self loops are those of the finest level, if that is taken.
    edge_levels : array of int64, shape (nnz,)
        The finest level that has it, for every stored entry of the graph: a column of
        ``graph.edge_index()``.

    Raises
    ------
    ValueError
        For levels that there are not, and positions that are not those of the finest nodes.
    TypeError
        If ``hierarchy`` is none.

    See Also
    --------
    coarsen : all levels at once
    multiscale_gcn.nn.MeshGraphBlock : with features of edges

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen, multi_mesh
    >>> hierarchy = coarsen(nx.path_graph(8), levels=2)
    >>> graph, edge_levels = multi_mesh(hierarchy, positions=[[float(x)] for x in range(8)])
    >>> u, v = graph.edge_index()
    >>> [(a, b, k) for a, b, k in zip(u.tolist(), v.tolist(), edge_levels.tolist()) if k and a < b]
    [(0, 2, 1), (2, 4, 1), (2, 6, 2), (4, 6, 1)]
    """
    instance(hierarchy, "hierarchy", Hierarchy, "coarsen(graph, ...) makes one")
    taken = _taken(levels, len(hierarchy))
    n = hierarchy[0].num_nodes
    places = None
    if positions is not None:
        nodes = NodePositions.of(positions)
        nodes.check_length(n)
        places = nodes.array
        if places.shape[1] == 0:
            raise ValueError("positions has no coordinates; give at least one for each node")
    keys, weights, of_level = [], [], []
    for level, nodes_of_level in zip(hierarchy, _representatives(hierarchy, places), strict=True):
        if level.index not in taken:
            continue
        u, v = level.graph.edge_index()
        kept = (u != v) | (level.index == 0)
        keys.append(nodes_of_level[u[kept]] * n + nodes_of_level[v[kept]])
        weights.append(level.graph.weights[kept])
        of_level.append(np.full(len(keys[-1]), level.index))
    entries, first = np.unique(np.concatenate(keys), return_index=True)  # the first is the finest
    indptr = np.searchsorted(entries, np.arange(n + 1) * n)
    graph = Graph(
        indptr,
        entries % max(n, 1),
        np.concatenate(weights)[first],
        hierarchy[0].graph.node_weights,
    )
    return graph, np.concatenate(of_level)[first]


def _taken(levels: Iterable[int] | None, number: int) -> set[int]:
    if levels is None:
        return set(range(number))
    named = whole_numbers(levels, "levels", most=MOST)
    if not named:
        raise ValueError("levels is empty; name at least one, or leave it out for all")
    for index in sorted(named):
        if not -number <= index < number:
            raise ValueError(f"levels has {index}, and there are {number} levels, from 0")
    return {index % number for index in named}


def _representatives(hierarchy: Hierarchy, places: np.ndarray | None) -> list[np.ndarray]:
    """For every level the finest node that stands for each of its nodes."""
    found = [np.arange(hierarchy[0].num_nodes)]
    for fine, coarse in zip(hierarchy.levels, hierarchy.levels[1:], strict=False):
        if fine.sampled is not None:
            chosen = fine.sampled
        elif places is None:
            chosen = _first_of_each(fine, -fine.graph.node_weights)
        else:
            means = _means(places, hierarchy.parent(0, coarse.index), coarse.num_nodes)
            assert fine.parent is not None
            apart = places[found[-1]] - means[fine.parent]
            chosen = _first_of_each(fine, (apart**2).sum(axis=1))
        found.append(found[-1][chosen])
    return found


def _first_of_each(
    level: Level,
    values: np.ndarray,  # [n]
) -> np.ndarray:  # [n_coarse]
    """The child of the smallest value of every coarse node, of several the first."""
    assert level.parent is not None
    order = np.lexsort((values, level.parent))
    return order[np.diff(level.parent[order], prepend=-1) > 0]


def _means(
    places: np.ndarray,  # [n, d]
    parent: np.ndarray,  # [n]
    num_coarse: int,
) -> np.ndarray:  # [n_coarse, d]
    sums = np.stack([np.bincount(parent, axis, num_coarse) for axis in places.T], axis=1)
    means: np.ndarray = sums / np.bincount(parent, minlength=num_coarse)[:, None]
    return means
