"""The strict total order on edges. Nothing here may change a result without a new version."""

from __future__ import annotations

from multiscale_gcn.graph import Graph
from multiscale_gcn.ratings import NodeTerms, Rating

ORDER_VERSION = 1

MASK = 2**64 - 1
INCREMENT = 0x9E3779B97F4A7C15
FACTOR_1 = 0xBF58476D1CE4E5B9
FACTOR_2 = 0x94D049BB133111EB

EdgeKey = tuple[float, int, int, int, int, int]


def mix64(value: int) -> int:
    """A bijection of the 64-bit integers that scatters them: SplitMix64's output function.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    value = (value + INCREMENT) & MASK
    value = ((value ^ (value >> 30)) * FACTOR_1) & MASK
    value = ((value ^ (value >> 27)) * FACTOR_2) & MASK
    return value ^ (value >> 31)


def edge_hash(seed: int, u: int, v: int) -> int:
    """64 bits that depend on the seed and on the unordered pair."""
    return mix64(mix64(mix64(seed) ^ min(u, v)) ^ max(u, v))


class EdgeOrder:
    """The order of the edges of one graph: ``sorted(edges, key=order.key)`` has the best first.

    1. rating, higher first; 2. sum of the numbers of neighbours of the two ends, smaller first;
    3. u XOR v, smaller first; 4. :func:`edge_hash`, larger first; 5. the smaller id, then the
    larger, smaller first.
    """

    def __init__(self, graph: Graph, rating: Rating, seed: int) -> None:
        self.rating = rating
        self.seed = seed
        self.terms = NodeTerms.of(graph)
        self.degrees = graph.degrees().tolist()

    def key(self, u: int, v: int, weight: float) -> EdgeKey:
        return (
            -float(self.rating.edge(weight, u, v, self.terms)),
            self.degrees[u] + self.degrees[v],
            u ^ v,
            -edge_hash(self.seed, u, v),
            min(u, v),
            max(u, v),
        )
