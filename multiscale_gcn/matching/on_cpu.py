"""The matching in Numba, for any number of threads; equal to the specification bit for bit.

The locally dominant matching is reached in rounds: every free node points at its best free
neighbour, and those that point at each other marry. A round looks again only at nodes whose
candidate was taken. Once rounds marry few, a queue finishes the rest in one thread, so that a
path with increasing weights, where each round marries one pair, takes linear time all the same.

Where half of the nodes go one way and half the other, a processor cannot foresee which, and waits:
such passes write what they may not need instead of asking. A node without a mate is its own mate,
and one that found no candidate its own candidate.

All passes that several threads share are steps of one parallel function: every parallel loop takes
the compiler half a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

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
FEW = 24
"""Neighbours that are compared without asking, unless many are equally good."""

DESCRIBE, LOOK, SETTLE, LOOK_AT_ALL, VISIT = map(np.int64, range(5))
"""Passes over lists of nodes. Numba compiles a function anew for a literal number."""
ONE = np.uint64(1)


class Sweep:
    """How passes over the rows of nodes go: all at once.

    Derive from it to go through them part by part.
    """

    in_parts: ClassVar[bool] = False

    def parts(self, nodes: np.ndarray | range) -> Iterator[tuple[int, int]]:
        """Places in the list of nodes from where to where their rows are read together."""
        yield 0, len(nodes)


def match(
    graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints, sweep: Sweep | None = None
) -> Matching:
    sweep = Sweep() if sweep is None else sweep
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
    if n <= SMALL and rules is None and method.turns is None and not sweep.in_parts:
        wanted = (bool(method.two_hop), method.two_hop == "auto", method.isolated == "pair")
        _match_serially(mate, kind, edges, graph.weights, weigh, wanted)
        return Matching._of_valid(mate=mates, kind=kind)
    with threads_to_use() as num_threads:
        passes = _Passes(
            mate, kind, np.empty_like(mate), edges, graph.weights, weigh, rules,
            sweep, num_threads > 1,
        )  # fmt: skip
        passes.over(DESCRIBE, mate, range(n))
        if method.turns is not None:
            passes.over(VISIT, _turns(method, graph, of_nodes))
        else:
            _marry_in_rounds(passes)
        if method.two_hop:
            member = of_nodes.member if method.two_hop == "auto" else None
            _pair_two_hop(passes, neighbours, member)
    if method.isolated == "pair":
        if rules is None:
            _pair_isolated(mate, kind, neighbours, weigh)
        else:
            _pair_isolated_by_rules(mate, kind, neighbours, weigh, rules)
    return Matching._of_valid(mate=mates, kind=kind)


@dataclass(frozen=True, eq=False)
class _Passes:
    """What passes over nodes read and write, and by whom they are made."""

    mate: np.ndarray
    kind: np.ndarray
    candidate: np.ndarray
    edges: tuple[Any, ...]
    weights: np.ndarray
    weigh: tuple[Any, ...]
    rules: tuple[np.ndarray, ...] | None
    sweep: Sweep
    several: bool
    """Whether several threads share them."""

    def over(
        self, step: np.int64, nodes: np.ndarray, rows: np.ndarray | range | None = None
    ) -> None:
        """One step for a list of nodes, by parts of their rows."""
        for low, high in self.sweep.parts(nodes if rows is None else rows):
            self._share(step, low, nodes[low:high], (nodes[:0], nodes[:0]))

    def settle(self, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those that go on looking, and those of them whose candidate was taken."""
        spare = np.empty_like(live), np.empty_like(live)
        counts = self._share(SETTLE, 0, live, spare)
        lists = []
        for nodes, number in zip(spare, counts.T.tolist(), strict=True):
            chunks = [nodes[k * CHUNK : k * CHUNK + count] for k, count in enumerate(number)]
            lists.append(np.concatenate(chunks))
        return lists[0], lists[1]

    def _share(self, step: np.int64, begin: int, nodes: np.ndarray, spare: tuple) -> np.ndarray:
        several = self.several and len(nodes) > SMALL and step != VISIT
        counts = np.zeros((-(-len(nodes) // CHUNK) if several else 1, 2), np.int64)
        state = (self.mate, self.kind, self.candidate, self.edges, self.weights)
        limits = (self.weigh, self.rules)
        if several:
            _step_in_chunks(step, begin, nodes, *spare, counts, *state, *limits)
        else:
            _step(step, begin, nodes, *spare, counts[0], *state, *limits)
        return counts


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
    candidate = np.empty_like(mate)
    _describe(np.int64(0), mate, kind, edges, weights)
    marry_rest(mate, mate, candidate, mate, kind, edges, weigh, None)
    if two_hop:
        singles, married = _waiting_nodes(mate, kind, edges[6])
        if not only_if_stalled or len(singles) > married:
            _look(singles, candidate, mate, kind, edges, weigh, None, LOOK_AT_ALL)
            _pair_at_hubs(singles, candidate, mate, kind, weigh)
    if isolated:
        _pair_isolated(mate, kind, edges[6], weigh)


@kernel(parallel=True)
def _step_in_chunks(
    step, begin, nodes, left, bereft, counts, mate, kind, candidate, edges, weights, weigh, rules
):  # fmt: skip
    for chunk in prange(len(counts)):
        low, high = _bounds(chunk, len(nodes))
        _step(
            step, begin + low, nodes[low:high], left[low:high], bereft[low:high], counts[chunk],
            mate, kind, candidate, edges, weights, weigh, rules,
        )  # fmt: skip


@kernel()
def _step(
    step, begin, nodes, left, bereft, count, mate, kind, candidate, edges, weights, weigh, rules
):  # fmt: skip
    if step == DESCRIBE:
        _describe(begin, nodes, kind, edges, weights)
    elif step == SETTLE:
        count[0], count[1] = _settle(nodes, left, bereft, candidate, mate, kind)
    else:
        _look(nodes, candidate, mate, kind, edges, weigh, rules, step)


@kernel()
def _describe(begin, nodes, kind, edges, weights):
    """All nodes from begin on, free, and what the order asks of them: neighbours, and terms of the
    rating."""
    indptr, indices, _, code, scale, loop, neighbours, _ = edges
    for i in range(len(nodes)):
        u = np.uint64(begin + i)
        nodes[i] = u
        kind[u] = KIND_SINGLE
        low, high = indptr[u], indptr[u + ONE]
        own, length = low, high - low  # columns increase: find the last that is at most u
        while length > ONE:
            half = length >> ONE
            own += half if indices[own + half] <= u else np.uint64(0)
            length -= half
        loops = length == ONE and indices[own] == u
        neighbours[u] = high - low - np.uint64(loops)
        if code == EDGE_WEIGHT:
            continue
        degree = 0.0
        for at in range(low, high):
            degree += weights[at]
        loop[u] = weights[own] if loops else 0.0
        if READS_INVERSE[code]:
            scale[u] = 1.0 / degree if degree > 0.0 else 0.0
        else:
            scale[u] = degree


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
        return (np.int64(u) ^ np.int64(v)) < (np.int64(u) ^ best)
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


def _marry_in_rounds(passes: _Passes) -> None:
    """Rounds of several threads or in parts, if they may, while many nodes are left and marry; the
    rest is for one thread."""
    live = seekers = passes.mate
    while (passes.several or passes.sweep.in_parts) and len(live) > SMALL:
        before = len(live)
        passes.over(LOOK, seekers)
        live, seekers = passes.settle(live)
        if (before - len(live)) * PROGRESS < before:
            break
    marry_rest(
        live, seekers, passes.candidate, passes.mate, passes.kind,
        passes.edges, passes.weigh, passes.rules,
    )  # fmt: skip


@kernel()
def marry_rest(live, seekers, candidate, mate, kind, edges, weigh, rules):
    """Rounds while they marry many of the live nodes, then the queue."""
    left, bereft = np.empty_like(live), np.empty_like(live)
    while len(seekers) > 0:
        before = len(live)
        _look(seekers, candidate, mate, kind, edges, weigh, rules, LOOK)
        num_left, num_bereft = _settle(live, left, bereft, candidate, mate, kind)
        live, seekers = left[:num_left], bereft[:num_bereft]
        if (before - num_left) * PROGRESS < before:
            break
    _look(seekers, candidate, mate, kind, edges, weigh, rules, LOOK)
    _marry_by_queue(live, candidate, mate, kind, edges, weigh, rules)


@kernel()
def _look(nodes, candidate, mate, kind, edges, weigh, rules, step):
    """Point each of the nodes at its first free and admissible neighbour in the order, or at
    itself; at the first of all to look at all; in a visit, one after the other marries it.

    Where ratings differ, a processor could not foresee what each neighbour does to the best so far:
    all are compared alike, by arithmetic. Where many are equally good, or there are many, few of
    them change the best: the others are passed over. Whether the last node had such decides.

    Both loops stand here, as Numba counts references where it puts a function in place of a call,
    which would take longer than to look at a neighbour.
    """
    indptr, indices, weights, code, scale, loop, neighbours, mixed_seed = edges
    node_weights, limit = weigh
    only_admissible, marries = step != LOOK_AT_ALL, step == VISIT
    equal = False
    for u in nodes:
        if marries and kind[u] != KIND_SINGLE:
            continue
        low, high = indptr[u], indptr[u + 1]
        best_rating = -np.inf
        best = np.int64(u)
        if rules is None and not equal and high - low <= FEW:
            for at in range(low, high):
                v = indices[at]
                rating = _rate(code, weights[at], u, v, scale, loop)
                counts = v != u
                if only_admissible:
                    counts &= kind[v] == KIND_SINGLE
                    if limit < np.inf:
                        counts &= node_weights[u] + node_weights[v] <= limit
                wins = np.int64(counts & (rating > best_rating))
                if counts & (rating == best_rating):
                    equal = True
                    mine, other = neighbours[v], neighbours[best]
                    nearer = (np.int64(u) ^ np.int64(v)) < (np.int64(u) ^ best)
                    wins = np.int64((mine < other) | ((mine == other) & nearer))
                best ^= (best ^ np.int64(v)) & -wins
                best_rating = max(best_rating, rating) if counts else best_rating
        else:
            best_count = np.int64(0)
            equal = False
            for at in range(low, high):
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
                equal = rating == best_rating
                if (
                    not equal
                    or count < best_count
                    or (count == best_count and _wins_tie(u, v, best, mixed_seed, rules))
                ):
                    best, best_rating, best_count = np.int64(v), rating, count
        candidate[u] = best
        if marries and candidate[u] != u:
            mate[u], mate[candidate[u]] = candidate[u], u
            kind[u] = kind[candidate[u]] = KIND_EDGE
            if rules is not None:
                mirror = rules[2]
                _marry(mirror[u], mirror[candidate[u]], KIND_EDGE, mate, kind)


@kernel()
def _settle(live, left, bereft, candidate, mate, kind):
    """Marry those that point at each other; each node notes it for itself. Lists those that go on
    looking, which may take the place of the list, and those of them whose candidate was taken;
    returns how many they are."""
    num_left, num_bereft = 0, 0
    for u in live:
        v = candidate[u]
        w = candidate[v]
        mutual = (w == u) & (v != u)
        mate[u] = v if mutual else u
        kind[u] = KIND_EDGE if mutual else KIND_SINGLE
        goes_on = w != u
        left[num_left] = u
        num_left += goes_on
        bereft[num_bereft] = u
        num_bereft += goes_on & (candidate[w] == v)
    return num_left, num_bereft


@kernel()
def _marry_by_queue(live, candidate, mate, kind, edges, weigh, rules):
    """Nodes that marry join the queue; who pointed at one of them looks again, and may marry."""
    indptr, indices = edges[0], edges[1]
    queue, orphans = np.empty_like(live), np.empty_like(live)
    for i in range(len(live)):  # Numba takes seconds to compile the assignment of arrays
        orphans[i] = live[i]
    head, tail, num_orphans = 0, 0, len(live)
    while num_orphans > 0:
        for x in orphans[:num_orphans]:
            y = candidate[x]
            if y != x and candidate[y] == x and kind[x] == KIND_SINGLE:
                _marry(x, y, KIND_EDGE, mate, kind)
                queue[tail], queue[tail + 1] = x, y
                tail += 2
        num_orphans = 0
        while head < tail:
            u = queue[head]
            head += 1
            for at in range(indptr[u], indptr[u + 1]):
                x = indices[at]
                if kind[x] == KIND_SINGLE and candidate[x] == u:
                    orphans[num_orphans] = x
                    num_orphans += 1
        _look(orphans[:num_orphans], candidate, mate, kind, edges, weigh, rules, LOOK)


def _pair_two_hop(passes: _Passes, neighbours: np.ndarray, member: np.ndarray | None) -> None:
    """Pair the nodes that wait at the same neighbour, as the specification says; given members of
    the batch, only of those that edges alone would stall."""
    mate, kind, weigh, rules = passes.mate, passes.kind, passes.weigh, passes.rules
    singles = np.flatnonzero(kind == KIND_SINGLE).astype(mate.dtype)
    singles = singles[neighbours[singles] > 0]
    if member is not None:
        married = np.bincount(member[kind != KIND_SINGLE], minlength=len(member))
        left = np.bincount(member[singles], minlength=len(member))
        singles = singles[(left > married)[member[singles]]]
    passes.over(LOOK_AT_ALL, singles)
    if rules is None:
        _pair_at_hubs(singles, passes.candidate, mate, kind, weigh)
        return
    group, _, mirror, _ = rules
    hubs = passes.candidate[singles]
    images = mirror[hubs]
    fixed, fixed_hub = mirror[singles] == singles, images == hubs
    _pair_images(singles[~fixed & fixed_hub], KIND_TWO_HOP, mate, kind, weigh, rules)
    for chosen in (fixed, ~fixed & (hubs < images)):
        nodes, at = singles[chosen], np.minimum(hubs, images)[chosen]
        order = np.lexsort((group[nodes], at))
        _pair_waiting(nodes[order], at[order], KIND_TWO_HOP, mate, kind, weigh, rules)


@kernel()
def _waiting_nodes(mate, kind, neighbours):
    """Nodes that are left over and have neighbours, in increasing order; and how many have a
    mate."""
    nodes = np.empty_like(mate)
    count, married = 0, 0
    for u in range(len(mate)):
        single = kind[u] == KIND_SINGLE
        nodes[count] = u
        count += single & (neighbours[u] > 0)
        married += not single
    return nodes[:count], married


@kernel()
def _pair_at_hubs(singles, candidate, mate, kind, weigh):
    """One node at most waits at its candidate; of two that may not merge the lighter waits."""
    node_weights, limit = weigh
    waiting_at = np.empty_like(mate)
    for u in singles:
        waiting_at[candidate[u]] = candidate[u]
    for u in singles:
        hub = candidate[u]
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
