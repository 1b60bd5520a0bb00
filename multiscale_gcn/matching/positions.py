"""Where the nodes are, for methods that ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.checks.immutable import ReadOnlyArrays

LARGEST = 1e100
"""Of a coordinate: squares of it and their sums are finite."""


@dataclass(frozen=True, eq=False, repr=False)
class NodePositions(ReadOnlyArrays):
    """Positions of the nodes of a graph, shape (n, d); ``coarsened`` gives those of the next level.

    ``of`` makes them of what users give.
    """

    array: np.ndarray

    @classmethod
    def of(cls, positions: ArrayLike) -> NodePositions:
        """A copy of the positions.

        Raises
        ------
        ValueError
            For other shapes and types, and for coordinates that are not finite or too large to
            square, naming the first.
        """
        array = real_array(positions, "positions").astype(np.float64)
        if array.ndim != 2:
            raise ValueError(f"positions has shape {array.shape}, expected (n, d)")
        wrong = np.argwhere(~(np.abs(array) <= LARGEST))
        if len(wrong):
            node, axis = wrong[0].tolist()
            raise ValueError(
                f"positions[{node}, {axis}] = {array[node, axis]} must be finite and within "
                f"{LARGEST:g}; place the node, in another unit if need be"
            )
        return cls(array)

    def check_length(self, n: int) -> None:
        """Refuse the positions of another graph than one of ``n`` nodes."""
        if len(self.array) != n:
            raise ValueError(
                f"positions has {len(self.array)} rows, and the graph has {n} nodes; give one for "
                "each node"
            )

    def squared_distances(self, u: Any, v: Any) -> np.ndarray:
        """Of nodes, or of arrays of them: added axis by axis, the same on every machine."""
        total = np.zeros(np.broadcast(u, v).shape)
        for column in self.array.T:
            total += (column[u] - column[v]) ** 2
        return total

    def coarsened(self, node_weights: np.ndarray, parent: np.ndarray) -> NodePositions:
        """Means over the members of each coarse node, by their weights."""
        total = np.bincount(parent, weights=node_weights)
        columns = [np.bincount(parent, weights=node_weights * c) / total for c in self.array.T]
        return NodePositions(np.array(columns).reshape(len(columns), len(total)).T)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype)

    def __repr__(self) -> str:
        return f"array of shape {self.array.shape}"
