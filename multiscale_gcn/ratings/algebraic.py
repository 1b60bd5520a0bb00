"""Nodes that relaxation cannot tell apart merge first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.checks.arguments import real_number, whole_number
from multiscale_gcn.compiled.hashing import LARGEST_SEED, uniform
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings.entries import EntryRating

MOST = 10_000
"""Vectors and sweeps; relaxation has long come to rest by then."""


@dataclass(frozen=True, kw_only=True)
class AlgebraicDistance(EntryRating):
    """Minus the algebraic distance of the two ends: how alike relaxation makes them.

    Random vectors x are smoothed by x <- (1 - omega) x + omega D^-1 W x. What is strongly
    connected, through all paths and not the edge alone, becomes alike soon. The distance of u and
    v is the 2-norm of x_u - x_v over all vectors. Self loops take no part.

    Source: Ron, Safro and Brandt, "Relaxation-based coarsening and multiscale graph
    organization", Multiscale Modeling and Simulation 9(1), 2011; there the coupling is one over
    the distance, which puts the edges in the same order.

    Parameters
    ----------
    vectors : int
        Number of test vectors.
    sweeps : int
        Number of relaxations.
    omega : float
        Damping, above 0 and up to 1.
    seed : int
        The test vectors are a hash of the seed and of the node's id (in its member of a batch),
        from -0.5 to 0.5. All sums are taken in the order of the rows, so the ratings are the same
        on every machine.

    Raises
    ------
    ValueError
        For a value that an option does not take, naming it.

    See Also
    --------
    InnerProduct : how alike features of nodes are
    GivenRating : numbers of your own
    EdgeWeight : the weight itself

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import AlgebraicDistance, HeavyEdgeMatching, coarsen
    >>> method = HeavyEdgeMatching(rating=AlgebraicDistance(sweeps=40))
    >>> halves = coarsen(nx.barbell_graph(8, 0), sizes=[2], method=method)
    >>> halves.parent(0, -1).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """

    vectors: int = 10
    sweeps: int = 20
    omega: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("vectors", "sweeps"):
            number = whole_number(getattr(self, name), name, least=1, most=MOST)
            object.__setattr__(self, name, number)
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0, LARGEST_SEED))
        real_number(self.omega, "omega", above=0, most=1)

    def values(self, graph: Graph, constraints: Constraints) -> np.ndarray:
        n = graph.num_nodes
        u, v = graph.rows(), graph.indices
        if graph.num_entries == 0:
            return np.empty(0)
        weights = np.where(u == v, 0.0, graph.weights)
        degree = np.bincount(u, weights=weights, minlength=n)
        connected = degree > 0
        ids = constraints.local_ids(n)
        squares = np.zeros(graph.num_entries)
        for number in range(self.vectors):
            x = uniform(self.seed, number, ids)
            for _ in range(self.sweeps):
                # bincount adds in the order of the entries, whatever the machine.
                mean = np.bincount(u, weights=weights * x[v], minlength=n)
                np.divide(mean, degree, out=mean, where=connected)
                x = np.where(connected, (1.0 - self.omega) * x + self.omega * mean, x)
            difference = x[u] - x[v]
            squares += difference * difference
        return -np.sqrt(squares)
