"""One step: which pairs of nodes merge."""

from __future__ import annotations

from importlib import import_module

from multiscale_gcn.backends import select_backend
from multiscale_gcn.exact import round_weights
from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching as Matching
from multiscale_gcn.matching.matching import PairKind as PairKind
from multiscale_gcn.matching.methods import HeavyEdgeMatching as HeavyEdgeMatching
from multiscale_gcn.matching.methods import MatchingMethod as MatchingMethod
from multiscale_gcn.matching.methods import VisitingOrderMatching as VisitingOrderMatching
from multiscale_gcn.matching.order import ORDER_VERSION as ORDER_VERSION
from multiscale_gcn.matching.truncation import truncate

_MODULES = {
    "python": "multiscale_gcn.matching.specification",
    "numba": "multiscale_gcn.matching.compiled",
}


def match(
    graph: Graph,
    method: MatchingMethod | None = None,
    *,
    max_pairs: int | None = None,
    backend: str = "auto",
) -> Matching:
    """Match the nodes of a graph in pairs that are to merge.

    Parameters
    ----------
    graph : Graph
        Its weights are made exact first, see :func:`~multiscale_gcn.round_weights`.
    method : MatchingMethod, optional
        :class:`HeavyEdgeMatching` by default.
    max_pairs : int, optional
        Keep only so many pairs, those of the smallest merged node weight.
    backend : {"auto", "numba", "python"}
        All return the same arrays.

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
    if max_pairs is not None and max_pairs < 0:
        raise ValueError(f"max_pairs = {max_pairs} must not be negative")
    method = HeavyEdgeMatching() if method is None else method
    implementation = import_module(_MODULES[select_backend(backend).name])
    graph, _ = round_weights(graph)
    matching: Matching = implementation.match(graph, method)
    if max_pairs is not None and matching.num_pairs > max_pairs:
        return truncate(graph, method, matching, max_pairs)
    return matching
