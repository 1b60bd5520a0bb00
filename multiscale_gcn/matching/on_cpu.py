"""The matching in Numba, for any number of threads; equal to the specification bit for bit.

The locally dominant matching is reached in rounds: every free node points at its best free
neighbour, and those that point at each other marry. A round looks again only at nodes whose
candidate was taken. Once rounds marry few, a queue finishes the rest in one thread, so that a
path with increasing weights, where each round marries one pair, takes linear time all the same.

Where half of the nodes go one way and half the other, a processor cannot foresee which, and waits:
such passes write what they may not need instead of asking. A node without a mate is its own mate,
and one that found no candidate its own candidate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.compiled.threads import threads_to_use
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.matching.order import FACTOR_1, FACTOR_2, INCREMENT, mix64
from multiscale_gcn.ratings import EdgeWeight, NodeTerms
from multiscale_gcn.ratings.formulas import FUSED
from multiscale_gcn.ratings.fused import code_of, python_source, reads_inverse

EDGE_WEIGHT = code_of(EdgeWeight())
READS_INVERSE = tuple(reads_inverse(code) for code in range(len(FUSED)))
"""Of every formula."""

KIND_SINGLE = int(PairKind.SINGLE)
KIND_EDGE = int(PairKind.EDGE)
KIND_TWO_HOP = int(PairKind.TWO_HOP)
KIND_ISOLATED = int(PairKind.ISOLATED)

INCREMENT_64 = np.uint64(INCREMENT)
FACTOR_1_64 = np.uint64(FACTOR_1)
FACTOR_2_64 = np.uint64(FACTOR_2)
SHIFT_30, SHIFT_27, SHIFT_31 = np.uint64(30), np.uint64(27), np.uint64(31)

SMALL = 1 << 14
"""So few nodes are done by one thread sooner than by several that wait for each other."""
CHUNK = 1 << 13
"""Nodes that a thread takes at a time. What it does with them is a function of its own: calls
from the body of a parallel loop are not inlined, so one call a node would be the larger part."""
PROGRESS = 16
"""Rounds go on while they end the search of more than one in so many nodes."""


def match(graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
    n = graph.num_nodes
    mates, kind = np.empty(n, graph.indices.dtype), np.empty(n, np.int8)
    mate, neighbours = unsigned(mates), np.empty(n, graph.indices.dtype)
    edges = (
        unsigned(graph.indptr),
        unsigned(graph.indices),
        method.rating.entries(graph),
        code_of(method.rating),
        np.empty(n),
        np.empty(n),
        neighbours,
        np.uint64(mix64(method.seed)),
    )
    limit = np.inf if method.max_node_weight is None else float(method.max_node_weight)
    weigh = (graph.node_weights, limit)
    rules = _rules(of_nodes)
    if n <= SMALL and rules is None and method.turns is None:
        wanted = (bool(method.two_hop), method.two_hop == "auto", method.isolated == "pair")
        _match_serially(mate, kind, edges, graph.weights, weigh, wanted)
        return Matching._of_valid(mate=mates, kind=kind)
    with threads_to_use() as num_threads:
        several = num_threads > 1
        if several and n > SMALL:
            _describe_all(mate, kind, edges, graph.weights)
        else:
            _describe(0, n, mate, kind, edges, graph.weights)
        if method.turns is not None:
            _visit(_turns(method, graph, of_nodes), mate, kind, edges, weigh, rules)
        else:
            _marry_in_rounds(mate, kind, edges, weigh, rules, several)
        if method.two_hop:
            member = of_nodes.member if method.two_hop == "auto" else None
            _pair_two_hop(mate, kind, edges, weigh, rules, member, several)
    if method.isolated == "pair":
        if rules is None:
            _pair_isolated(mate, kind, neighbours, weigh)
        else:
            _pair_isolated_by_rules(mate, kind, neighbours, weigh, rules)
    return Matching._of_valid(mate=mates, kind=kind)


def _rules(of_nodes: NodeConstraints):
    """The constraints as arrays; None without any, for which the kernels have a faster form."""
    if not of_nodes:
        return None
    arrays = (of_nodes.group, of_nodes.survives, of_nodes.mirror, of_nodes.local_ids)
    return tuple(map(read_only, arrays))  # as some of them are: one type, to compile for once


def _turns(method: MatchingOptions, graph: Graph, of_nodes: NodeConstraints) -> np.ndarray:
    if method.turns == "natural":
        turns = np.arange(graph.num_nodes)
    elif method.turns == "degree":
        turns = np.argsort(NodeTerms.of(graph).degree, kind="stable")
    else:
        hashes = _node_hashes(of_nodes.local_ids, np.uint64(mix64(method.seed)))
        turns = np.argsort(hashes, kind="stable")
    return unsigned(turns.astype(graph.indices.dtype))


@kernel()
def _match_serially(mate, kind, edges, weights, weigh, wanted):
    """All of an unconstrained matching in one call, for graphs where calls take the time."""
    two_hop, only_if_stalled, isolated = wanted
    _describe(0, len(mate), mate, kind, edges, weights)
    everyone, candidate = mate.copy(), np.empty_like(mate)
    _marry_rest(everyone, everyone, candidate, mate, kind, edges, weigh, None)
    if two_hop:
        singles = _waiting_nodes(mate, kind, edges[6])
        if not only_if_stalled or len(singles) > _married(kind):
            hubs = np.empty_like(singles)
            _find_hubs(singles, hubs, kind, edges, weigh, None)
            _pair_at_hubs(singles, hubs, mate, kind, weigh)
    if isolated:
        _pair_isolated(mate, kind, edges[6], weigh)


@kernel(parallel=True)
def _describe_all(mate, kind, edges, weights):
    for chunk in prange(_num_chunks(len(mate))):
        low, high = _bounds(chunk, len(mate))
        _describe(low, high, mate, kind, edges, weights)


@kernel()
def _describe(low, high, mate, kind, edges, weights):
    """Nodes without mates, and what the order asks of them: neighbours, and terms of the rating."""
    indptr, indices, _, code, scale, loop, neighbours, _ = edges
    for u in range(low, high):
        mate[u] = u
        kind[u] = KIND_SINGLE
        loops = np.int64(0)
        for at in range(indptr[u], indptr[u + 1]):
            loops += indices[at] == u
        neighbours[u] = indptr[u + 1] - indptr[u] - loops
        if code == EDGE_WEIGHT:
            continue
        degree, own = 0.0, 0.0
        for at in range(indptr[u], indptr[u + 1]):
            degree += weights[at]
            own += weights[at] if indices[at] == u else 0.0
        loop[u] = own
        if READS_INVERSE[code]:
            scale[u] = 1.0 / degree if degree > 0.0 else 0.0
        else:
            scale[u] = degree


@kernel(inline="always")
def _num_chunks(length):
    return -(-length // CHUNK)


@kernel(inline="always")
def _bounds(chunk, length):
    return chunk * CHUNK, min((chunk + 1) * CHUNK, length)


@kernel(inline="always")
def _mix64(value):
    value = value + INCREMENT_64
    value = (value ^ (value >> SHIFT_30)) * FACTOR_1_64
    value = (value ^ (value >> SHIFT_27)) * FACTOR_2_64
    return value ^ (value >> SHIFT_31)


@kernel()
def _node_hashes(ids, mixed_seed):
    hashes = np.empty(len(ids), np.uint64)
    for u in range(len(ids)):
        hashes[u] = _edge_hash(mixed_seed, ids[u], ids[u])
    return hashes


@kernel(inline="always")
def _edge_hash(mixed_seed, u, v):
    return _mix64(_mix64(mixed_seed ^ np.uint64(min(u, v))) ^ np.uint64(max(u, v)))


def _compiled_table() -> Any:
    """``rate(code, weight, u, v, scale, loop)``, as the table of formulas says."""
    table: dict[str, Any] = {}
    exec(python_source(), table)
    return njit(inline="always")(table["rate"])


_rate = _compiled_table()


@kernel()
def _married(kind):
    count = 0
    for u in range(len(kind)):
        count += kind[u] != KIND_SINGLE
    return count


@kernel()
def _tie_key(u, v, mixed_seed):
    """What decides between equal ratings and numbers of neighbours, smaller first."""
    return u ^ v, ~_edge_hash(mixed_seed, u, v), min(u, v), max(u, v)


@kernel()
def _orbit_tie_key(u, v, mixed_seed, rules):
    _, _, mirror, ids = rules
    own = _tie_key(ids[u], ids[v], mixed_seed)
    image = _tie_key(ids[mirror[u]], ids[mirror[v]], mixed_seed)
    return image if image < own else own


@kernel(inline="always")
def _wins_tie(u, v, best, mixed_seed, rules):
    """Whether of two edges of u, equal so far, the one to v comes before the one to best.

    Edges of one node differ in u ^ v, so the hash decides nothing unless edges have images.
    """
    if rules is None:
        return u ^ v < u ^ best
    return _orbit_tie_key(u, v, mixed_seed, rules) < _orbit_tie_key(u, best, mixed_seed, rules)


@kernel()
def _admissible(u, v, node_weights, limit, rules):
    if limit < np.inf and node_weights[u] + node_weights[v] > limit:
        return False
    return rules is None or _obey(u, v, rules)


@kernel()
def _obey(u, v, rules):
    """Whether the rules let two nodes merge."""
    group, survives, mirror, _ = rules
    return (
        group[u] == group[v]
        and not (survives[u] and survives[v])
        and (mirror[u] == u) == (mirror[v] == v)
    )


@kernel(inline="always")
def _best_neighbour(
    u, kind, indptr, indices, weights, code, scale, loop, neighbours, mixed_seed,
    node_weights, limit, rules, only_admissible,
):  # fmt: skip
    """First neighbour of u in the order, or u; only a free and admissible one if so asked.

    It takes its arrays one by one, and hands none of them on unless there are rules: Numba counts
    references at every call, which would take longer than to look at a neighbour.
    """
    best = u
    best_rating = -np.inf
    best_count = np.int64(0)
    for at in range(indptr[u], indptr[u + 1]):
        v = indices[at]
        rating = _rate(code, weights[at], u, v, scale, loop)
        # Few neighbours are better than the best so far: look at their nodes last.
        if rating < best_rating or v == u:
            continue
        if only_admissible:
            if kind[v] != KIND_SINGLE:
                continue
            if limit < np.inf and node_weights[u] + node_weights[v] > limit:
                continue
            if rules is not None and not _obey(u, v, rules):
                continue
        count = np.int64(neighbours[v])
        if (
            rating > best_rating
            or count < best_count
            or (count == best_count and _wins_tie(u, v, best, mixed_seed, rules))
        ):
            best, best_rating, best_count = v, rating, count
    return best


@kernel()
def _marry(u, v, kind_of_pair, mate, kind):
    mate[u], mate[v] = v, u
    kind[u] = kind_of_pair
    kind[v] = kind_of_pair


@kernel()
def _marry_with_images(u, v, kind_of_pair, mate, kind, rules):
    _marry(u, v, kind_of_pair, mate, kind)
    if rules is not None:
        mirror = rules[2]
        _marry(mirror[u], mirror[v], kind_of_pair, mate, kind)


def _marry_in_rounds(mate, kind, edges, weigh, rules, several) -> None:
    """Rounds of several threads, if they may, while many nodes are left and marry; the rest is for
    one thread."""
    live = seekers = mate.copy()
    spare, candidate = np.empty_like(mate), np.empty_like(mate)
    while several and len(live) > SMALL:
        before = len(live)
        _look_all(seekers, candidate, kind, edges, weigh, rules)
        _settle_all(live, candidate, mate, kind)
        live, seekers = _remaining(live, spare, candidate, kind)
        if (before - len(live)) * PROGRESS < before:
            break
    _marry_rest(live, seekers, candidate, mate, kind, edges, weigh, rules)


@kernel()
def _marry_rest(live, seekers, candidate, mate, kind, edges, weigh, rules):
    """Rounds while they marry many of the live nodes, then the queue."""
    spare = np.empty_like(live)
    while len(seekers) > 0:
        before = len(live)
        _look(seekers, candidate, kind, edges, weigh, rules)
        _settle(live, candidate, mate, kind)
        live, seekers = _remaining(live, spare, candidate, kind)
        if (before - len(live)) * PROGRESS < before:
            break
    _look(seekers, candidate, kind, edges, weigh, rules)
    _marry_by_queue(live, candidate, mate, kind, edges, weigh, rules)


@kernel(parallel=True)
def _look_all(seekers, candidate, kind, edges, weigh, rules):
    for chunk in prange(_num_chunks(len(seekers))):
        low, high = _bounds(chunk, len(seekers))
        _look(seekers[low:high], candidate, kind, edges, weigh, rules)


@kernel()
def _look(seekers, candidate, kind, edges, weigh, rules):
    indptr, indices, weights, code, scale, loop, neighbours, mixed_seed = edges
    node_weights, limit = weigh
    for u in seekers:
        candidate[u] = _best_neighbour(
            u, kind, indptr, indices, weights, code, scale, loop, neighbours, mixed_seed,
            node_weights, limit, rules, True,
        )  # fmt: skip


@kernel(parallel=True)
def _settle_all(live, candidate, mate, kind):
    for chunk in prange(_num_chunks(len(live))):
        low, high = _bounds(chunk, len(live))
        _settle(live[low:high], candidate, mate, kind)


@kernel()
def _settle(live, candidate, mate, kind):
    """Marry those that point at each other; each node notes it for itself."""
    for u in live:
        v = candidate[u]
        mutual = (candidate[v] == u) & (v != u)
        mate[u] = v if mutual else u
        kind[u] = KIND_EDGE if mutual else KIND_SINGLE


@kernel()
def _remaining(live, spare, candidate, kind):
    """Those that go on looking, and those of them whose candidate was taken."""
    left, bereft = 0, 0
    for u in live:
        v = candidate[u]
        goes_on = (kind[u] == KIND_SINGLE) & (v != u)
        live[left] = u
        left += goes_on
        spare[bereft] = u
        bereft += goes_on & (kind[v] != KIND_SINGLE)
    return live[:left], spare[:bereft]


@kernel()
def _marry_by_queue(live, candidate, mate, kind, edges, weigh, rules):
    indptr, indices, weights, code, scale, loop, neighbours, mixed_seed = edges
    node_weights, limit = weigh
    queue = np.empty(len(live), mate.dtype)
    tail = 0
    for u in live:
        v = candidate[u]
        if v != u and kind[u] == KIND_SINGLE and candidate[v] == u:
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
            y = _best_neighbour(
            x, kind, indptr, indices, weights, code, scale, loop, neighbours, mixed_seed,
            node_weights, limit, rules, True,
        )  # fmt: skip
            candidate[x] = y
            if y != x and candidate[y] == x:
                _marry(x, y, KIND_EDGE, mate, kind)
                queue[tail], queue[tail + 1] = x, y
                tail += 2


@kernel()
def _visit(turns, mate, kind, edges, weigh, rules):
    indptr, indices, weights, code, scale, loop, neighbours, mixed_seed = edges
    node_weights, limit = weigh
    for u in turns:
        if kind[u] == KIND_SINGLE:
            v = _best_neighbour(
            u, kind, indptr, indices, weights, code, scale, loop, neighbours, mixed_seed,
            node_weights, limit, rules, True,
        )  # fmt: skip
            if v != u:
                _marry_with_images(u, v, KIND_EDGE, mate, kind, rules)


def _pair_two_hop(mate, kind, edges, weigh, rules, member, several) -> None:
    """Pair the nodes that wait at the same neighbour, as the specification says; given members of
    the batch, only of those that edges alone would stall."""
    singles = _waiting_nodes(mate, kind, edges[6])
    if member is not None:
        married = np.bincount(member[kind != KIND_SINGLE], minlength=len(member))
        left = np.bincount(member[singles], minlength=len(member))
        singles = singles[(left > married)[member[singles]]]
    hubs = np.empty_like(singles)
    find_hubs = _find_all_hubs if several and len(singles) > SMALL else _find_hubs
    find_hubs(singles, hubs, kind, edges, weigh, rules)
    if rules is None:
        _pair_at_hubs(singles, hubs, mate, kind, weigh)
        return
    group, _, mirror, _ = rules
    images = mirror[hubs]
    fixed, fixed_hub = mirror[singles] == singles, images == hubs
    _pair_images(singles[~fixed & fixed_hub], KIND_TWO_HOP, mate, kind, weigh, rules)
    for chosen in (fixed, ~fixed & (hubs < images)):
        nodes, at = singles[chosen], np.minimum(hubs, images)[chosen]
        order = np.lexsort((group[nodes], at))
        _pair_waiting(nodes[order], at[order], KIND_TWO_HOP, mate, kind, weigh, rules)


@kernel()
def _waiting_nodes(mate, kind, neighbours):
    """Nodes that are left over and have neighbours, in increasing order."""
    count = 0
    for u in range(len(mate)):
        count += (kind[u] == KIND_SINGLE) & (neighbours[u] > 0)
    nodes = np.empty(count + 1, mate.dtype)
    count = 0
    for u in range(len(mate)):
        nodes[count] = u
        count += (kind[u] == KIND_SINGLE) & (neighbours[u] > 0)
    return nodes[:count]


@kernel(parallel=True)
def _find_all_hubs(singles, hubs, kind, edges, weigh, rules):
    for chunk in prange(_num_chunks(len(singles))):
        low, high = _bounds(chunk, len(singles))
        _find_hubs(singles[low:high], hubs[low:high], kind, edges, weigh, rules)


@kernel()
def _find_hubs(singles, hubs, kind, edges, weigh, rules):
    indptr, indices, weights, code, scale, loop, neighbours, mixed_seed = edges
    node_weights, limit = weigh
    for i in range(len(singles)):
        hubs[i] = _best_neighbour(
            singles[i], kind, indptr, indices, weights, code, scale, loop, neighbours, mixed_seed,
            node_weights, limit, rules, False,
        )  # fmt: skip


@kernel()
def _pair_at_hubs(singles, hubs, mate, kind, weigh):
    """One node at most waits at every hub; of two that may not merge the lighter waits."""
    node_weights, limit = weigh
    waiting_at = np.empty_like(mate)
    for hub in hubs:  # by a loop: Numba takes a second to compile the assignment of arrays
        waiting_at[hub] = hub
    for i in range(len(singles)):
        u, hub = singles[i], hubs[i]
        waiting = waiting_at[hub]
        if waiting == hub:
            waiting_at[hub] = u
        elif node_weights[u] + node_weights[waiting] <= limit:
            mate[u], mate[waiting] = waiting, u
            kind[u] = kind[waiting] = KIND_TWO_HOP
            waiting_at[hub] = hub
        elif node_weights[u] < node_weights[waiting]:
            waiting_at[hub] = u


@kernel()
def _pair_isolated(mate, kind, neighbours, weigh):
    node_weights, limit = weigh
    waiting = np.int64(-1)
    for u in range(len(mate)):
        if neighbours[u] > 0:
            continue
        if waiting < 0:
            waiting = np.int64(u)
        elif node_weights[u] + node_weights[waiting] <= limit:
            mate[u], mate[waiting] = waiting, u
            kind[u] = kind[waiting] = KIND_ISOLATED
            waiting = np.int64(-1)
        elif node_weights[u] < node_weights[waiting]:
            waiting = np.int64(u)


def _pair_isolated_by_rules(mate, kind, neighbours, weigh, rules) -> None:
    group, _, mirror, _ = rules
    isolated = np.flatnonzero(neighbours == 0).astype(mate.dtype)
    isolated = isolated[np.argsort(group[isolated], kind="stable")]
    images = mirror[isolated]
    for nodes in (isolated[images == isolated], isolated[isolated < images]):
        nowhere = np.zeros(len(nodes), np.int64)
        _pair_waiting(nodes, nowhere, KIND_ISOLATED, mate, kind, weigh, rules)
    _pair_images(isolated, KIND_ISOLATED, mate, kind, weigh, rules)


@kernel()
def _pair_waiting(nodes, hubs, kind_of_pair, mate, kind, weigh, rules):
    """Pair nodes next to each other in the list that share hub and group; of two that may not
    merge the lighter waits."""
    group = rules[0]
    node_weights, limit = weigh
    waiting = np.int64(-1)
    for i in range(len(nodes)):
        u = nodes[i]
        if kind[u] != KIND_SINGLE:
            continue
        if waiting < 0 or hubs[i] != hubs[waiting] or group[u] != group[nodes[waiting]]:
            waiting = np.int64(i)
            continue
        v = nodes[waiting]
        if _admissible(u, v, node_weights, limit, rules):
            _marry_with_images(u, v, kind_of_pair, mate, kind, rules)
            waiting = np.int64(-1)
        elif node_weights[u] < node_weights[v]:
            waiting = np.int64(i)


@kernel()
def _pair_images(nodes, kind_of_pair, mate, kind, weigh, rules):
    mirror = rules[2]
    node_weights, limit = weigh
    for u in nodes:
        v = mirror[u]
        if u != v and kind[u] == KIND_SINGLE and _admissible(u, v, node_weights, limit, rules):
            _marry(u, v, kind_of_pair, mate, kind)
