"""Graphs of networkx and PyTorch Geometric, and frames of edges, to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.arrays import as_array, from_edge_index, from_edges
from multiscale_gcn.convert.assembly import as_ids, assemble, count_nodes
from multiscale_gcn.graph import Graph


def from_networkx(source: Any, weights: Any, node_weights: Any) -> Graph:
    if source.is_directed():
        raise ValueError("the graph is directed; pass graph.to_undirected()")
    if not isinstance(weights, str | None):
        raise ValueError("weights of a networkx graph is the name of an edge attribute")
    place = {node: i for i, node in enumerate(source)}
    if node_weights is None:
        node_weights = [
            _number(data.get("weight", 1.0), f"weight of node {node!r}")
            for node, data in source.nodes(data=True)
        ]
    attribute, default = ("weight", 1.0) if weights is None else (weights, None)
    edges = [
        (place[u], place[v], _number(w, f"{attribute} of edge ({u!r}, {v!r})"))
        for u, v, w in source.edges(data=attribute, default=default)
    ]
    ids = np.array([edge[:2] for edge in edges], dtype=np.int64).reshape(-1, 2).T
    values = np.array([edge[2] for edge in edges], dtype=np.float64)
    # Parallel edges of a multigraph may be listed as (u, v) and (v, u).
    return assemble(np.sort(ids, axis=0), values, node_weights, len(place), True, "edges")


def from_data(
    source: Any, weights: Any, node_weights: Any, num_nodes: int | None, symmetrize: bool
) -> Graph:
    """Of an object with an ``edge_index``, as ``torch_geometric.data.Data``."""
    if weights is None:
        weights = getattr(source, "edge_weight", None)
    elif isinstance(weights, str):
        weights = _attribute(source, weights)
    if node_weights is None and getattr(source, "node_weight", None) is not None:
        node_weights = as_array(source.node_weight)
    if num_nodes is None:
        num_nodes = getattr(source, "num_nodes", None)
    ids = as_array(source.edge_index)
    return from_edge_index(ids, weights, node_weights, num_nodes, symmetrize)


def is_frame(source: Any) -> bool:
    return hasattr(source, "columns") and hasattr(source, "dtypes")


def from_frame(
    source: Any, weights: Any, node_weights: Any, num_nodes: int | None, symmetrize: bool
) -> Graph:
    ends = {
        name: as_ids(_column(source, name), f"column {name!r}") for name in ("source", "target")
    }
    if isinstance(weights, str):
        weights = _column(source, weights)
    elif weights is None and "weight" in source.columns:
        weights = _column(source, "weight")
    n = count_nodes(num_nodes, **ends)
    ids = np.stack(list(ends.values()))
    return from_edges(ids, weights, node_weights, n, symmetrize, "rows of the frame")


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"the {what} is {value!r}, not a number") from None


def _attribute(source: Any, name: str) -> np.ndarray:
    values = getattr(source, name, None)
    if values is None:
        raise ValueError(f"weights = {name!r} is no attribute of the {type(source).__name__}")
    array = as_array(values)
    if array.ndim == 2 and array.shape[1] == 1:  # as the transforms of PyTorch Geometric write it
        return array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"weights = {name!r} has shape {array.shape}; an edge has one weight: pass "
            "weights=..., an array of shape (E,) that you make of it"
        )
    return array


def _column(frame: Any, name: str) -> np.ndarray:
    columns = list(frame.columns)
    if name not in columns:
        raise ValueError(
            f"the frame has no column {name!r}, only {columns}; rename yours to source, target "
            "and weight, or pass frame.to_numpy() if it is a square matrix"
        )
    array = np.asarray(frame[name])
    # Columns that may hold missing values come as objects even where none is missing.
    return np.array(array.tolist()) if array.dtype == object else array
