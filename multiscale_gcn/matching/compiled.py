"""The matching in Numba, for any number of threads; equal to the specification bit for bit.

The locally dominant matching is reached in rounds: every free node points at its best free
neighbour, and those that point at each other marry. A round looks again only at nodes whose
candidate was taken. Once rounds marry few, a queue finishes the rest in one thread, so that a
path with increasing weights, where each round marries one pair, takes linear time all the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.methods import MatchingMethod, VisitingOrderMatching
from multiscale_gcn.matching.order import FACTOR_1, FACTOR_2, INCREMENT, mix64
from multiscale_gcn.ratings import EdgeWeight, NodeTerms, NormalizedCut

CODE_EDGE_WEIGHT = EdgeWeight.code
CODE_NORMALIZED_CUT = NormalizedCut.code

KIND_SINGLE = int(PairKind.SINGLE)
KIND_EDGE = int(PairKind.EDGE)
KIND_TWO_HOP = int(PairKind.TWO_HOP)
KIND_ISOLATED = int(PairKind.ISOLATED)

INCREMENT_64 = np.uint64(INCREMENT)
FACTOR_1_64 = np.uint64(FACTOR_1)
FACTOR_2_64 = np.uint64(FACTOR_2)
SHIFT_30, SHIFT_27, SHIFT_31 = np.uint64(30), np.uint64(27), np.uint64(31)

UNKNOWN = -2
"""Candidate of a node that has not looked yet; -1 is that of one that found nobody."""

SMALL = 2048
"""As few live nodes as one thread finishes sooner than a round of all threads begins."""
PROGRESS = 16
"""Rounds go on while they marry more than one in so many live nodes."""


def match(graph: Graph, method: MatchingMethod) -> Matching:
    n = graph.num_nodes
    mate = np.arange(n, dtype=graph.indices.dtype)
    kind = np.zeros(n, dtype=np.int8)
    terms = NodeTerms.of(graph)
    edges = (
        graph.indptr,
        graph.indices,
        graph.weights,
        method.rating.code,
        terms.inverse_degree if method.rating.code == CODE_NORMALIZED_CUT else terms.degree,
        terms.loop,
        graph.degrees(),
        np.uint64(mix64(method.seed)),
    )
    limit = np.inf if method.max_node_weight is None else float(method.max_node_weight)
    weigh = (graph.node_weights, limit)
    if isinstance(method, VisitingOrderMatching):
        if method.order == "degree":
            turns = np.argsort(terms.degree, kind="stable")
        else:
            turns = np.argsort(_node_hashes(n, edges[-1]), kind="stable")
        _visit(turns, mate, kind, edges, weigh)
    else:
        live, candidate = _marry_in_rounds(mate, kind, edges, weigh)
        _marry_by_queue(live, candidate, mate, kind, edges, weigh)
    if method.two_hop:
        hub = _hubs(kind, edges)
        left = np.flatnonzero(hub >= 0)
        left = left[np.argsort(hub[left], kind="stable")]
        _pair_waiting(left, hub, KIND_TWO_HOP, mate, kind, weigh)
    if method.isolated == "pair":
        isolated = np.flatnonzero(edges[6] == 0)
        _pair_waiting(isolated, np.zeros(n, np.int64), KIND_ISOLATED, mate, kind, weigh)
    return Matching(mate, kind)


@njit(cache=True, inline="always")
def _mix64(value):
    value = value + INCREMENT_64
    value = (value ^ (value >> SHIFT_30)) * FACTOR_1_64
    value = (value ^ (value >> SHIFT_27)) * FACTOR_2_64
    return value ^ (value >> SHIFT_31)


@njit(cache=True)
def _node_hashes(n, mixed_seed):
    hashes = np.empty(n, np.uint64)
    for u in range(n):
        hashes[u] = _mix64(_mix64(mixed_seed ^ np.uint64(u)) ^ np.uint64(u))
    return hashes


@njit(cache=True, inline="always")
def _edge_hash(mixed_seed, u, v):
    return _mix64(_mix64(mixed_seed ^ np.uint64(min(u, v))) ^ np.uint64(max(u, v)))


@njit(cache=True, inline="always")
def _rate(code, weight, u, v, degree, loop):
    if code == CODE_EDGE_WEIGHT:
        return weight
    if code == CODE_NORMALIZED_CUT:  # degree holds the inverse degrees
        return weight * (degree[u] + degree[v])
    return (2.0 * weight + (loop[u] + loop[v])) / (degree[u] + degree[v])


@njit(cache=True)
def _wins_tie(u, v, best, neighbours, mixed_seed):
    """Whether of two equally rated edges of u the one to v comes before the one to best."""
    if neighbours[v] != neighbours[best]:
        return neighbours[v] < neighbours[best]
    if u ^ v != u ^ best:
        return u ^ v < u ^ best
    hash_v = _edge_hash(mixed_seed, u, v)
    hash_best = _edge_hash(mixed_seed, u, best)
    if hash_v != hash_best:
        return hash_v > hash_best
    return v < best


@njit(cache=True)
def _best_neighbour(u, kind, edges, weigh, only_admissible):
    """First neighbour of u in the order, or -1; only a free and admissible one if so asked."""
    indptr, indices, weights, code, degree, loop, neighbours, mixed_seed = edges
    node_weights, limit = weigh
    best = np.int64(-1)
    best_rating = -np.inf
    for at in range(indptr[u], indptr[u + 1]):
        v = np.int64(indices[at])
        if v == u:
            continue
        if only_admissible and (
            kind[v] != KIND_SINGLE or node_weights[u] + node_weights[v] > limit
        ):
            continue
        rating = _rate(code, weights[at], u, v, degree, loop)
        if best < 0 or rating > best_rating:
            best, best_rating = v, rating
        elif rating == best_rating and _wins_tie(u, v, best, neighbours, mixed_seed):
            best = v
    return best


@njit(cache=True)
def _marry(u, v, kind_of_pair, mate, kind):
    mate[u], mate[v] = v, u
    kind[u] = kind_of_pair
    kind[v] = kind_of_pair


def _marry_in_rounds(mate, kind, edges, weigh):
    """Rounds of all threads, until they marry few; what is left is for one thread."""
    live = np.arange(len(mate))
    candidate = np.full(len(mate), UNKNOWN, np.int64)
    while True:
        _point(live, candidate, kind, edges, weigh)
        if len(live) <= SMALL:
            return live, candidate
        _find_mutual(live, candidate, mate)
        remaining = live[_settle(live, candidate, mate, kind)]
        married = len(live) - len(remaining)
        live = remaining
        if married * PROGRESS < len(live):
            return live, candidate


@njit(cache=True, parallel=True)
def _point(live, candidate, kind, edges, weigh):
    for i in prange(len(live)):
        u = live[i]
        v = candidate[u]
        if v == UNKNOWN or kind[v] != KIND_SINGLE:
            candidate[u] = _best_neighbour(u, kind, edges, weigh, True)


@njit(cache=True, parallel=True)
def _find_mutual(live, candidate, mate):
    for i in prange(len(live)):
        u = live[i]
        v = candidate[u]
        if v >= 0 and candidate[v] == u:
            mate[u] = v


@njit(cache=True, parallel=True)
def _settle(live, candidate, mate, kind):
    """Note who is married; returns whether each live node goes on looking."""
    still = np.zeros(len(live), np.bool_)
    for i in prange(len(live)):
        u = live[i]
        if mate[u] != u:
            kind[u] = KIND_EDGE
        elif candidate[u] >= 0:
            still[i] = True
    return still


@njit(cache=True)
def _marry_by_queue(live, candidate, mate, kind, edges, weigh):
    indptr, indices = edges[0], edges[1]
    queue = np.empty(2 * len(live), np.int64)
    tail = 0
    for u in live:
        if candidate[u] >= 0 and kind[candidate[u]] != KIND_SINGLE:
            candidate[u] = _best_neighbour(u, kind, edges, weigh, True)
    for u in live:
        v = candidate[u]
        if v >= 0 and kind[u] == KIND_SINGLE and candidate[v] == u:
            _marry(u, v, KIND_EDGE, mate, kind)
            queue[tail], queue[tail + 1] = u, v
            tail += 2
    head = 0
    while head < tail:
        u = queue[head]
        head += 1
        for at in range(indptr[u], indptr[u + 1]):
            x = indices[at]
            if kind[x] != KIND_SINGLE or candidate[x] != u:
                continue
            y = _best_neighbour(x, kind, edges, weigh, True)
            candidate[x] = y
            if y >= 0 and candidate[y] == x:
                _marry(x, y, KIND_EDGE, mate, kind)
                queue[tail], queue[tail + 1] = x, y
                tail += 2


@njit(cache=True)
def _visit(turns, mate, kind, edges, weigh):
    for u in turns:
        if kind[u] == KIND_SINGLE:
            v = _best_neighbour(u, kind, edges, weigh, True)
            if v >= 0:
                _marry(u, v, KIND_EDGE, mate, kind)


@njit(cache=True, parallel=True)
def _hubs(kind, edges):
    """Best neighbour of every node that is single and has one; -1 for the others."""
    weigh = (np.empty(0), np.inf)
    hub = np.full(len(kind), -1, np.int64)
    for u in prange(len(kind)):
        if kind[u] == KIND_SINGLE:
            hub[u] = _best_neighbour(u, kind, edges, weigh, False)
    return hub


@njit(cache=True)
def _pair_waiting(nodes, hub, kind_of_pair, mate, kind, weigh):
    """Pair neighbours in the list that share a hub; of two too heavy together the lighter waits."""
    node_weights, limit = weigh
    waiting = np.int64(-1)
    for u in nodes:
        if waiting < 0 or hub[u] != hub[waiting]:
            waiting = u
        elif node_weights[u] + node_weights[waiting] <= limit:
            _marry(u, waiting, kind_of_pair, mate, kind)
            waiting = np.int64(-1)
        elif node_weights[u] < node_weights[waiting]:
            waiting = u
