"""Fewer pairs, so that a level gets exactly its size: those that come first in a strict order.

The order is that of :mod:`multiscale_gcn.matching.truncation`. Every partition sorts its pairs; a
sample of all tells between which keys the last one to keep must lie, and what lies there is looked
at in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.compiled.hashing import mix64, mix64_array
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.matching import PairKind
from multiscale_gcn.supersteps.messages import Mail, Message, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import Pairs, by_owner
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.rounds import edges_of, rate
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.supersteps.terms import Terms

SAMPLE = 1 << 12
"""Keys that a partition tells of its own."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The pairs whose first node is a partition's own, the first to keep first.

    Parameters
    ----------
    nodes : array of int64, shape (k,)
        The first node of each.
    keys : array of uint64, shape (k, 8)
        Compared from the left.
    """

    nodes: np.ndarray
    keys: np.ndarray


def weigh(pairs: Pairs, part: Partition, near: Neighbourhood) -> Mail:
    """Tell the first of each pair what the order asks of the second."""
    u = np.arange(part.num_nodes)
    second = np.flatnonzero((pairs.mate < part.low) & (pairs.mate < u + part.low))
    return {
        owner: message(
            second=second[chosen] + part.low,
            first=pairs.mate[second[chosen]],
            weight=part.node_weights[second[chosen]],
            neighbours=near.neighbours[second[chosen]],
        )
        for owner, chosen in by_owner(pairs.mate[second], part.bounds)
    }


def rank(
    pairs: Pairs, part: Partition, near: Neighbourhood, terms: Terms, task: LevelTask, mail: Mail
) -> Ranking:
    """The keys of own pairs, in order."""
    n, low = part.num_nodes, part.low
    first = np.flatnonzero(pairs.mate > np.arange(low, low + n))
    second = pairs.mate[first]
    inside = second < part.high
    weight, neighbours = np.zeros(n), np.zeros(n, np.int64)
    weight[first[inside]] = part.node_weights[second[inside] - low]
    neighbours[first[inside]] = near.neighbours[second[inside] - low]
    of = arrived(mail, "first") - low
    weight[of] = arrived(mail, "weight", np.float64)
    neighbours[of] = arrived(mail, "neighbours")
    rating = np.zeros(len(first))
    kind = pairs.kind[first]
    on_edge = np.flatnonzero(kind == PairKind.EDGE)
    _rate_pairs(first, second, on_edge, edges_of(part, near, terms), rating)
    u, v = (first + low).astype(np.uint64), second.astype(np.uint64)
    mixed = np.uint64(mix64(task.method.seed))
    keys = np.stack(
        [
            _ascending(part.node_weights[first] + weight[first]),
            kind.astype(np.uint64),
            _ascending(0.0 - rating),
            (near.neighbours[first] + neighbours[first]).astype(np.uint64),
            u ^ v,
            ~mix64_array(mix64_array(mixed ^ u) ^ v),
            u,
            v,
        ],
        axis=1,
    )
    order = _order(keys)
    return Ranking(first[order] + low, keys[order])


def sample(ranking: Ranking) -> Message:
    """Keys at equal distances, and how many they stand for."""
    step = max(1, len(ranking.keys) // SAMPLE)
    chosen = ranking.keys[step - 1 :: step]
    return {
        "keys": chosen.reshape(-1),
        "step": np.array([step]),
        "count": np.array([len(ranking.keys)]),
    }


def bracket(mail: Mail, max_pairs: int) -> Message:
    """Keys, of which the last pair to keep lies after the first, and not after the second."""
    keys, steps = [], []
    for _, one in sorted(mail.items()):
        own = one["keys"].reshape(-1, 8)
        keys.append(own)
        steps.append(np.full(len(own), one["step"][0]))
    every, step = np.concatenate(keys), np.concatenate(steps)
    order = _order(every)
    every, step = every[order], step[order]
    slack = sum(int(one["step"][0]) - 1 for one in mail.values())
    surely = np.cumsum(step)  # so many keys are at most the sampled one
    at_most = surely + slack  # and not more than so many
    above = np.searchsorted(surely, max_pairs)
    below = np.searchsorted(at_most, max_pairs) - 1
    lowest, highest = np.zeros(8, np.uint64), np.full(8, np.iinfo(np.uint64).max, np.uint64)
    return {
        "after": every[below] if below >= 0 else lowest,
        "until": every[above] if above < len(every) else highest,
    }


def between(ranking: Ranking, mail: Mail) -> Message:
    """How many own keys come before, and those that lie between."""
    (limits,) = mail.values()
    begin = _place(ranking.keys, limits["after"])
    end = _place(ranking.keys, limits["until"])
    return {"before": np.array([begin]), "keys": ranking.keys[begin:end].reshape(-1)}


def last_kept(mail: Mail, max_pairs: int) -> Message:
    """The key of the last pair to keep."""
    keys = arrived(mail, "keys", np.uint64).reshape(-1, 8)
    rank = max_pairs - int(arrived(mail, "before").sum())
    return {"last": keys[_order(keys)[rank - 1]] if rank else np.zeros(8, np.uint64)}


def cut(pairs: Pairs, ranking: Ranking, part: Partition, mail: Mail) -> tuple[Pairs, Mail]:
    """Only the pairs up to the last one to keep; tell the owners of second nodes."""
    (one,) = mail.values()
    dropped = ranking.nodes[_place(ranking.keys, one["last"]) :]
    second = pairs.mate[dropped - part.low]
    kept = alone(pairs, part, dropped)
    inside = second < part.high
    kept = alone(kept, part, second[inside])
    outside = second[~inside]
    return kept, {
        owner: message(node=outside[chosen]) for owner, chosen in by_owner(outside, part.bounds)
    }


def hear(pairs: Pairs, part: Partition, mail: Mail) -> Pairs:
    """The pairs without those whose first node's owner dropped them."""
    return alone(pairs, part, arrived(mail, "node"))


def alone(pairs: Pairs, part: Partition, nodes: np.ndarray) -> Pairs:
    """The pairs without those of these own nodes."""
    return pairs.married(part, nodes, nodes, PairKind.SINGLE)


def _order(keys: np.ndarray) -> np.ndarray:
    order: np.ndarray = np.lexsort(keys.T[::-1])
    return order


def _place(keys: np.ndarray, key: np.ndarray) -> int:
    """How many of the sorted keys are at most the key."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if tuple(keys[middle]) <= tuple(key):
            low = middle + 1
        else:
            high = middle
    return low


def _ascending(values: np.ndarray) -> np.ndarray:
    """Integers in the same order as the floats; both zeros are one number."""
    bits = (values + 0.0).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


@kernel()
def _rate_pairs(first, second, on_edge, edges, rating):
    indptr, columns, weights, code, scale, loop, _, ids = edges
    for i in on_edge:
        u = first[i]
        for at in range(indptr[u], indptr[u + 1]):
            v = columns[at]
            if np.int64(ids[v]) == second[i]:
                rating[i] = rate(code, weights[at], u, v, scale, loop)
