"""Graphs of networkx, igraph, networkit and rustworkx to a graph, in their order of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import as_array, asking, has


def is_networkx(source: Any) -> bool:
    return has(source, "adj", "number_of_nodes")


def from_networkx(source: Any, options: Options) -> Entries:
    attribute, default = _name(options, "networkx")
    with asking(source):
        names = list(source)
        place = {node: i for i, node in enumerate(names)}
        weights = [data.get("weight", 1.0) for _, data in source.nodes(data=True)]
        listed = [
            (place[u], place[v], w) for u, v, w in source.edges(data=attribute, default=default)
        ]
        directed = bool(source.is_directed())
    return _entries(listed, names, directed, attribute, _node_weights(weights, names, options))


def is_igraph(source: Any) -> bool:
    return has(source, "vcount", "get_edgelist", "es", "vs")


def from_igraph(source: Any, options: Options) -> Entries:
    attribute, default = _name(options, "igraph")
    with asking(source):
        held = list(source.es.attributes())
        pairs = source.get_edgelist()
        values = source.es[attribute] if attribute in held else [default] * len(pairs)
        listed = [(u, v, w) for (u, v), w in zip(pairs, values, strict=True)]
        names = _igraph_names(source)
        weights = source.vs["weight"] if "weight" in source.vs.attributes() else None
        directed = bool(source.is_directed())
    if attribute not in held and default is None:
        raise ValueError(
            f"weights = {attribute!r} is no attribute of the edges, only {held}; name one of these"
        )
    return _entries(listed, names, directed, attribute, _node_weights(weights, names, options))


def _igraph_names(source: Any) -> Sequence[Any]:
    """Its attribute "name", where that tells nodes apart."""
    if "name" in source.vs.attributes():
        names = list(source.vs["name"])
        if all(type(name) is str for name in names) and len(set(names)) == len(names):
            return names
    return range(source.vcount())


def is_networkit(source: Any) -> bool:
    return has(source, "upperNodeIdBound", "iterEdgesWeights", "isDirected")


def from_networkit(source: Any, options: Options) -> Entries:
    with asking(source):
        names = list(source.iterNodes())
        place = {node: i for i, node in enumerate(names)}
        # Weights are 1 in a graph without them.
        listed = [(place[u], place[v], w) for u, v, w in source.iterEdgesWeights()]
        directed = bool(source.isDirected())
    return _entries(listed, names, directed, "weight")


def is_rustworkx(source: Any) -> bool:
    return has(source, "weighted_edge_list", "node_indices")


def from_rustworkx(source: Any, options: Options) -> Entries:
    """The objects on its edges are their weights; None on all of them says that there are none."""
    attribute, _ = _name(options, "rustworkx")
    with asking(source):
        names = list(source.node_indices())
        place = {node: i for i, node in enumerate(names)}
        listed = [(place[u], place[v], held) for u, v, held in source.weighted_edge_list()]
    directed = has(source, "in_degree")  # which graphs without directions lack
    if options.weights is not None:
        listed = [
            (u, v, held.get(attribute) if isinstance(held, dict) else None) for u, v, held in listed
        ]
    elif all(held is None for _, _, held in listed):
        listed = [(u, v, 1.0) for u, v, _ in listed]
    return _entries(listed, names, directed, attribute)


def _node_weights(weights: Any, names: Sequence[Any], options: Options) -> list[float] | None:
    """Those of the source, if they count."""
    if weights is None or options.node_weights is not None:
        return None
    return [
        _number(weight, f"weight of node {node!r}")
        for node, weight in zip(names, weights, strict=True)
    ]


def _entries(
    listed: Sequence[tuple[int, int, Any]],
    names: Sequence[Any],
    directed: bool,
    attribute: str,
    node_weights: Any = None,
) -> Entries:
    values = [
        w if type(w) is float else _number(w, f"{attribute} of edge ({names[u]!r}, {names[v]!r})")
        for u, v, w in listed
    ]
    ids = np.array([edge[:2] for edge in listed], dtype=np.int64).reshape(-1, 2).T
    if not directed:  # parallel edges may be listed as (u, v) and (v, u)
        ids = np.sort(ids, axis=0)
    return Entries(
        ids,
        np.array(values, dtype=np.float64),
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
