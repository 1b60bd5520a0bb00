"""Pairs of a partition's nodes, by the ids of the whole graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from multiscale_gcn.matching import PairKind
from multiscale_gcn.supersteps.messages import Mail, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.rounds import Search


@dataclass(frozen=True, eq=False)
class Pairs:
    """Who merges with whom.

    Parameters
    ----------
    mate : array of int64, shape (n,)
        Id of the other node; the node's own without one.
    kind : array of int8, shape (n,)
        A :class:`~multiscale_gcn.PairKind`.
    """

    mate: np.ndarray
    kind: np.ndarray

    def married(self, part: Partition, nodes: np.ndarray, mates: np.ndarray, kind: int) -> Pairs:
        """With these own nodes married too."""
        mate, kinds = self.mate.copy(), self.kind.copy()
        mate[nodes - part.low] = mates
        kinds[nodes - part.low] = kind
        return Pairs(mate, kinds)

    def num_leads(self, part: Partition) -> int:
        """How many own nodes are the first of their cluster."""
        return int(np.count_nonzero(self.mate >= np.arange(part.low, part.high)))


def pairs_of(search: Search, part: Partition, near: Neighbourhood) -> Pairs:
    """What the rounds married."""
    n = part.num_nodes
    taken = search.taken[:n]
    own = np.arange(part.low, part.high)
    mate = np.where(taken, near.ids[search.candidate[:n]].astype(np.int64), own)
    return Pairs(mate, np.where(taken, np.int8(PairKind.EDGE), np.int8(PairKind.SINGLE)))


def tell_mates(part: Partition, first: np.ndarray, second: np.ndarray) -> Mail:
    """Tell the owners of both nodes of each pair, oneself included."""
    nodes, mates = np.concatenate([first, second]), np.concatenate([second, first])
    return {
        owner: message(node=nodes[chosen], mate=mates[chosen])
        for owner, chosen in by_owner(nodes, part.bounds)
    }


def hear_mates(pairs: Pairs, part: Partition, mail: Mail, kind: int) -> Pairs:
    """The pairs with those that others made."""
    nodes = arrived(mail, "node")
    return pairs.married(part, nodes, arrived(mail, "mate"), kind) if len(nodes) else pairs


def by_owner(nodes: np.ndarray, bounds: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """Who owns which of the nodes: partitions, and positions in the list."""
    owner = np.searchsorted(bounds, nodes, side="right") - 1
    order = np.argsort(owner, kind="stable")
    cuts = np.searchsorted(owner[order], np.arange(len(bounds)))
    for q in np.flatnonzero(np.diff(cuts)).tolist():
        yield q, order[cuts[q] : cuts[q + 1]]
