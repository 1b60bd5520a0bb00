"""Isolated nodes paired by place: the two nearest of all that are free, again and again."""

from __future__ import annotations

from collections import defaultdict
from heapq import heapify, heappop, heappush

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.positions import NodePositions

Candidate = tuple[float, int, int, int, int]
"""The key of a pair, smallest first (the squared distance, then as between edges: XOR and the
smaller one of the ids within the member of the batch), and its two nodes."""


def pair_nearest(
    graph: Graph,
    positions: NodePositions,
    max_node_weight: float | None,
    of_nodes: NodeConstraints,
    matching: Matching,
) -> Matching:
    """The matching, in which isolated nodes are single, with these paired.

    Under a symmetry a pair and its image are taken together, when the better of the two comes.
    """
    search = _Search(graph, positions, max_node_weight, of_nodes)
    mate, kind = matching.mate.copy(), matching.kind.copy()
    mirror = of_nodes.mirror
    waiting = [best for u in search.nodes if (best := search.best(u))]
    heapify(waiting)
    while waiting:
        *_, u, v = heappop(waiting)
        if not search.free[u]:
            continue
        if search.free[v]:
            for a, b in ((u, v), (int(mirror[u]), int(mirror[v]))):
                search.free[a] = search.free[b] = False
                mate[a], mate[b] = b, a
                kind[a] = kind[b] = PairKind.ISOLATED
        elif best := search.best(u):
            heappush(waiting, best)
    return Matching._of_valid(mate=mate, kind=kind)


class _Search:
    """The best partner of a node among those that are free.

    What is found stays a lower bound of what will be, since nodes only cease to be free: so a pair
    that comes first of all is the next to take.
    """

    def __init__(
        self,
        graph: Graph,
        positions: NodePositions,
        max_node_weight: float | None,
        of_nodes: NodeConstraints,
    ) -> None:
        n = graph.num_nodes
        self.nodes = np.flatnonzero(graph.degrees() == 0).tolist()
        self.free = np.zeros(n, dtype=np.bool_)
        self.free[self.nodes] = True
        self.positions = positions
        self.weights = graph.node_weights
        self.limit = np.inf if max_node_weight is None else float(max_node_weight)
        self.survives = of_nodes.survives
        self.ids = of_nodes.local_ids
        self.mirror: list[int] = of_nodes.mirror.tolist()
        self.group = of_nodes.group.tolist()
        alike = defaultdict(list)
        for u in self.nodes:
            alike[self._class(u)].append(u)
        self.alike = {key: np.array(nodes) for key, nodes in alike.items()}

    def best(self, u: int) -> Candidate | None:
        key = self._class(u)
        nodes = self.alike[key]
        nodes = self.alike[key] = nodes[self.free[nodes]]
        may = (nodes != u) & (self.weights[nodes] + self.weights[u] <= self.limit)
        if self.survives[u]:
            may &= ~self.survives[nodes]
        nodes = nodes[may]
        if len(nodes) == 0:
            return None
        distance = self.positions.squared_distances(u, nodes)
        shortest = distance.min()
        apart = self.ids[u] ^ self.ids[nodes]
        at = np.flatnonzero(distance == shortest)
        at = at[np.argmin(apart[at])]
        v = int(nodes[at])
        return float(shortest), int(apart[at]), int(min(self.ids[u], self.ids[v])), u, v

    def _class(self, u: int) -> tuple[int, bool]:
        """Nodes that may merge are of one group, and both or neither their own image."""
        return self.group[u], self.mirror[u] == u
