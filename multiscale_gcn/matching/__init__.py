"""One step: which pairs of nodes merge."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np

from multiscale_gcn.backends import select_backend
from multiscale_gcn.constraints import Constraints
from multiscale_gcn.exact import round_weights
from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.defferrard import DefferrardMatching as DefferrardMatching
from multiscale_gcn.matching.matching import Matching as Matching
from multiscale_gcn.matching.matching import PairKind as PairKind
from multiscale_gcn.matching.methods import HeavyEdgeMatching as HeavyEdgeMatching
from multiscale_gcn.matching.methods import MatchingMethod as MatchingMethod
from multiscale_gcn.matching.methods import VisitingOrderMatching as VisitingOrderMatching
from multiscale_gcn.matching.order import ORDER_VERSION as ORDER_VERSION
from multiscale_gcn.matching.refusals import check_cupy
from multiscale_gcn.matching.truncation import truncate

_MODULES = {
    "python": "multiscale_gcn.matching.specification",
    "numba": "multiscale_gcn.matching.compiled",
    "cupy": "multiscale_gcn.matching.cuda",
}


def match(
    graph: Graph,
    method: MatchingMethod | None = None,
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
    method : MatchingMethod, optional
        :class:`HeavyEdgeMatching` by default.
    constraints : Constraints, optional
        Which nodes may merge, from ``Constraints.of(graph, ...)``.
    max_pairs : int or array of int, shape (number of members,), optional
        Keep only so many pairs, those of the smallest merged node weight; an array has one
        number for each member of a batch.
    backend : {"auto", "numba", "cupy", "python"}
        All return the same arrays. ``"cupy"`` runs :class:`HeavyEdgeMatching` only: in the other
        methods each node waits for the ones before it.

    Returns
    -------
    Matching

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
    method = HeavyEdgeMatching() if method is None else method
    constraints = Constraints() if constraints is None else constraints
    if not isinstance(method, MatchingMethod):
        raise TypeError(
            f"method must be a matching method such as HeavyEdgeMatching(), got {method!r}; "
            "coarsen takes others"
        )
    if backend == "cupy":
        check_cupy(method)
    implementation = import_module(_MODULES[select_backend(backend).name])
    graph, _ = round_weights(graph, constraints.batch)
    constraints.check_length(graph.num_nodes)
    rating = method.rating.evaluated(graph, constraints)
    if rating is not method.rating:
        method = replace(method, rating=rating)
    if max_pairs is None:
        matching: Matching = implementation.match(graph, method, constraints)
        return matching
    allowed = _allowed(max_pairs, len(constraints.member_sizes(graph.num_nodes)))
    matching = implementation.match(graph, method, constraints)
    if constraints.batch is None and matching.num_pairs <= allowed[0]:
        return matching
    return truncate(graph, method, constraints, matching, allowed)


def _allowed(max_pairs: int | np.ndarray, num_members: int) -> np.ndarray:  # [num_members]
    allowed = np.atleast_1d(np.asarray(max_pairs))
    if allowed.shape != (num_members,):
        raise ValueError(
            f"max_pairs has shape {allowed.shape}, expected ({num_members},): one number for each "
            "member of the batch"
        )
    if len(allowed) and allowed.dtype.kind not in "ui":
        raise ValueError(f"max_pairs must hold integers, got dtype {allowed.dtype}")
    if (allowed < 0).any():
        raise ValueError(f"max_pairs = {max_pairs} must not be negative")
    return allowed
