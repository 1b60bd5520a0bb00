"""Nodes on the border of clusters move to the cluster where they cost least: integers alone.

One function, which runs as it stands or compiled; it takes turns, so it is the same on any number
of threads, and runs on the host whatever the backend.
"""

from __future__ import annotations

import numpy as np

REACH = 256
"""Nodes that are visited at most to see that a cluster stays whole; a detour of more is as good as
none, and a move that would need it is not made."""


def move_boundaries(
    indptr: np.ndarray,
    indices: np.ndarray,
    places: np.ndarray,
    weights: np.ndarray,
    group: np.ndarray,
    cluster: np.ndarray,
    above: np.ndarray,
    level: np.ndarray,
    balance: int,
    rounds: int,
) -> None:
    """Move nodes between clusters, in place, until none would gain or the rounds are over.

    Clusters of several levels that nest are numbered through, the finest level first. A move takes
    a node out of its cluster on every level on which the two clusters differ, and no cluster falls
    into more pieces by it. What a node costs in a cluster of weight W and centre m is, by its own
    weight w::

        before it leaves   |x - m|^2 W / (W - w) + b (2 W - w) / mean
        after it has come  |x - m|^2 W / (W + w) + b (2 W + w) / mean

    (what the sum over all clusters of their inertia and of b W^2 / mean changes by), with b =
    ``balance`` / 256 times the mean squared distance to the centres of that level. Each level
    counts in units of its own mean squared distance. Every division rounds down.

    Parameters
    ----------
    indptr, indices : arrays of int
        Of the graph.
    places : array of int64, shape (n, d)
    weights : array of int64, shape (n,)
    group : array of int64, shape (n,)
        Nodes of different groups stay in different clusters.
    cluster : array of int64, shape (n,)
        Of the finest level; written to.
    above : array of int64, shape (number of clusters,)
        The cluster that a cluster is part of, -1 on the coarsest level.
    level : array of int64, shape (number of clusters,)
        0 on the finest.
    balance : int
        256 times the weight of the second term.
    rounds : int
        How often all nodes have their turn at most.

    Notes
    -----
    See :mod:`multiscale_gcn.methods.compact.integers` for the ranges in which no product overflows.
    """
    n, dimension = places.shape
    count = len(above)
    levels = level[count - 1] + 1
    weight = np.zeros(count, np.int64)
    moment = np.zeros((count, dimension), np.int64)
    centre = np.zeros((count, dimension), np.int64)
    members = np.zeros(count, np.int64)
    for u in range(n):
        c = cluster[u]
        while c >= 0:
            weight[c] += weights[u]
            members[c] += 1
            for axis in range(dimension):
                moment[c, axis] += weights[u] * places[u, axis]
            c = above[c]
    for c in range(count):
        for axis in range(dimension):
            centre[c, axis] = (2 * moment[c, axis] + weight[c]) // (2 * weight[c])
    total = weights.sum()
    mean = np.zeros(levels, np.int64)  # weight of a cluster
    for c in range(count):
        mean[level[c]] += 1
    for k in range(levels):
        mean[k] = max(total // mean[k], 1)
    spread = np.zeros(levels, np.int64)  # mean squared distance to the centre
    seen = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    search = 0
    for _ in range(rounds):
        spread[:] = 0
        for u in range(n):
            c = cluster[u]
            while c >= 0:
                distance = 0
                for axis in range(dimension):
                    distance += (places[u, axis] - centre[c, axis]) ** 2
                spread[level[c]] += distance * weights[u]
                c = above[c]
        for k in range(levels):
            spread[k] = max(spread[k] // total, 1)
        moved = False
        for u in range(n):
            own = cluster[u]
            if members[own] == 1:
                continue
            w = weights[u]
            best, best_gain = -1, 0
            for entry in range(indptr[u], indptr[u + 1]):
                v = indices[entry]
                other = cluster[v]
                if other in (own, best) or group[v] != group[u]:
                    continue
                gain = 0
                a, b = own, other
                while a != b and a >= 0:
                    k = level[a]
                    from_a = from_b = 0
                    for axis in range(dimension):
                        from_a += (places[u, axis] - centre[a, axis]) ** 2
                        from_b += (places[u, axis] - centre[b, axis]) ** 2
                    even = balance * spread[k] // 256
                    stays = from_a * weight[a] // (weight[a] - w)
                    stays += even * (2 * weight[a] - w) // mean[k]
                    goes = from_b * weight[b] // (weight[b] + w)
                    goes += even * (2 * weight[b] + w) // mean[k]
                    # (stays - goes) * share // 256 without the large product
                    share = min(256 * spread[0] // spread[k], 256)
                    gain += (stays - goes) // 256 * share + (stays - goes) % 256 * share // 256
                    a, b = above[a], above[b]
                if gain > best_gain or (gain == best_gain and best >= 0 and other < best):
                    best, best_gain = other, gain
            if best < 0:
                continue
            whole = True
            a, b = own, best
            while a != b and a >= 0 and whole:
                # Whether its neighbours in a still reach each other there without it, by few nodes.
                search += 1
                seen[u] = search
                wanted, first = 0, -1
                for entry in range(indptr[u], indptr[u + 1]):
                    v = indices[entry]
                    c = cluster[v]
                    while level[c] < level[a]:
                        c = above[c]
                    if c == a and v != u:
                        wanted += 1
                        first = v
                if wanted > 1:
                    seen[first] = search
                    queue[0] = first
                    head, tail, found = 0, 1, 1
                    while head < min(tail, REACH) and found < wanted:
                        v = queue[head]
                        head += 1
                        for entry in range(indptr[v], indptr[v + 1]):
                            z = indices[entry]
                            if seen[z] == search:
                                continue
                            c = cluster[z]
                            while level[c] < level[a]:
                                c = above[c]
                            if c == a:
                                seen[z] = search
                                queue[tail] = z
                                tail += 1
                                low, high = indptr[u], indptr[u + 1]
                                while low < high:
                                    middle = (low + high) // 2
                                    if indices[middle] < z:
                                        low = middle + 1
                                    else:
                                        high = middle
                                if low < indptr[u + 1] and indices[low] == z:
                                    found += 1
                    whole = found == wanted
                a, b = above[a], above[b]
            if not whole:
                continue
            moved = True
            cluster[u] = best
            a, b = own, best
            while a != b and a >= 0:
                weight[a] -= w
                weight[b] += w
                members[a] -= 1
                members[b] += 1
                for axis in range(dimension):
                    moment[a, axis] -= w * places[u, axis]
                    moment[b, axis] += w * places[u, axis]
                    centre[a, axis] = (2 * moment[a, axis] + weight[a]) // (2 * weight[a])
                    centre[b, axis] = (2 * moment[b, axis] + weight[b]) // (2 * weight[b])
                a, b = above[a], above[b]
        if not moved:
            return
