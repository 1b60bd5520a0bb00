"""The strict total order on edges. Nothing here may change a result without a new version."""

from __future__ import annotations

from multiscale_gcn.compiled.hashing import FACTOR_1 as FACTOR_1
from multiscale_gcn.compiled.hashing import FACTOR_2 as FACTOR_2
from multiscale_gcn.compiled.hashing import INCREMENT as INCREMENT
from multiscale_gcn.compiled.hashing import mix64 as mix64
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings import NodeTerms, Rating

ORDER_VERSION = 1

EdgeKey = tuple[float, int, int, int, int, int]


def edge_hash(seed: int, u: int, v: int) -> int:
    """64 bits that depend on the seed and on the unordered pair."""
    return mix64(mix64(mix64(seed) ^ min(u, v)) ^ max(u, v))


class EdgeOrder:
    """The order of the edges of one graph: ``sorted(edges, key=order.key)`` has the best first.

    1. rating, higher first; 2. sum of the numbers of neighbours of the two ends, smaller first;
    3. u XOR v, smaller first; 4. :func:`edge_hash`, larger first; 5. the smaller id, then the
    larger, smaller first. In a batch the ids are those within the member. Under a symmetry an
    edge has the better key of its own and its image's, so the order is one of orbits.
    """

    def __init__(
        self,
        graph: Graph,
        rating: Rating,
        seed: int,
        constraints: Constraints | None = None,
    ) -> None:
        constraints = Constraints() if constraints is None else constraints
        self.rating = rating
        self.seed = seed
        self.terms: NodeTerms = NodeTerms.of(graph)
        self.degrees: list[int] = graph.degrees().tolist()
        of_nodes = constraints.per_node(graph.num_nodes)
        self.ids: list[int] = of_nodes.local_ids.tolist()
        self.mirror: list[int] = of_nodes.mirror.tolist()

    def key(self, u: int, v: int, weight: float) -> EdgeKey:
        rating = float(self.rating.edge(weight, u, v, self.terms))
        neighbours = self.degrees[u] + self.degrees[v]
        image = self._tie_key(self.mirror[u], self.mirror[v])
        return (-rating, neighbours, *min(self._tie_key(u, v), image))

    def _tie_key(self, u: int, v: int) -> tuple[int, int, int, int]:
        first, second = sorted((self.ids[u], self.ids[v]))
        return first ^ second, -edge_hash(self.seed, first, second), first, second
