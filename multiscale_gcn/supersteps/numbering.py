"""Coarse ids: the first nodes of all clusters are counted from partition to partition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from multiscale_gcn.supersteps.messages import Mail, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import Pairs, by_owner
from multiscale_gcn.supersteps.partition import Partition


def coarse_bounds(leads: Sequence[int]) -> np.ndarray:  # [number of partitions + 1]
    """Where the coarse nodes of each partition begin: those whose first node it owns."""
    return np.cumsum([0, *leads]).astype(np.int64)


def number(pairs: Pairs, part: Partition, bounds: np.ndarray) -> tuple[np.ndarray, Mail]:
    """Coarse ids of own nodes, -1 where another partition gives it; tell those of second nodes."""
    n, low = part.num_nodes, part.low
    ids = np.arange(low, low + n)
    leads = pairs.mate >= ids
    parent = np.cumsum(leads) + (bounds[part.index] - 1)
    inside = ~leads & (pairs.mate >= low)
    parent[~leads] = -1
    parent[inside] = parent[pairs.mate[inside] - low]
    across = np.flatnonzero(pairs.mate >= part.high)
    return parent, {
        owner: message(node=pairs.mate[across[chosen]], parent=parent[across[chosen]])
        for owner, chosen in by_owner(pairs.mate[across], part.bounds)
    }


def hear(parent: np.ndarray, part: Partition, mail: Mail) -> np.ndarray:
    """Coarse ids of all own nodes."""
    parent = parent.copy()
    parent[arrived(mail, "node") - part.low] = arrived(mail, "parent")
    return parent


def tell(parent: np.ndarray, near: Neighbourhood) -> Mail:
    """Coarse ids for those who have own nodes as ghosts."""
    return {peer: message(parent=parent[near.shown_to(peer)]) for peer in near.peers}


def with_ghosts(parent: np.ndarray, near: Neighbourhood, mail: Mail) -> np.ndarray:
    """Coarse ids of own nodes and ghosts."""
    every = np.empty(len(near.ids), near.ids.dtype)
    every[: len(parent)] = parent
    for peer, one in mail.items():
        every[near.ghosts_of(peer)] = one["parent"]
    return every
