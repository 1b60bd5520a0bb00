"""Clusters divided into parts: seeds far from each other, and the nodes around each."""

from __future__ import annotations

from heapq import heapify, heapreplace

import numpy as np


def parts_by_weight(weights: np.ndarray, members: np.ndarray, num_parts: int) -> np.ndarray:
    """Into how many parts each cluster is divided, so that the parts weigh about the same.

    Each begins with one. Again and again the cluster whose parts are the heaviest gets one more, as
    long as it has members for it; of equal ones that with the smaller number.

    Parameters
    ----------
    weights, members : arrays of int64, shape (number of clusters,)
    num_parts : int
        In all, from the number of clusters to that of members.

    Returns
    -------
    array of int64, shape (number of clusters,)
    """
    parts = np.ones(len(weights), np.int64)
    heap = [(-float(w), c) for c, w in enumerate(weights) if members[c] > 1]
    heapify(heap)
    for _ in range(num_parts - len(weights)):
        c = heap[0][1]
        parts[c] += 1
        spent = parts[c] == members[c]
        heapreplace(heap, (np.inf if spent else -float(weights[c]) / float(parts[c]), c))
    return parts


def divide(
    indptr: np.ndarray,
    indices: np.ndarray,
    places: np.ndarray,
    cluster: np.ndarray,
    parts: np.ndarray,
) -> np.ndarray:
    """Divide connected clusters into connected parts, numbered cluster by cluster.

    The first seed of a cluster is the node that is farthest from its middle; each of the others the
    node that is farthest from those before it, of several the first. Then every node goes to the
    seed that is the fewest edges of its cluster away, of several to that whose front came first.

    Parameters
    ----------
    indptr, indices : arrays of int
        Of the graph.
    places : array of int64, shape (n, d)
    cluster : array of int64, shape (n,)
    parts : array of int64, shape (number of clusters,)
        No more than a cluster has members.

    Returns
    -------
    array of int64, shape (n,)

    Notes
    -----
    Source of the seeds: Gonzalez, "Clustering to minimize the maximum intercluster distance",
    Theoretical Computer Science 38, 1985.
    """
    n, dimension = places.shape
    count = len(parts)
    middle = np.zeros((count, dimension), np.int64)
    members = np.zeros(count, np.int64)
    for u in range(n):
        members[cluster[u]] += 1
        for axis in range(dimension):
            middle[cluster[u], axis] += places[u, axis]
    distance = np.empty(n, np.int64)
    for u in range(n):
        c = cluster[u]
        distance[u] = 0
        for axis in range(dimension):
            distance[u] += (places[u, axis] - middle[c, axis] // members[c]) ** 2
    first = np.cumsum(parts) - parts
    part = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    tail = 0
    seed = np.empty(count, np.int64)
    for number in range(parts.max()):
        seed[:] = -1
        for u in range(n):
            c = cluster[u]
            if part[u] < 0 and (seed[c] < 0 or distance[u] > distance[seed[c]]):
                seed[c] = u
        for c in range(count):
            if number < parts[c]:
                part[seed[c]] = first[c] + number
                queue[tail] = seed[c]
                tail += 1
        for u in range(n):
            c = cluster[u]
            if number < parts[c]:
                apart = 0
                for axis in range(dimension):
                    apart += (places[u, axis] - places[seed[c], axis]) ** 2
                if number == 0 or apart < distance[u]:
                    distance[u] = apart
    head = 0
    while head < tail:
        u = queue[head]
        head += 1
        for entry in range(indptr[u], indptr[u + 1]):
            v = indices[entry]
            if part[v] < 0 and cluster[v] == cluster[u]:
                part[v] = part[u]
                queue[tail] = v
                tail += 1
    return part
