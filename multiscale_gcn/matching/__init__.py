"""From a graph to the pairs of nodes that merge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.arrays import plain_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights, warn_of_rounding
from multiscale_gcn.matching.matching import Matching as Matching
from multiscale_gcn.matching.matching import PairKind as PairKind
from multiscale_gcn.matching.nearest import pair_nearest
from multiscale_gcn.matching.options import MatchingOptions as MatchingOptions
from multiscale_gcn.matching.order import ORDER_VERSION as ORDER_VERSION
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.matching.truncation import truncate


def match(
    graph: Graph,
    method: MatchingOptions | None = None,
    *,
    constraints: Constraints | None = None,
    max_pairs: int | np.ndarray | None = None,
    backend: str = "auto",
) -> Matching:
    """Match the nodes of a graph in pairs that are to merge.

    Parameters
    ----------
    graph : Graph
        Its weights are made exact first, see :func:`~multiscale_gcn.round_weights`.
    method : HeavyEdgeMatching or VisitingOrderMatching, optional
        ``HeavyEdgeMatching()`` by default.
    constraints : Constraints, optional
        Which nodes may merge, from ``Constraints.of(graph, ...)``.
    max_pairs : int or array of int, shape (number of members,), optional
        Keep only so many pairs, those of the smallest merged node weight; an array has one
        number for each member of a batch.
    backend : str
        See :func:`~multiscale_gcn.select_backend`; all return the same arrays. ``"cupy"`` runs
        ``HeavyEdgeMatching`` only: in the other each node waits for the ones before it.

    Returns
    -------
    Matching

    Raises
    ------
    TypeError
        If ``graph`` is no :class:`Graph` or ``method`` no matching method.
    ValueError
        For constraints of another graph, for ``max_pairs`` that are no numbers of pairs, and for
        a method that the backend does not run.
    BackendUnavailable
        If the backend cannot run here.

    See Also
    --------
    contract : the coarse graph of a matching
    coarsen : all levels at once

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import as_graph, match
    >>> graph = as_graph(nx.star_graph(6))
    >>> match(graph)
    Matching(3 pairs of 7 nodes, 2 two-hop)
    >>> match(graph, max_pairs=1).pairs().tolist()
    [[0, 1]]
    """
    method = MatchingOptions() if method is None else method
    constraints = Constraints() if constraints is None else constraints
    if not isinstance(method, MatchingOptions):
        raise TypeError(
            f"method must be a matching method such as HeavyEdgeMatching(), got {shown(method)}; "
            "coarsen takes others"
        )
    if not isinstance(constraints, Constraints):
        raise TypeError(
            f"constraints = {shown(constraints)} must be Constraints; "
            "Constraints.of(graph, ...) makes them"
        )
    if isinstance(graph, Graph):
        constraints.check(graph)
    exact, rounding = round_weights(graph, constraints.batch)
    warn_of_rounding(rounding)
    return matched(exact, method, constraints, max_pairs, backend)


def matched(
    graph: Graph,
    method: MatchingOptions,
    constraints: Constraints,
    max_pairs: int | np.ndarray | None,
    backend: str,
) -> Matching:
    """:func:`match` of exact weights and constraints of this graph: for algorithms."""
    engine = engine_for(backend, method)
    of_nodes = constraints.per_node(graph.num_nodes)
    rating = method.rating.evaluated(graph, constraints)
    method = method if rating is method.rating else replace(method, rating=rating)
    positions = method.positions if isinstance(method.positions, NodePositions) else None
    if positions is not None:
        positions.check_length(graph.num_nodes)
    allowed = None if max_pairs is None else _allowed(max_pairs, len(of_nodes.member_sizes))
    matching: Matching = engine.match(graph, method, of_nodes)
    if positions is not None:  # on the host, for every backend
        matching = pair_nearest(graph, positions, method.max_node_weight, of_nodes, matching)
    if allowed is None or (constraints.batch is None and matching.num_pairs <= allowed[0]):
        return matching
    return truncate(graph, method, of_nodes, matching, allowed)


def _allowed(max_pairs: int | np.ndarray, num_members: int) -> np.ndarray:  # [num_members]
    allowed = np.atleast_1d(plain_array(max_pairs, "max_pairs"))
    if allowed.shape != (num_members,):
        raise ValueError(
            f"max_pairs has shape {allowed.shape}, expected ({num_members},): one number for each "
            "member of the batch"
        )
    if len(allowed) and allowed.dtype.kind not in "ui":
        raise ValueError(f"max_pairs must hold integers, got dtype {allowed.dtype}")
    if (allowed < 0).any():
        raise ValueError(f"max_pairs = {max_pairs} must not be negative")
    bounded: np.ndarray = np.minimum(allowed, np.iinfo(np.int64).max).astype(np.int64)
    return bounded
