"""What few nodes are left of a matching is finished by one worker, with the kernels for memory."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.supersteps.messages import Mail, Message, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import tell_mates
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.rounds import Search, edges_of, rate, rules_of
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.supersteps.terms import Terms


def residue(
    search: Search, part: Partition, near: Neighbourhood, terms: Terms, task: LevelTask
) -> Message:
    """The rows of own live nodes, with what the order asks of them; whom own nodes took since
    others were told."""
    live = search.live
    most = int(np.diff(part.indptr)[live].sum())
    lengths = np.zeros(len(live), np.int64)
    columns, ratings = np.empty(most, np.uint32), np.empty(most)
    edges, rules = edges_of(part, near, terms), rules_of(terms, task)
    count = _collect(
        read_only(live), read_only(search.taken), edges, rules, lengths, columns, ratings
    )
    n = part.num_nodes
    fresh = search.candidate[:n][search.taken[:n] & ~search.told]
    return message(
        live=near.ids[live],
        neighbours=near.neighbours[live],
        lengths=lengths,
        columns=near.ids[columns[:count]],
        ratings=ratings[:count],
        gone=near.ids[fresh[fresh >= n]],
    )


def finish(part: Partition, mail: Mail) -> Mail:
    """Marry whoever is left, and tell the owners."""
    live = arrived(mail, "live")
    rows = np.repeat(np.arange(len(live)), arrived(mail, "lengths"))
    columns = arrived(mail, "columns")
    free = ~np.isin(live, arrived(mail, "gone"))
    place = np.minimum(np.searchsorted(live, columns), max(len(live) - 1, 0))
    kept = free[rows] & free[place] & (live[place] == columns) if len(columns) else rows > 0
    rows, columns = rows[kept], place[kept].astype(np.int32)
    indptr = np.searchsorted(rows, np.arange(len(live) + 1))
    mate, kind = np.arange(len(live), dtype=np.int32), np.zeros(len(live), np.int8)
    everyone = unsigned(mate).copy()
    nothing = np.empty(len(live))
    edges = (
        unsigned(indptr.astype(np.int64)),
        unsigned(columns),
        arrived(mail, "ratings", np.float64)[kept],
        on_cpu.EDGE_WEIGHT,
        nothing,
        nothing,
        arrived(mail, "neighbours", np.int32),
        np.uint64(0),
    )
    rules = (
        np.zeros(len(live), np.int64),
        np.zeros(len(live), np.bool_),
        np.arange(len(live)),
        live,
    )
    on_cpu.marry_rest(
        everyone, everyone, np.empty_like(everyone), unsigned(mate), kind, edges,
        (nothing, np.inf), rules,
    )  # fmt: skip
    first = np.flatnonzero(mate > np.arange(len(live)))
    return tell_mates(part, live[first], live[mate[first]])


@kernel()
def _collect(live, taken, edges, rules, lengths, columns, ratings):
    """The edges of live nodes to those that are free and may merge with them."""
    indptr, local, weights, code, scale, loop, _, _ = edges
    count = 0
    for i in range(len(live)):
        u = live[i]
        begin = count
        for at in range(indptr[u], indptr[u + 1]):
            v = local[at]
            if v == u or taken[v]:
                continue
            if rules is not None:
                node_weights, limit, labelled, group, surviving, survives = rules
                if limit < np.inf and node_weights[u] + node_weights[v] > limit:
                    continue
                if labelled and group[u] != group[v]:
                    continue
                if surviving and survives[u] and survives[v]:
                    continue
            columns[count] = v
            ratings[count] = rate(code, weights[at], u, v, scale, loop)
            count += 1
        lengths[i] = count - begin
    return count
