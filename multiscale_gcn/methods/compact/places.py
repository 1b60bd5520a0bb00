"""What the methods ask of users: where the nodes are, and how far to go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.methods.compact.integers import (
    checked_balance,
    checked_rounds,
    integer_places,
    integer_weights,
)
from multiscale_gcn.methods.compact.landmarks import distances_to_landmarks
from multiscale_gcn.methods.compact.nesting import PlacedGraph


@dataclass(frozen=True, kw_only=True)
class Places:
    """What both methods ask of users: where the nodes are, and how far to go.

    Parameters
    ----------
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph. Coarse nodes lie at the mean of their members by node
        weight. Without any, a node lies where its distances along the graph to 16 nodes far from
        each other are its coordinates; an edge is as long as one over its weight.
    balance : float
        From 0, which is Lloyd's energy alone, to 8.
    rounds : int
        How often all nodes have their turn to move at most.
    """

    positions: ArrayLike | None = None
    balance: float = 2.0
    rounds: int = 100

    def __post_init__(self) -> None:
        if self.positions is not None and not isinstance(self.positions, NodePositions):
            object.__setattr__(self, "positions", NodePositions.of(self.positions))
        object.__setattr__(self, "balance", checked_balance(self.balance))
        object.__setattr__(self, "rounds", checked_rounds(self.rounds))

    def placed(self, graph: Graph, constraints: Constraints, backend: str) -> PlacedGraph:
        """The graph with its places, as integers."""
        constraints.check_length(graph.num_nodes)
        if isinstance(self.positions, NodePositions):
            self.positions.check_length(graph.num_nodes)
            places = self.positions.array
        else:
            places = distances_to_landmarks(graph)
        return PlacedGraph(
            graph,
            integer_places(places),
            integer_weights(graph.node_weights),
            constraints.per_node(graph.num_nodes).group.copy(),  # writable, as the other arrays
            self.balance,
            self.rounds,
            engine_for(backend).compiled,
        )

    def coarse_positions(self, fine: Graph, parent: np.ndarray) -> NodePositions | None:
        """Of the next level."""
        if isinstance(self.positions, NodePositions):
            return self.positions.coarsened(fine.node_weights, parent)
        return None
