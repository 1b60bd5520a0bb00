"""A graph cut in connected, balanced parts with few edges between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.graph import Graph

PASSES = 8
"""Of moves from part to part; hardly any is left after so many."""
SLACK = 1.05
"""A part may grow by moves to so many times the mean."""


def cut(
    graph: Graph,
    sizes: np.ndarray,  # [n] float64: how much each node counts
    count: int,
) -> np.ndarray:  # [n] int64
    """The part of every node; no part is empty if there are as many nodes.

    Sets are halved again and again, each along the order in which a breadth-first search from its
    rim meets the nodes; then nodes move to the part that they have most edges to. Sums of weights
    are exact, and equal gains fall to the lower number: the parts are the same everywhere.
    """
    label = np.zeros(graph.num_nodes, np.int64)
    pending = [(0, count)]
    order = np.empty(graph.num_nodes, np.int64)
    seen = np.zeros(graph.num_nodes, np.int64)
    stamp = 0
    while pending:
        part, shares = pending.pop()
        if shares == 1:
            continue
        nodes = np.flatnonzero(label == part)
        stamp = compiled(_arrange)(graph.indptr, graph.indices, label, nodes, seen, stamp, order)
        first = shares // 2
        arranged = order[: len(nodes)]
        left = _split(sizes[arranged], first, shares)
        label[arranged[left:]] = part + first
        pending += [(part, first), (part + first, shares - first)]
    if count > 1:
        mean = sizes.sum() / count
        arrays = (graph.indptr, graph.indices, graph.weights, sizes, label, count, mean * SLACK)
        for _ in range(PASSES):
            if not compiled(_move)(*arrays):
                break
    return label


def _split(sizes: np.ndarray, first: int, shares: int) -> int:
    """How many of the nodes make the first of the shares: as near to its size as can be."""
    reached = np.concatenate([[0.0], np.cumsum(sizes)])
    nearest = int(np.abs(reached - reached[-1] * first / shares).argmin())
    return min(max(nearest, first), len(sizes) - (shares - first))


def _arrange(
    indptr: Any, indices: Any, label: Any, nodes: Any, seen: Any, stamp: int, order: Any
) -> int:
    """Nodes of one label, component by component, toward the rim that the first is farthest from.

    The order is that of a search from this rim, turned around, so that low numbers come first.
    """
    filled = 0
    final = stamp + len(nodes) + 1
    for root in nodes:
        if seen[root] == final:
            continue
        stamp += 1
        begin = filled
        far = root
        for mark in (stamp, final):
            filled = begin
            order[filled] = far
            filled += 1
            seen[far] = mark
            place = begin
            while place < filled:
                node = order[place]
                place += 1
                for entry in range(indptr[node], indptr[node + 1]):
                    other = indices[entry]
                    if seen[other] != mark and label[other] == label[root]:
                        seen[other] = mark
                        order[filled] = other
                        filled += 1
            far = order[filled - 1]
        order[begin:filled] = order[begin:filled][::-1].copy()
    return final


def _move(
    indptr: Any,
    indices: Any,
    weights: Any,
    sizes: Any,
    label: Any,
    count: int,
    most: float,
) -> int:
    """Move each node to the part that it is bound to most, if there is room; how many moved."""
    filled = np.zeros(count)
    members = np.zeros(count, np.int64)
    for node in range(len(label)):
        filled[label[node]] += sizes[node]
        members[label[node]] += 1
    bound = np.zeros(count)
    moved = 0
    for node in range(len(label)):
        own = label[node]
        for entry in range(indptr[node], indptr[node + 1]):
            if indices[entry] != node:
                bound[label[indices[entry]]] += weights[entry]
        best = own
        for entry in range(indptr[node], indptr[node + 1]):
            part = label[indices[entry]]
            fits = filled[part] + sizes[node] <= most
            more = bound[part] > bound[best]
            if fits and (more or (bound[part] == bound[best] and part < best != own)):
                best = part
        for entry in range(indptr[node], indptr[node + 1]):
            bound[label[indices[entry]]] = 0.0
        bound[own] = 0.0
        if best != own and members[own] > 1:
            label[node] = best
            filled[own] -= sizes[node]
            filled[best] += sizes[node]
            members[own] -= 1
            members[best] += 1
            moved += 1
    return moved
