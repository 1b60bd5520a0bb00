"""Nodes that are left over pair where they wait: at the best neighbour of each."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.supersteps.messages import Mail, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import Pairs, tell_mates
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.rounds import edges_of, find_hubs
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.supersteps.terms import Terms
from multiscale_gcn.supersteps.waiting import pair_waiting, places


def go_to_hubs(
    pairs: Pairs, part: Partition, near: Neighbourhood, terms: Terms, task: LevelTask
) -> Mail:
    """Tell the owners of the hubs who waits there, oneself included."""
    nodes = np.flatnonzero((pairs.kind == 0) & (near.neighbours > 0)).astype(np.uint32)
    hubs = np.empty_like(nodes)
    find_hubs(nodes, hubs, np.zeros(1, np.bool_), edges_of(part, near, terms))
    weighed = task.limit < np.inf or part.survivors is not None
    mail: Mail = {}
    for peer in [part.index, *near.peers]:
        here = near.ghosts_of(peer) if peer != part.index else slice(0, part.num_nodes)
        chosen = (hubs >= here.start) & (hubs < here.stop)
        if not chosen.any():
            continue
        u = nodes[chosen]
        mail[peer] = message(
            hub=hubs[chosen] - here.start,
            waits=u.astype(np.int64) + part.low,
            weight=part.node_weights[u] if weighed else None,
            label=None if part.labels is None else part.labels[u],
            survivor=None if part.survivors is None else part.survivors[u],
        )
    return mail


def pair_at_hubs(part: Partition, near: Neighbourhood, task: LevelTask, mail: Mail) -> Mail:
    """Pair those who wait at own hubs, and tell their owners."""
    hub = [
        one["hub"] if sender == part.index else near.shown_to(sender)[one["hub"]]
        for sender, one in sorted(mail.items())
    ]
    if not hub:
        return {}
    keys = [np.concatenate(hub).astype(np.int64)]
    if part.labels is not None:
        keys.append(arrived(mail, "label", part.labels.dtype))
    order, place = places(*keys)
    nodes = arrived(mail, "waits")[order]
    weighed = task.limit < np.inf or part.survivors is not None
    partner, _ = pair_waiting(
        place,
        arrived(mail, "weight", np.float64)[order] if weighed else None,
        None if part.survivors is None else arrived(mail, "survivor", np.bool_)[order],
        task.limit,
    )
    first = np.flatnonzero(partner > np.arange(len(partner)))
    return tell_mates(part, nodes[first], nodes[partner[first]])
