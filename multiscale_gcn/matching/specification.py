"""The matching in plain Python: slow, and what every other backend must equal bit for bit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.methods import MatchingMethod, VisitingOrderMatching
from multiscale_gcn.matching.order import EdgeOrder, edge_hash


def match(graph: Graph, method: MatchingMethod) -> Matching:
    order = EdgeOrder(graph, method.rating, method.seed)
    state = _State(graph, method)
    if isinstance(method, VisitingOrderMatching):
        _visit(graph, method, order, state)
    else:
        _take_best(graph, order, state)
    if method.two_hop:
        _pair_two_hop(graph, order, state)
    if method.isolated == "pair":
        _pair_isolated(graph, order, state)
    return Matching(np.array(state.mate, dtype=graph.indices.dtype), np.array(state.kind, np.int8))


class _State:
    def __init__(self, graph: Graph, method: MatchingMethod) -> None:
        self.mate = list(range(graph.num_nodes))
        self.kind = [PairKind.SINGLE] * graph.num_nodes
        self.node_weights = graph.node_weights.tolist()
        self.max_node_weight = method.max_node_weight

    def free(self, u: int) -> bool:
        return self.kind[u] == PairKind.SINGLE

    def admissible(self, u: int, v: int) -> bool:
        merged = self.node_weights[u] + self.node_weights[v]
        return self.max_node_weight is None or merged <= self.max_node_weight

    def marry(self, u: int, v: int, kind: PairKind) -> None:
        self.mate[u], self.mate[v] = v, u
        self.kind[u] = self.kind[v] = kind

    def marry_waiting(self, nodes: Iterable[int], kind: PairKind) -> None:
        """Pair each node with the one that waits; of two too heavy together the lighter waits."""
        waiting: int | None = None
        for u in nodes:
            if waiting is None:
                waiting = u
            elif self.admissible(waiting, u):
                self.marry(waiting, u, kind)
                waiting = None
            elif self.node_weights[u] < self.node_weights[waiting]:
                waiting = u


def _neighbours(graph: Graph, u: int) -> list[tuple[int, float]]:
    row = slice(graph.indptr[u], graph.indptr[u + 1])
    entries = zip(graph.indices[row].tolist(), graph.weights[row].tolist(), strict=True)
    return [(v, w) for v, w in entries if v != u]


def _take_best(graph: Graph, order: EdgeOrder, state: _State) -> None:
    edges = [(u, v, w) for u in range(graph.num_nodes) for v, w in _neighbours(graph, u) if u < v]
    for u, v, _ in sorted(edges, key=lambda edge: order.key(*edge)):
        if state.free(u) and state.free(v) and state.admissible(u, v):
            state.marry(u, v, PairKind.EDGE)


def _visit(graph: Graph, method: VisitingOrderMatching, order: EdgeOrder, state: _State) -> None:
    def turn(u: int) -> tuple[float, int]:
        if method.order == "degree":
            return float(order.terms.degree[u]), u
        return edge_hash(method.seed, u, u), u

    for u in sorted(range(graph.num_nodes), key=turn):
        candidates = [
            (order.key(u, v, w), v)
            for v, w in _neighbours(graph, u)
            if state.free(v) and state.admissible(u, v)
        ]
        if state.free(u) and candidates:
            state.marry(u, min(candidates)[1], PairKind.EDGE)


def _pair_two_hop(graph: Graph, order: EdgeOrder, state: _State) -> None:
    waiting_at = defaultdict(list)
    for u in range(graph.num_nodes):
        neighbours = _neighbours(graph, u)
        if state.free(u) and neighbours:
            hub = min(neighbours, key=lambda entry: order.key(u, *entry))[0]
            waiting_at[hub].append(u)
    for nodes in waiting_at.values():
        state.marry_waiting(nodes, PairKind.TWO_HOP)


def _pair_isolated(graph: Graph, order: EdgeOrder, state: _State) -> None:
    state.marry_waiting(
        (u for u in range(graph.num_nodes) if order.degrees[u] == 0), PairKind.ISOLATED
    )
