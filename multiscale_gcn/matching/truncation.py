"""Fewer pairs, so that a level gets exactly the size that was asked for."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.methods import MatchingMethod
from multiscale_gcn.matching.order import FACTOR_1, FACTOR_2, INCREMENT, mix64
from multiscale_gcn.ratings import NodeTerms


def truncate(graph: Graph, method: MatchingMethod, matching: Matching, max_pairs: int) -> Matching:
    """Keep the pairs of the smallest merged node weight.

    Of equal ones edges come before two-hop pairs and these before isolated ones, then the order
    of the edges decides, in which two nodes without an edge have the rating 0.
    """
    pairs = matching.pairs()
    merged = graph.node_weights[pairs].sum(axis=1)
    cut = np.partition(merged, max_pairs)[max_pairs] if max_pairs < len(pairs) else np.inf
    tied = pairs[merged == cut]
    ranked = tied[_ranks(graph, method, tied, matching.kind[tied[:, 0]])]
    kept = pairs[merged < cut]
    kept = np.concatenate([kept, ranked[: max_pairs - len(kept)]])

    mate = np.arange(matching.num_nodes, dtype=matching.mate.dtype)
    kind = np.zeros_like(matching.kind)
    mate[kept] = kept[:, ::-1]
    kind[kept] = matching.kind[kept]
    return Matching(mate, kind)


def _ranks(
    graph: Graph,
    method: MatchingMethod,
    pairs: np.ndarray,  # [p, 2], smaller id first
    kind: np.ndarray,  # [p]
) -> np.ndarray:  # [p], positions, best first
    u, v = pairs.T
    on_edge = kind == PairKind.EDGE
    rating = np.zeros(len(pairs))
    terms = NodeTerms.of(graph)
    weights = _edge_weights(graph, u[on_edge], v[on_edge])
    rating[on_edge] = method.rating.edge(weights, u[on_edge], v[on_edge], terms)
    neighbours = graph.degrees()
    hashes = _mix64(
        _mix64(np.uint64(mix64(method.seed)) ^ u.astype(np.uint64)) ^ v.astype(np.uint64)
    )
    return np.lexsort((v, u, ~hashes, u ^ v, neighbours[u] + neighbours[v], -rating, kind))


def _edge_weights(graph: Graph, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    n = graph.num_nodes
    entries = graph.rows().astype(np.int64) * n + graph.indices
    return graph.weights[np.searchsorted(entries, u * n + v)]


def _mix64(values: np.ndarray) -> np.ndarray:
    values = values + np.uint64(INCREMENT)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(FACTOR_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(FACTOR_2)
    return values ^ (values >> np.uint64(31))
