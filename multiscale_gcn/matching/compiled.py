"""The matching in Numba, for any number of threads; equal to the specification bit for bit.

The locally dominant matching is reached in rounds: every free node points at its best free
neighbour, and those that point at each other marry. A round looks again only at nodes whose
candidate was taken. Once rounds marry few, a queue finishes the rest in one thread, so that a
path with increasing weights, where each round marries one pair, takes linear time all the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from multiscale_gcn.constraints import Constraints
from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.methods import MatchingMethod, VisitingOrderMatching
from multiscale_gcn.matching.order import FACTOR_1, FACTOR_2, INCREMENT, mix64
from multiscale_gcn.ratings import EdgeWeight, NormalizedCut

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

SMALL = 1 << 14
"""So few nodes are done by one thread sooner than by several that wait for each other."""
PROGRESS = 16
"""Rounds go on while they marry more than one in so many live nodes."""


def match(graph: Graph, method: MatchingMethod, constraints: Constraints) -> Matching:
    n = graph.num_nodes
    mate = np.arange(n, dtype=graph.indices.dtype)
    kind = np.zeros(n, dtype=np.int8)
    degree, loop, neighbours = np.empty(n), np.zeros(n), np.empty(n, graph.indices.dtype)
    sum_rows = _sum_rows if n > SMALL else _sum_rows_serially
    sum_rows(graph.indptr, graph.indices, graph.weights, degree, loop, neighbours)
    scale = degree
    if method.rating.code == CODE_NORMALIZED_CUT:
        scale = np.divide(1.0, degree, out=np.zeros(n), where=degree > 0)
    edges = (
        graph.indptr,
        graph.indices,
        method.rating.entries(graph),
        method.rating.code,
        scale,
        loop,
        neighbours,
        np.uint64(mix64(method.seed)),
    )
    limit = np.inf if method.max_node_weight is None else float(method.max_node_weight)
    weigh = (graph.node_weights, limit)
    rules = _rules(constraints, n)
    if isinstance(method, VisitingOrderMatching):
        if method.order == "degree":
            turns = np.argsort(degree, kind="stable")
        elif method.order == "natural":
            turns = np.arange(n)
        else:
            turns = np.argsort(_node_hashes(constraints.local_ids(n), edges[-1]), kind="stable")
        _visit(turns, mate, kind, edges, weigh, rules)
    else:
        live, candidate = _marry_in_rounds(mate, kind, edges, weigh, rules)
        _marry_by_queue(live, candidate, mate, kind, edges, weigh, rules)
    if method.two_hop:
        _pair_two_hop(mate, kind, edges, weigh, rules)
    if method.isolated == "pair":
        _pair_isolated(neighbours, mate, kind, weigh, rules)
    return Matching(mate, kind)


def _rules(constraints: Constraints, n: int):
    """The constraints as arrays; None without any, for which the kernels have a faster form."""
    if not constraints:
        return None
    survivors = constraints.survivors
    return (
        constraints.groups(n),
        np.zeros(n, np.bool_) if survivors is None else survivors,
        constraints.mirror(n),
        constraints.local_ids(n),
    )


def _pair_two_hop(mate, kind, edges, weigh, rules) -> None:
    """Pair the nodes that wait at the same neighbour, as the specification says."""
    singles = np.flatnonzero(kind == KIND_SINGLE)
    if len(singles) == 0:
        return
    hub = np.full(len(kind), -1, np.int64)
    find_hubs = _find_hubs if len(singles) > SMALL else _find_hubs_serially
    find_hubs(singles, hub, kind, edges, weigh, rules)
    left = singles[hub[singles] >= 0]
    if rules is None:
        nodes = left[np.argsort(hub[left], kind="stable")]
        _pair_waiting(nodes, hub, KIND_TWO_HOP, mate, kind, weigh, rules)
        return
    group, _, mirror, _ = rules
    hubs, images = hub[left], mirror[hub[left]]
    fixed, fixed_hub = mirror[left] == left, images == hubs
    _pair_images(left[~fixed & fixed_hub], KIND_TWO_HOP, mate, kind, weigh, rules)
    for chosen in (fixed, ~fixed & (hubs < images)):
        at = np.minimum(hubs, images)[chosen]
        nodes = left[chosen][np.lexsort((group[left[chosen]], at))]
        hub[left[chosen]] = at
        _pair_waiting(nodes, hub, KIND_TWO_HOP, mate, kind, weigh, rules)


def _pair_isolated(neighbours, mate, kind, weigh, rules) -> None:
    isolated = np.flatnonzero(neighbours == 0)
    if len(isolated) == 0:
        return
    nowhere = np.zeros(len(mate), np.int64)
    if rules is None:
        _pair_waiting(isolated, nowhere, KIND_ISOLATED, mate, kind, weigh, rules)
        return
    group, _, mirror, _ = rules
    isolated = isolated[np.argsort(group[isolated], kind="stable")]
    images = mirror[isolated]
    for nodes in (isolated[images == isolated], isolated[isolated < images]):
        _pair_waiting(nodes, nowhere, KIND_ISOLATED, mate, kind, weigh, rules)
    _pair_images(isolated, KIND_ISOLATED, mate, kind, weigh, rules)


@njit(cache=True, parallel=True)
def _sum_rows(indptr, indices, weights, degree, loop, neighbours):
    for u in prange(len(degree)):
        _sum_row(u, indptr, indices, weights, degree, loop, neighbours)


@njit(cache=True)
def _sum_rows_serially(indptr, indices, weights, degree, loop, neighbours):
    for u in range(len(degree)):
        _sum_row(u, indptr, indices, weights, degree, loop, neighbours)


@njit(cache=True)
def _sum_row(u, indptr, indices, weights, degree, loop, neighbours):
    """Weighted degree, self loop and number of neighbours of a node."""
    total = 0.0
    count = indptr[u + 1] - indptr[u]
    for at in range(indptr[u], indptr[u + 1]):
        total += weights[at]
        if indices[at] == u:
            loop[u] = weights[at]
            count -= 1
    degree[u] = total
    neighbours[u] = count


@njit(cache=True, inline="always")
def _mix64(value):
    value = value + INCREMENT_64
    value = (value ^ (value >> SHIFT_30)) * FACTOR_1_64
    value = (value ^ (value >> SHIFT_27)) * FACTOR_2_64
    return value ^ (value >> SHIFT_31)


@njit(cache=True)
def _node_hashes(ids, mixed_seed):
    hashes = np.empty(len(ids), np.uint64)
    for u in range(len(ids)):
        hashes[u] = _edge_hash(mixed_seed, ids[u], ids[u])
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
def _tie_key(u, v, mixed_seed):
    """What decides between equal ratings and numbers of neighbours, smaller first."""
    return u ^ v, ~_edge_hash(mixed_seed, u, v), min(u, v), max(u, v)


@njit(cache=True)
def _orbit_tie_key(u, v, mixed_seed, rules):
    _, _, mirror, ids = rules
    own = _tie_key(ids[u], ids[v], mixed_seed)
    image = _tie_key(ids[mirror[u]], ids[mirror[v]], mixed_seed)
    return image if image < own else own


@njit(cache=True)
def _wins_tie(u, v, best, neighbours, mixed_seed, rules):
    """Whether of two equally rated edges of u the one to v comes before the one to best."""
    if neighbours[v] != neighbours[best]:
        return neighbours[v] < neighbours[best]
    if rules is None:
        if u ^ v != u ^ best:
            return u ^ v < u ^ best
        return _tie_key(u, v, mixed_seed) < _tie_key(u, best, mixed_seed)
    return _orbit_tie_key(u, v, mixed_seed, rules) < _orbit_tie_key(u, best, mixed_seed, rules)


@njit(cache=True)
def _admissible(u, v, weigh, rules):
    node_weights, limit = weigh
    if limit < np.inf and node_weights[u] + node_weights[v] > limit:
        return False
    if rules is not None:
        group, survives, mirror, _ = rules
        return (
            group[u] == group[v]
            and not (survives[u] and survives[v])
            and (mirror[u] == u) == (mirror[v] == v)
        )
    return True


@njit(cache=True)
def _best_neighbour(u, kind, edges, weigh, rules, only_admissible):
    """First neighbour of u in the order, or -1; only a free and admissible one if so asked."""
    indptr, indices, weights, code, degree, loop, neighbours, mixed_seed = edges
    best = np.int64(-1)
    best_rating = -np.inf
    for at in range(indptr[u], indptr[u + 1]):
        v = indices[at]
        rating = _rate(code, weights[at], u, v, degree, loop)
        # Few neighbours are better than the best so far: look at their nodes last.
        if rating < best_rating or v == u:
            continue
        if only_admissible and (kind[v] != KIND_SINGLE or not _admissible(u, v, weigh, rules)):
            continue
        if rating > best_rating or _wins_tie(u, v, best, neighbours, mixed_seed, rules):
            best, best_rating = np.int64(v), rating
    return best


@njit(cache=True)
def _marry(u, v, kind_of_pair, mate, kind):
    mate[u], mate[v] = v, u
    kind[u] = kind_of_pair
    kind[v] = kind_of_pair


@njit(cache=True)
def _marry_with_images(u, v, kind_of_pair, mate, kind, rules):
    _marry(u, v, kind_of_pair, mate, kind)
    if rules is not None:
        mirror = rules[2]
        _marry(mirror[u], mirror[v], kind_of_pair, mate, kind)


def _marry_in_rounds(mate, kind, edges, weigh, rules):
    """Rounds of all threads while many nodes are left and marry; the rest is for one thread."""
    live = np.arange(len(mate), dtype=mate.dtype)
    candidate = np.full(len(mate), UNKNOWN, mate.dtype)
    while len(live) > SMALL:
        _point(live, candidate, kind, edges, weigh, rules)
        _find_mutual(live, candidate, mate)
        remaining = live[_settle(live, candidate, mate, kind)]
        married = len(live) - len(remaining)
        live = remaining
        if married * PROGRESS < len(live):
            break
    return live, candidate


@njit(cache=True, parallel=True)
def _point(live, candidate, kind, edges, weigh, rules):
    for i in prange(len(live)):
        u = live[i]
        v = candidate[u]
        if v == UNKNOWN or kind[v] != KIND_SINGLE:
            candidate[u] = _best_neighbour(u, kind, edges, weigh, rules, True)


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
def _marry_by_queue(live, candidate, mate, kind, edges, weigh, rules):
    indptr, indices = edges[0], edges[1]
    queue = np.empty(len(live), np.int64)
    tail = 0
    for u in live:
        v = candidate[u]
        if v == UNKNOWN or (v >= 0 and kind[v] != KIND_SINGLE):
            candidate[u] = _best_neighbour(u, kind, edges, weigh, rules, True)
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
            y = _best_neighbour(x, kind, edges, weigh, rules, True)
            candidate[x] = y
            if y >= 0 and candidate[y] == x:
                _marry(x, y, KIND_EDGE, mate, kind)
                queue[tail], queue[tail + 1] = x, y
                tail += 2


@njit(cache=True)
def _visit(turns, mate, kind, edges, weigh, rules):
    for u in turns:
        if kind[u] == KIND_SINGLE:
            v = _best_neighbour(u, kind, edges, weigh, rules, True)
            if v >= 0:
                _marry_with_images(u, v, KIND_EDGE, mate, kind, rules)


@njit(cache=True, parallel=True)
def _find_hubs(singles, hub, kind, edges, weigh, rules):
    for i in prange(len(singles)):
        u = singles[i]
        hub[u] = _best_neighbour(u, kind, edges, weigh, rules, False)


@njit(cache=True)
def _find_hubs_serially(singles, hub, kind, edges, weigh, rules):
    for u in singles:
        hub[u] = _best_neighbour(u, kind, edges, weigh, rules, False)


@njit(cache=True)
def _pair_waiting(nodes, hub, kind_of_pair, mate, kind, weigh, rules):
    """Pair nodes next to each other in the list that share hub and group; of two that may not
    merge the lighter waits."""
    node_weights = weigh[0]
    waiting = np.int64(-1)
    for u in nodes:
        if kind[u] != KIND_SINGLE:
            continue
        together = waiting >= 0 and hub[u] == hub[waiting]
        if together and rules is not None:
            together = rules[0][u] == rules[0][waiting]
        if not together:
            waiting = u
        elif _admissible(u, waiting, weigh, rules):
            _marry_with_images(u, waiting, kind_of_pair, mate, kind, rules)
            waiting = np.int64(-1)
        elif node_weights[u] < node_weights[waiting]:
            waiting = u


@njit(cache=True)
def _pair_images(nodes, kind_of_pair, mate, kind, weigh, rules):
    mirror = rules[2]
    for u in nodes:
        v = mirror[u]
        if u != v and kind[u] == KIND_SINGLE and _admissible(u, v, weigh, rules):
            _marry(u, v, kind_of_pair, mate, kind)
