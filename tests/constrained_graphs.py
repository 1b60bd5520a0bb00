"""Graphs on which ties, limits and constraints meet, as ``coarsen`` takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from multiscale_gcn import Graph, HeavyEdgeMatching, VisitingOrderMatching, as_graph
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.testing.problems import RATINGS
from multiscale_gcn.testing.problems import constrained_graphs as constrained_graphs

Drawn = tuple[Graph, dict[str, Any]]


@st.composite
def methods(draw: st.DrawFn) -> MatchingMethod:
    options: dict[str, Any] = {
        "rating": draw(st.sampled_from(RATINGS)),
        "seed": draw(st.sampled_from([0, 1, 2**64 - 1])),
        "max_node_weight": draw(st.none() | st.integers(3, 7)),
        "two_hop": draw(st.sampled_from([True, True, False, "auto"])),
        "isolated": draw(st.sampled_from(["pair", "pair", "keep"])),
    }
    order: Any = draw(st.sampled_from([None, None, "random", "degree", "natural"]))
    if order is None:
        return HeavyEdgeMatching(**options)
    return VisitingOrderMatching(**options, order=order)


def _node_weights(draw: st.DrawFn, n: int) -> np.ndarray:
    """From few values, so that some pairs are too heavy and many nodes are equally heavy."""
    return np.array(draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)), np.float64)


@st.composite
def crowded_graphs(draw: st.DrawFn) -> Drawn:
    """Leaves that wait at a hub or two, and nodes without any neighbour."""
    n, hubs = draw(st.integers(3, 24)), draw(st.integers(1, 2))
    leaves = draw(st.integers(hubs, n))
    ids = np.array([[u % hubs, u] for u in range(hubs, leaves)], np.int64).reshape(-1, 2).T
    place = np.array(draw(st.permutations(range(n))), np.int64)
    graph = as_graph(
        place[ids], kind="edge_index", weights=np.ones(ids.shape[1]), num_nodes=n,
        node_weights=_node_weights(draw, n), symmetrize=True,
    )  # fmt: skip
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        return graph, options
    if draw(st.booleans()):
        options["labels"] = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    if draw(st.booleans()):
        drawn = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        options["survivors"] = np.array(drawn, np.bool_)
    return graph, options


@st.composite
def symmetric_pairs(draw: st.DrawFn) -> Drawn:
    """Edges that share no node: all are pairs, and some are each other's images, or their own."""
    n = 2 * draw(st.integers(1, 12))
    pairs = np.array(draw(st.permutations(range(n))), np.int64).reshape(-1, 2)
    if draw(st.booleans()):  # u XOR v is the same for all
        n, bit = 16, draw(st.sampled_from([1, 2, 4, 8]))
        first = np.array([u for u in draw(st.permutations(range(n))) if not u & bit])
        flipped = np.array(draw(st.lists(st.booleans(), min_size=n // 2, max_size=n // 2)))
        pairs = np.stack([first, first ^ bit], axis=1)
        pairs[flipped] = pairs[flipped, ::-1]
    mirror = np.arange(n)
    swapped = draw(st.integers(0, len(pairs) // 2))
    for (a, b), (c, d) in zip(pairs[:swapped], pairs[swapped : 2 * swapped], strict=True):
        mirror[[a, b, c, d]] = [c, d, a, b]
    for a, b in pairs[2 * swapped :]:
        mirror[[a, b]] = draw(st.sampled_from([(a, b), (b, a)]))
    weights = draw(st.sampled_from([np.ones(n), np.array([*range(1, 4)] * n)[:n]]))
    graph = as_graph(
        pairs.T, kind="edge_index", num_nodes=n, symmetrize=True,
        node_weights=np.minimum(weights, weights[mirror]),
    )  # fmt: skip
    return graph, {"symmetry": mirror}


@st.composite
def symmetric_cliques(draw: st.DrawFn) -> Drawn:
    """All edges alike, so that the hash of ids and images decides; stars around a node that is its
    own image; sides with labels of their own; and members of a batch."""
    sizes = draw(st.lists(st.integers(2, 14), min_size=1, max_size=2))
    n = sum(sizes)
    A, mirror, first = np.zeros((n, n)), np.arange(n), 0
    for size in sizes:
        here = slice(first, first + size)
        shape = draw(st.sampled_from(["clique", "clique", "star", "edgeless"]))
        if shape == "clique":
            A[here, here] = 1 - np.eye(size)
        order = first + np.array(draw(st.permutations(range(size))), np.int64)
        swapped = draw(st.integers(0, size // 2))
        left, right = order[:swapped], order[swapped : 2 * swapped]
        mirror[left], mirror[right] = right, left
        if shape == "star" and 2 * swapped < size:
            A[order[-1], order[:-1]] = A[order[:-1], order[-1]] = 1
        first += size
    weights = _node_weights(draw, n)
    options: dict[str, Any] = {"symmetry": mirror}
    if draw(st.booleans()):
        options["labels"] = np.sign(mirror - np.arange(n))
    if draw(st.booleans()):
        survivors = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        options["survivors"] = survivors & survivors[mirror]
    if len(sizes) > 1 or draw(st.booleans()):
        options["batch"] = 3 * np.repeat(np.arange(len(sizes)), sizes)
    return as_graph(A, node_weights=np.minimum(weights, weights[mirror])), options
