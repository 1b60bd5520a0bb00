"""Graphs with constraints, and what to ask of a matching, drawn by hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from multiscale_gcn.graph import Graph
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching
from multiscale_gcn.ratings import EdgeWeight, NormalizedAssociation, NormalizedCut, Rating
from multiscale_gcn.testing.strategies import graphs

RATINGS: tuple[Rating, ...] = (EdgeWeight(), NormalizedCut(), NormalizedAssociation())


@st.composite
def heavy_edge_matchings(
    draw: st.DrawFn, ratings: tuple[Rating, ...] = RATINGS
) -> HeavyEdgeMatching:
    """The method with any of its options."""
    return HeavyEdgeMatching(
        rating=draw(st.sampled_from(ratings)),
        seed=draw(st.integers(0, 2**64 - 1)),
        max_node_weight=draw(st.none() | st.integers(1, 6)),
        two_hop=draw(st.sampled_from([True, False, "auto"])),
        isolated=draw(st.sampled_from(["pair", "keep"])),
    )


@st.composite
def constrained_graphs(
    draw: st.DrawFn, max_nodes: int = 30, min_nodes: int = 0
) -> tuple[Graph, dict[str, Any]]:
    """A graph with labels, survivors and members of a batch, each or not, as ``coarsen`` takes
    them."""
    members = draw(st.lists(graphs(max_nodes=max_nodes // 2), min_size=1, max_size=3))
    if sum(member.num_nodes for member in members) < min_nodes:
        members = [draw(graphs(max_nodes=max_nodes, min_nodes=min_nodes))]
    graph = together(members)
    n = graph.num_nodes
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        sizes = [member.num_nodes for member in members]
        options["batch"] = np.repeat(np.arange(len(members)), sizes).astype(np.int64)
    if draw(st.booleans()):
        drawn = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
        options["labels"] = np.array(drawn, dtype=np.int64)
    if draw(st.booleans()):
        drawn = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        options["survivors"] = np.array(drawn, dtype=np.bool_)
    return graph, options


def together(members: list[Graph]) -> Graph:
    """The graphs as one, the nodes of each behind those of the ones before."""
    nodes = np.cumsum([0, *(member.num_nodes for member in members)])
    entries = np.cumsum([0, *(member.num_entries for member in members)])
    return Graph(
        np.concatenate(
            [[0], *(m.indptr[1:] + before for m, before in zip(members, entries, strict=False))]
        ).astype(np.int64),
        np.concatenate(
            [m.indices + before for m, before in zip(members, nodes, strict=False)]
        ).astype(np.int64),
        np.concatenate([member.weights for member in members]),
        np.concatenate([member.node_weights for member in members]),
    )
