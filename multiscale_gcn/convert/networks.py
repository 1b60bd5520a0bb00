"""Graphs of networkx, igraph, networkit and rustworkx to a graph, in their order of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import as_array, has


def is_networkx(source: Any) -> bool:
    return has(source, "adj", "number_of_nodes")


def from_networkx(source: Any, options: Options) -> Entries:
    names = list(source)
    place = {node: i for i, node in enumerate(names)}
    node_weights = None
    if options.node_weights is None:
        node_weights = [
            _number(data.get("weight", 1.0), f"weight of node {node!r}")
            for node, data in source.nodes(data=True)
        ]
    attribute, default = _name(options, "networkx")
    edges = [
        (place[u], place[v], _number(w, f"{attribute} of edge ({u!r}, {v!r})"))
        for u, v, w in source.edges(data=attribute, default=default)
    ]
    return _entries(edges, names, source.is_directed(), node_weights)


def is_igraph(source: Any) -> bool:
    return has(source, "vcount", "get_edgelist", "es", "vs")


def from_igraph(source: Any, options: Options) -> Entries:
    attribute, default = _name(options, "igraph")
    pairs = source.get_edgelist()
    if attribute in source.es.attributes():
        values = source.es[attribute]
    elif default is None:
        raise ValueError(
            f"weights = {attribute!r} is no attribute of the edges, only "
            f"{source.es.attributes()}; name one of these"
        )
    else:
        values = [default] * len(pairs)
    edges = [
        (u, v, _number(w, f"{attribute} of edge ({u}, {v})"))
        for (u, v), w in zip(pairs, values, strict=True)
    ]
    node_weights = None
    if options.node_weights is None and "weight" in source.vs.attributes():
        node_weights = [
            _number(w, f"weight of node {node}") for node, w in enumerate(source.vs["weight"])
        ]
    return _entries(edges, range(source.vcount()), source.is_directed(), node_weights)


def is_networkit(source: Any) -> bool:
    return has(source, "upperNodeIdBound", "iterEdgesWeights", "isDirected")


def from_networkit(source: Any, options: Options) -> Entries:
    names = list(source.iterNodes())
    place = {node: i for i, node in enumerate(names)}
    edges = [
        (place[u], place[v], float(w))  # 1 in a graph without weights
        for u, v, w in source.iterEdgesWeights()
    ]
    return _entries(edges, names, source.isDirected())


def is_rustworkx(source: Any) -> bool:
    return has(source, "weighted_edge_list", "node_indices")


def from_rustworkx(source: Any, options: Options) -> Entries:
    """The objects on its edges are their weights; None on all of them says that there are none."""
    names = list(source.node_indices())
    place = {node: i for i, node in enumerate(names)}
    listed = source.weighted_edge_list()
    attribute, _ = _name(options, "rustworkx")
    if options.weights is not None:
        listed = [
            (u, v, held.get(attribute) if isinstance(held, dict) else None) for u, v, held in listed
        ]
    elif all(held is None for _, _, held in listed):
        listed = [(u, v, 1.0) for u, v, _ in listed]
    edges = [
        (place[u], place[v], _number(w, f"{attribute} of edge ({u}, {v})")) for u, v, w in listed
    ]
    directed = has(source, "in_degree")  # which graphs without directions lack
    return _entries(edges, names, directed)


def _entries(
    edges: Sequence[tuple[int, int, float]],
    names: Sequence[Any],
    directed: bool,
    node_weights: Any = None,
) -> Entries:
    ids = np.array([edge[:2] for edge in edges], dtype=np.int64).reshape(-1, 2).T
    if not directed:  # parallel edges may be listed as (u, v) and (v, u)
        ids = np.sort(ids, axis=0)
    return Entries(
        ids,
        np.array([edge[2] for edge in edges], dtype=np.float64),
        len(names),
        "edges",
        node_weights=node_weights,
        each_once=not directed,
        names=names,
    )


def _name(options: Options, library: str) -> tuple[str, float | None]:
    """Attribute of edges that holds the weights, and what stands in where an edge has none."""
    if options.weights is None:
        return "weight", 1.0
    if isinstance(options.weights, str):
        return options.weights, None
    raise ValueError(
        f"weights of a {library} graph is the name of an edge attribute, got a "
        f"{type(options.weights).__name__}; set the attribute, and name it"
    )


def _number(value: Any, what: str) -> float:
    if isinstance(value, float):  # the usual one, and this runs for every edge
        return value
    if isinstance(value, Real | Decimal) and not isinstance(value, np.timedelta64):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif hasattr(value, "__array__"):
        try:
            array = as_array(value, what)
        except ValueError:
            array = np.empty(0)
        if array.ndim == 0:
            return float(array)
    raise ValueError(f"the {what} is {value!r}, not a number; set a real number")
