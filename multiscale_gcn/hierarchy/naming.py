"""Answers by what people call their nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.checks.arguments import shown, whole_number
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.names import Name, is_name
from multiscale_gcn.hierarchy.level import Level, parent_between

if TYPE_CHECKING:
    import pandas


def members(levels: Sequence[Level], node: Name, level: int) -> tuple[Name, ...]:
    """Names of the finest nodes in the coarse node of one of them."""
    graph = levels[0].graph
    parent = parent_between(levels, 0, level)
    same = np.flatnonzero(parent == parent[_number(graph, node)]).tolist()
    return tuple(same if graph.names is None else [graph.names[u] for u in same])


def frame(levels: Sequence[Level]) -> pandas.DataFrame:
    """A row for every finest node, a column for every coarser level."""
    frames = library("pandas", "to_frame", "frames")
    names = levels[0].graph.names
    index: Any = None if names is None else frames.Index(names, name="node", tupleize_cols=False)
    columns = {
        f"level {k}": parent_between(levels, 0, k).astype(np.int64) for k in range(1, len(levels))
    }
    if index is None:
        index = frames.RangeIndex(levels[0].num_nodes, name="node")
    made: pandas.DataFrame = frames.DataFrame(columns, index=index)
    return made


def _number(graph: Graph, node: Any) -> int:
    if graph.names is None:
        return whole_number(node, "node", least=0, most=graph.num_nodes - 1)
    if is_name(node) and node in graph.names:
        return graph.names.index(node)
    first = ", ".join(map(repr, graph.names[:3]))
    raise ValueError(f"node = {shown(node)} is no node; they are called {first}, ...")
