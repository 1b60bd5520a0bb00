"""One level in supersteps, in one process, and the problems that it is tried on."""

from __future__ import annotations

from typing import Any

import numpy as np
from constrained_graphs import crowded_graphs
from hypothesis import strategies as st

from multiscale_gcn import (
    Expansion,
    ExpansionStar,
    ExpansionStar2,
    Graph,
    HeavyEdgeMatching,
    InnerOuter,
    round_weights,
)
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.supersteps.engine import Watch
from multiscale_gcn.supersteps.in_process import run
from multiscale_gcn.supersteps.partition import Partition, divided
from multiscale_gcn.supersteps.sources import InMemory
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.testing import graphs
from multiscale_gcn.testing.problems import RATINGS, heavy_edge_matchings

PARTITIONS = (1, 2, 3, 7)
ALL_RATINGS = (*RATINGS, Expansion(), ExpansionStar(), ExpansionStar2(), InnerOuter())

Made = tuple[Graph, np.ndarray]


def joined(parts: list[Partition], quantum: float | None) -> Graph:
    """The whole graph of all partitions."""
    starts = np.cumsum([0, *(part.indptr[-1] for part in parts)])
    indptr = np.concatenate(
        [[0], *(part.indptr[1:] + start for part, start in zip(parts, starts, strict=False))]
    ).astype(np.int64)
    return Graph._of_valid(
        indptr,
        np.concatenate([part.indices for part in parts]).astype(parts[0].indices.dtype),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.node_weights for part in parts]),
        quantum,
    )


def made(
    graph: Graph,
    task: LevelTask,
    constraints: Constraints,
    num_partitions: int,
    watch: Watch = lambda name, tallies: None,
) -> Made | None:
    """The coarse graph and the parents; None, if nothing merges."""
    parts = divided(graph, constraints, num_partitions)
    crew = run(task, [InMemory(part) for part in parts], watch)
    if crew is None:
        return None
    states = list(crew.states.values())
    coarse = joined([part for _, part in states], graph.quantum)
    return coarse, np.concatenate([parent for parent, _ in states])


@st.composite
def problems(draw: st.DrawFn) -> tuple[Graph, Constraints, HeavyEdgeMatching]:
    """Graphs of exact weights, labels and survivors, and heavy edge matching with any options."""
    if draw(st.integers(0, 2)) == 0:
        graph, given = draw(crowded_graphs())
    else:
        graph = draw(graphs())
        n = graph.num_nodes
        given = dict[str, Any]()
        if draw(st.integers(0, 2)) == 0:
            drawn = draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
            given["labels"] = np.array(drawn, np.int64)
        if draw(st.integers(0, 2)) == 0:
            marked = draw(st.lists(st.booleans(), min_size=n, max_size=n))
            given["survivors"] = np.array(marked, np.bool_)
    method = draw(heavy_edge_matchings(ALL_RATINGS))
    return round_weights(graph)[0], Constraints.of(graph, **given), method
