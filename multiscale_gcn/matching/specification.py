"""The matching in plain Python: slow, and what every other backend must equal bit for bit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.matching.order import EdgeOrder, edge_hash


def match(graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
    order = EdgeOrder(graph, method.rating, method.seed, of_nodes.constraints)
    state = _State(graph, method, of_nodes)
    rated = Graph._of_valid(
        graph.indptr, graph.indices, method.rating.entries(graph), graph.node_weights
    )
    if method.turns is not None:
        _visit(rated, method, order, state)
    else:
        _take_best(rated, order, state)
    if method.two_hop:
        left = [u for u in range(graph.num_nodes) if state.free(u) and _neighbours(graph, u)]
        if method.two_hop == "auto":
            left = _of_stalled_members(left, state, of_nodes.member.tolist())
        _pair_two_hop(rated, left, order, state)
    if method.isolated == "pair":
        _pair_isolated(graph, order, state)
    return Matching._of_valid(
        mate=np.array(state.mate, dtype=graph.indices.dtype), kind=np.array(state.kind, np.int8)
    )


class _State:
    def __init__(self, graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> None:
        n = graph.num_nodes
        self.mate = list(range(n))
        self.kind = [PairKind.SINGLE] * n
        self.node_weights = graph.node_weights.tolist()
        self.max_node_weight = method.max_node_weight
        self.group = of_nodes.group.tolist()
        self.mirror: list[int] = of_nodes.mirror.tolist()
        self.survives = of_nodes.survives.tolist()

    def free(self, u: int) -> bool:
        return self.kind[u] == PairKind.SINGLE

    def fixed(self, u: int) -> bool:
        return self.mirror[u] == u

    def admissible(self, u: int, v: int) -> bool:
        merged = self.node_weights[u] + self.node_weights[v]
        return (
            (self.max_node_weight is None or merged <= self.max_node_weight)
            and self.group[u] == self.group[v]
            and not (self.survives[u] and self.survives[v])
            and self.fixed(u) == self.fixed(v)
        )

    def marry(self, u: int, v: int, kind: PairKind) -> None:
        """Marry the two, and their images."""
        for a, b in ((u, v), (self.mirror[u], self.mirror[v])):
            self.mate[a], self.mate[b] = b, a
            self.kind[a] = self.kind[b] = kind

    def marry_waiting(self, nodes: Iterable[int], kind: PairKind) -> None:
        """Pair each node with the one that waits; of two that may not merge the lighter waits."""
        waiting: int | None = None
        for u in nodes:
            if not self.free(u):
                continue
            if waiting is None or self.group[waiting] != self.group[u]:
                waiting = u
            elif self.admissible(waiting, u):
                self.marry(waiting, u, kind)
                waiting = None
            elif self.node_weights[u] < self.node_weights[waiting]:
                waiting = u

    def marry_image(self, u: int, kind: PairKind) -> None:
        v = self.mirror[u]
        if u != v and self.free(u) and self.admissible(u, v):
            self.marry(u, v, kind)


def _neighbours(graph: Graph, u: int) -> list[tuple[int, float]]:
    row = slice(graph.indptr[u], graph.indptr[u + 1])
    entries = zip(graph.indices[row].tolist(), graph.weights[row].tolist(), strict=True)
    return [(v, w) for v, w in entries if v != u]


def _take_best(graph: Graph, order: EdgeOrder, state: _State) -> None:
    edges = [(u, v, w) for u in range(graph.num_nodes) for v, w in _neighbours(graph, u) if u < v]
    for u, v, _ in sorted(edges, key=lambda edge: order.key(*edge)):
        if state.free(u) and state.free(v) and state.admissible(u, v):
            state.marry(u, v, PairKind.EDGE)


def _visit(graph: Graph, method: MatchingOptions, order: EdgeOrder, state: _State) -> None:
    def turn(u: int) -> tuple[float, int]:
        if method.turns == "degree":
            return float(order.terms.degree[u]), u
        if method.turns == "natural":
            return 0.0, u
        return edge_hash(method.seed, order.ids[u], order.ids[u]), u

    for u in sorted(range(graph.num_nodes), key=turn):
        candidates = [
            (order.key(u, v, w), v)
            for v, w in _neighbours(graph, u)
            if state.free(v) and state.admissible(u, v)
        ]
        if state.free(u) and candidates:
            state.marry(u, min(candidates)[1], PairKind.EDGE)


def _of_stalled_members(left: list[int], state: _State, member: list[int]) -> list[int]:
    """Those of members of the batch that have more nodes left over than edges have married."""
    num_left = Counter(member[u] for u in left)
    married = Counter(m for u, m in enumerate(member) if not state.free(u))
    return [u for u in left if num_left[member[u]] > married[member[u]]]


def _pair_two_hop(graph: Graph, left: list[int], order: EdgeOrder, state: _State) -> None:
    """Pair the nodes that wait at the same neighbour.

    Under a symmetry a hub and its image have the same pairs, mirrored. Nodes that are their own
    image wait together at both; the others merge with their image at a hub that is its own.
    """
    waiting_at = defaultdict(list)
    for u in left:
        if not state.free(u):
            continue
        hub = min((order.key(u, v, w), v) for v, w in _neighbours(graph, u))[1]
        if state.fixed(u):
            waiting_at[True, min(hub, state.mirror[hub]), state.group[u]].append(u)
        elif state.fixed(hub):
            state.marry_image(u, PairKind.TWO_HOP)
        elif hub < state.mirror[hub]:
            waiting_at[False, hub, state.group[u]].append(u)
    for nodes in waiting_at.values():
        state.marry_waiting(nodes, PairKind.TWO_HOP)


def _pair_isolated(graph: Graph, order: EdgeOrder, state: _State) -> None:
    """Pair the isolated nodes of each group; under a symmetry one side, mirrored."""
    isolated = [u for u in range(graph.num_nodes) if order.degrees[u] == 0]
    isolated.sort(key=lambda u: state.group[u])
    state.marry_waiting((u for u in isolated if state.fixed(u)), PairKind.ISOLATED)
    state.marry_waiting((u for u in isolated if u < state.mirror[u]), PairKind.ISOLATED)
    for u in isolated:
        state.marry_image(u, PairKind.ISOLATED)
