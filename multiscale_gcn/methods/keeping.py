"""What methods share that keep some of the nodes: how many more to keep, which, and the maps."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.graph.constraints import NodeConstraints


def numbered(leader: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parent map and samples of nodes that each follow a kept one; who is kept follows itself.

    Coarse nodes have the order of the kept nodes, so that members of a batch stay in order.
    """
    sampled = np.flatnonzero(leader == np.arange(len(leader)))
    return np.searchsorted(sampled, leader), sampled


def still_missing(
    kept: np.ndarray, of_nodes: NodeConstraints, max_merges: np.ndarray | None
) -> np.ndarray:  # [number of members]
    """How many more nodes of each member must be kept, for it not to lose more than it may."""
    sizes = of_nodes.member_sizes
    if max_merges is None:
        return np.zeros_like(sizes)
    held = np.bincount(of_nodes.member[kept], minlength=len(sizes))
    missing: np.ndarray = np.maximum(sizes - max_merges - held, 0)
    return missing


def first_of_each(nodes: np.ndarray, member: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The first so many of each member, of nodes in the order of preference."""
    nodes, place = _by_member(nodes, member)
    first: np.ndarray = nodes[place < count[member[nodes]]]
    return first


def spread_over_each(nodes: np.ndarray, member: np.ndarray, count: np.ndarray) -> np.ndarray:
    """So many nodes of each member, evenly strided over the order in which they are given."""
    nodes, place = _by_member(nodes, member)
    wanted = count[member[nodes]]
    available = np.bincount(member[nodes], minlength=len(count))[member[nodes]]
    strided: np.ndarray = nodes[(place + 1) * wanted // available > place * wanted // available]
    return strided


def _by_member(nodes: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nodes sorted by member, otherwise in their order, and the place of each within it."""
    nodes = nodes[np.argsort(member[nodes], kind="stable")]
    of = member[nodes]
    return nodes, np.arange(len(nodes)) - np.searchsorted(of, of)
