"""Isolated nodes pair by their ids, across partitions."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.matching import PairKind
from multiscale_gcn.supersteps.messages import Mail, Message, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import Pairs, hear_mates, tell_mates
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.supersteps.waiting import pair_waiting, places


def by_turns(part: Partition, task: LevelTask) -> bool:
    """Whether who pairs depends on more than how many there are, so that one partition comes after
    the other."""
    return task.limit < np.inf or part.survivors is not None


def _own(part: Partition, near: Neighbourhood) -> tuple[np.ndarray, np.ndarray]:
    """Isolated nodes by label and id, and their labels."""
    nodes = np.flatnonzero(near.neighbours == 0)
    if part.labels is None:
        return nodes + part.low, np.zeros(len(nodes), np.int64)
    nodes = nodes[np.argsort(part.labels[nodes], kind="stable")]
    return nodes + part.low, part.labels[nodes]


def summary(part: Partition, near: Neighbourhood) -> Message:
    """How many isolated nodes of each label there are, the first and the last."""
    nodes, labels = _own(part, near)
    begin = np.flatnonzero(np.diff(labels, prepend=labels[:1] + 1))
    end = np.append(begin[1:], len(nodes))
    if len(nodes) == 0:
        return {}
    return message(label=labels[begin], count=end - begin, first=nodes[begin], last=nodes[end - 1])


def pair_by_number(pairs: Pairs, part: Partition, near: Neighbourhood, mail: Mail) -> Pairs:
    """The first with the second, and so on, of each label; ``mail`` has everybody's summaries."""
    nodes, labels = _own(part, near)
    if len(nodes) == 0:
        return pairs
    kind = labels.dtype.type
    sender = np.repeat(sorted(mail), [len(mail[q]["count"]) for q in sorted(mail)])
    label, count = arrived(mail, "label", kind), arrived(mail, "count")
    order = np.lexsort((sender, label))
    sender, label, count = sender[order], label[order], count[order]
    first, last = arrived(mail, "first")[order], arrived(mail, "last")[order]
    before = np.cumsum(count) - count
    before -= before[np.searchsorted(label, label)]
    follows = np.append(label[1:] == label[:-1], False)
    next_first = np.where(follows, np.append(first[1:], -1), -1)
    previous_last = np.append(-1, last[:-1])  # read where somebody came before
    own = np.flatnonzero(sender == part.index)
    row = own[np.searchsorted(label[own], labels)]
    begin = np.searchsorted(labels, labels)
    place = np.arange(len(nodes)) - begin
    odd = (place + before[row]) % 2 == 1
    is_last = place == count[row] - 1
    mates = np.where(
        odd,
        np.where(place == 0, previous_last[row], np.roll(nodes, 1)),
        np.where(is_last, next_first[row], np.roll(nodes, -1)),
    )
    found = mates >= 0
    return pairs.married(part, nodes[found], mates[found], PairKind.ISOLATED)


def take_turn(
    pairs: Pairs, part: Partition, near: Neighbourhood, task: LevelTask, mail: Mail
) -> Mail:
    """Pair own isolated nodes, and whoever still waits of the partitions before; tell the owners,
    and the next partition who waits now."""
    nodes, labels = _own(part, near)
    carried = {q: one for q, one in mail.items() if "waits" in one}
    nodes = np.concatenate([arrived(carried, "waits"), nodes])
    labels = np.concatenate([arrived(carried, "label", labels.dtype.type), labels])
    at = nodes[len(nodes) - np.count_nonzero(near.neighbours == 0) :] - part.low
    weight = np.concatenate([arrived(carried, "weight", np.float64), part.node_weights[at]])
    survives = np.zeros(len(nodes), np.bool_)
    if part.survivors is not None:
        survives[:] = np.concatenate([arrived(carried, "survivor", np.bool_), part.survivors[at]])
    order, place = places(labels)
    partner, waits = pair_waiting(place, weight[order], survives[order], task.limit)
    first = np.flatnonzero(partner > np.arange(len(partner)))
    sent = tell_mates(part, nodes[order][first], nodes[order][partner[first]])
    after = part.index + 1
    left = order[waits]
    if after < part.num_partitions and len(left):
        sent[after] = sent.get(after, {}) | message(
            waits=nodes[left], label=labels[left], weight=weight[left], survivor=survives[left]
        )
    return sent


def hear_turn(pairs: Pairs, part: Partition, mail: Mail) -> Pairs:
    """The pairs with those that a partition made when it was its turn."""
    return hear_mates(pairs, part, mail, PairKind.ISOLATED)
