"""Graphs of this library, and their tensors, to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.outputs import GraphTensors
from multiscale_gcn.convert.values import attribute, has, tensor_to_array
from multiscale_gcn.graph import Graph


def is_graph(source: Any) -> bool:
    return isinstance(source, Graph)


def graph_of(source: Any) -> Any:
    """The graph of a level of a hierarchy; anything else itself."""
    graph = attribute(source, "graph") if has(source, "index", "constraints") else None
    return graph if isinstance(graph, Graph) else source


def from_graph(source: Graph, options: Options) -> Entries:
    return Entries(
        source.edge_index(),
        np.asarray(source.weights),
        source.num_nodes,
        "entries",
        node_weights=source.node_weights,
    )


def is_tensors(source: Any) -> bool:
    return isinstance(source, GraphTensors)


def from_tensors(source: GraphTensors, options: Options) -> Entries:
    return from_graph(Graph(*(tensor_to_array(tensor) for tensor in source)), options)
