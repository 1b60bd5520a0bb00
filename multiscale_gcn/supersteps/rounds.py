"""The locally dominant matching of a partition, between what it hears of others and tells them.

Every free node points at its best free neighbour, and those that point at each other marry, as in
memory. Within a partition that goes on until only others can help. Who points at a ghost tells its
owner; when the ghost points back, both owners know, and marry the two without asking. Whoever has
a node as a ghost is told when it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.supersteps.messages import Mail, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.task import LevelTask, Tally
from multiscale_gcn.supersteps.terms import Terms

PROGRESS = 16
"""Rounds within a partition go on while they end the search of more than one in so many nodes."""
REPEATS = 8
"""So many times those who wait for ghosts look again before they wait for the next superstep."""
rate = on_cpu._rate


@dataclass(frozen=True, eq=False)
class Search:
    """Where the matching stands, n own nodes and g ghosts.

    Parameters
    ----------
    taken : array of bool, shape (n + g,)
    candidate : array of uint32, shape (n + g,)
        At whom each node points, as far as is known; itself, at nobody.
    proposed : array of uint32, shape (n,)
        The ghost that was last told so; the node itself, none.
    told : array of bool, shape (n,)
        Whether others know that the node is taken.
    live : array of uint32
        Own free nodes that point at somebody.
    """

    taken: np.ndarray
    candidate: np.ndarray
    proposed: np.ndarray
    told: np.ndarray
    live: np.ndarray


def advance(
    search: Search | None,
    part: Partition,
    near: Neighbourhood,
    terms: Terms,
    task: LevelTask,
    mail: Mail,
) -> Search:
    """Hear what others tell, and go on as far as that leads; without a search, begin one."""
    edges, rules = edges_of(part, near, terms), rules_of(terms, task)
    if search is None:
        candidate = np.arange(len(near.ids), dtype=np.uint32)
        proposed = candidate[: part.num_nodes].copy()
        live = proposed.copy()
        taken = np.zeros(len(candidate), np.bool_)
        num_live = _begin(live, taken, candidate, edges, rules)
        told = np.zeros(part.num_nodes, np.bool_)
        return Search(taken, candidate, proposed, told, live[:num_live].copy())
    taken, candidate, live = search.taken.copy(), search.candidate.copy(), search.live.copy()
    for peer, one in mail.items():
        ghosts = near.ghosts_of(peer)
        if "to" in one:
            candidate[ghosts][one["of"]] = near.shown_to(peer)[one["to"]]
        if "taken" in one:
            taken[ghosts][one["taken"]] = True
        if "bits" in one:
            length = ghosts.stop - ghosts.start
            taken[ghosts] |= np.unpackbits(one["bits"], count=length).view(np.bool_)
    num_live = _settle(live, len(live), taken, candidate, edges, rules)
    return Search(taken, candidate, search.proposed, search.told, live[:num_live].copy())


def accept(search: Search, part: Partition, near: Neighbourhood, mail: Mail) -> Search:
    """Marry those whose ghost points back, and do nothing else."""
    candidate, taken = search.candidate.copy(), search.taken.copy()
    for peer, one in mail.items():
        if "to" in one:
            candidate[near.ghosts_of(peer)][one["of"]] = near.shown_to(peer)[one["to"]]
    mutual = candidate[candidate[search.live]] == search.live
    taken[search.live[mutual]] = True
    return Search(taken, candidate, search.proposed, search.told, search.live[~mutual])


def edges_of(part: Partition, near: Neighbourhood, terms: Terms):
    """What kernels read of the edges."""
    return (
        read_only(unsigned(part.indptr)),
        read_only(near.columns),
        read_only(terms.weights),
        terms.code,
        read_only(terms.scale),
        read_only(terms.loop),
        read_only(terms.neighbours),
        read_only(near.ids),
    )


def rules_of(terms: Terms, task: LevelTask):
    """What kernels read of who may merge; None where all may."""
    if task.limit == np.inf and terms.group is None and terms.survives is None:
        return None
    nobody = np.zeros(1, np.bool_)
    group = np.zeros(1, np.int64) if terms.group is None else terms.group
    return (
        read_only(terms.node_weights),
        task.limit,
        terms.group is not None,
        read_only(group),
        terms.survives is not None,
        read_only(nobody if terms.survives is None else terms.survives),
    )


def tell(search: Search, part: Partition, near: Neighbourhood) -> tuple[Search, Mail]:
    """What others must hear: whom own nodes point at, and which of them are taken."""
    n = part.num_nodes
    own = search.candidate[:n]
    asking = np.flatnonzero((own >= n) & (own != search.proposed)).astype(np.uint32)
    proposed = search.proposed.copy()
    proposed[asking] = own[asking]
    news = search.taken[:n] & ~search.told
    order = np.argsort(own[asking], kind="stable")
    asking = asking[order]
    bounds = np.searchsorted(own[asking], near.ghost_bounds)
    mail: Mail = {}
    for peer in near.peers:
        shown = near.shown_to(peer)
        mine = asking[bounds[peer] : bounds[peer + 1]]
        marks = news[shown]
        count = int(np.count_nonzero(marks))
        few = 32 * count < len(marks)
        mail[peer] = message(
            of=np.searchsorted(shown, mine) if len(mine) else None,
            to=own[mine] - near.ghost_bounds[peer] if len(mine) else None,
            taken=np.flatnonzero(marks) if few and count else None,
            bits=None if few else np.packbits(marks),
        )
    return (
        Search(search.taken, search.candidate, proposed, search.taken[:n], search.live),
        {peer: one for peer, one in mail.items() if one},
    )


def tally(search: Search, part: Partition, near: Neighbourhood) -> Tally:
    """How many nodes go on, how long their rows are, and what became of the others."""
    n = part.num_nodes
    lengths = np.diff(part.indptr)
    return {
        "live": len(search.live),
        "rows": int(lengths[search.live].sum()),
        "married": int(np.count_nonzero(search.taken[:n])),
        "left": int(np.count_nonzero(~search.taken[:n] & (near.neighbours > 0))),
        "isolated": int(np.count_nonzero(near.neighbours == 0)),
    }


@kernel(inline="always")
def _best(u, taken, edges, rules, only_free):
    """First neighbour of u in the order, or u; only a free and admissible one if so asked."""
    indptr, columns, weights, code, scale, loop, neighbours, ids = edges
    best = u
    best_rating = -np.inf
    best_count = np.int64(0)
    for at in range(indptr[u], indptr[u + 1]):
        v = columns[at]
        rating = rate(code, weights[at], u, v, scale, loop)
        if rating < best_rating or v == u:
            continue
        if only_free:
            if taken[v]:
                continue
            if rules is not None:
                node_weights, limit, labelled, group, surviving, survives = rules
                if limit < np.inf and node_weights[u] + node_weights[v] > limit:
                    continue
                if labelled and group[u] != group[v]:
                    continue
                if surviving and survives[u] and survives[v]:
                    continue
        count = np.int64(neighbours[v])
        if (
            rating > best_rating
            or count < best_count
            or (count == best_count and ids[u] ^ ids[v] < ids[u] ^ ids[best])
        ):
            best, best_rating, best_count = v, rating, count
    return best


@kernel()
def _look(seekers, taken, candidate, edges, rules):
    for u in seekers:
        candidate[u] = _best(u, taken, edges, rules, True)


@kernel()
def find_hubs(nodes, hubs, taken, edges):
    """The first neighbour of each node in the order, free or not."""
    for i in range(len(nodes)):
        hubs[i] = _best(nodes[i], taken, edges, None, False)


@kernel()
def _begin(live, taken, candidate, edges, rules):
    """Rounds while they marry many, then one after the other; live becomes those that go on."""
    spare = live.copy()
    seekers = live
    count = len(live)
    while len(seekers) > 0:
        before = count
        _look(seekers, taken, candidate, edges, rules)
        for u in live[:count]:
            v = candidate[u]
            taken[u] = (candidate[v] == u) & (v != u)
        left, bereft = 0, 0
        for u in live[:count]:
            v = candidate[u]
            goes_on = (not taken[u]) & (v != u)
            live[left] = u
            left += goes_on
            spare[bereft] = u
            bereft += goes_on & taken[v]
        count = left
        seekers = spare[:bereft]
        if (before - count) * PROGRESS < before:
            break
    _look(seekers, taken, candidate, edges, rules)
    return _settle(live, count, taken, candidate, edges, rules)


@kernel(inline="always")
def _pair(u, v, n, taken, queue, tail):
    """Two nodes marry, and those of them that are no ghosts join the queue; returns its end."""
    taken[u] = True
    taken[v] = True
    queue[tail] = u
    tail += 1
    if v < n:
        queue[tail] = v
        tail += 1
    return tail


@kernel()
def _settle(live, count, taken, candidate, edges, rules):
    """Marry whoever points at each other, and let those look again whose candidate was taken."""
    indptr, columns = edges[0], edges[1]
    n = len(indptr) - 1
    queue = np.empty(2 * count + 2, live.dtype)
    for _ in range(REPEATS):
        head, tail, looked = 0, 0, 0
        for u in live[:count]:
            v = candidate[u]
            if taken[u] or v == u:
                continue
            if candidate[v] == u:  # a ghost that points here is free, or is taken by u
                tail = _pair(u, v, n, taken, queue, tail)
        for u in live[:count]:
            v = candidate[u]
            if taken[u] or v == u or not taken[v]:
                continue
            looked += 1
            y = _best(u, taken, edges, rules, True)
            candidate[u] = y
            if y != u and candidate[y] == u:
                tail = _pair(u, y, n, taken, queue, tail)
        while head < tail:
            u = queue[head]
            head += 1
            for at in range(indptr[u], indptr[u + 1]):
                x = columns[at]
                if x >= n or taken[x] or candidate[x] != u:
                    continue
                y = _best(x, taken, edges, rules, True)
                candidate[x] = y
                if y != x and candidate[y] == x:
                    tail = _pair(x, y, n, taken, queue, tail)
        left = 0
        for u in live[:count]:
            live[left] = u
            left += (not taken[u]) & (candidate[u] != u)
        count = left
        if looked == 0 and tail == 0:
            break
    return count
