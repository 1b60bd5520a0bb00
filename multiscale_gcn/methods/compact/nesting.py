"""Clusters of several sizes at once, each made of whole ones of the next smaller size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.spectrum import components
from multiscale_gcn.methods.compact.boundary_moves import move_boundaries
from multiscale_gcn.methods.compact.farthest_seeds import divide, parts_by_weight
from multiscale_gcn.methods.compact.integers import BALANCE_UNITS
from multiscale_gcn.methods.method import by_first_member

DIVISION = 16
"""Parts of a cluster at a time: seeds of more would take time with the square of their number."""

Compiled = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class PlacedGraph:
    """A graph whose nodes have places and weights, all of them integers.

    Parameters
    ----------
    graph : Graph
    places : array of int64, shape (n, d)
    weights : array of int64, shape (n,)
    group : array of int64, shape (n,)
        Nodes of different groups never merge.
    balance : float
    rounds : int
    compiled : callable
        Gives a function of arrays and numbers in the form that runs fastest.
    """

    graph: Graph
    places: np.ndarray
    weights: np.ndarray
    group: np.ndarray
    balance: float
    rounds: int
    compiled: Compiled

    def refined(self, cluster: np.ndarray, above: Sequence[np.ndarray] = ()) -> np.ndarray:
        """The clusters after moves of nodes between them, see :func:`move_boundaries`.

        ``above`` leads from these clusters to those of the next level, from these to the next, and
        so on.
        """
        counts = [int(cluster.max()) + 1, *(int(parent.max()) + 1 for parent in above)]
        starts = np.cumsum(counts)
        whole = [parent + start for parent, start in zip(above, starts[:-1], strict=True)]
        moved = cluster.astype(np.int64)
        self.compiled(move_boundaries)(
            self.graph.indptr,
            self.graph.indices,
            self.places,
            self.weights,
            self.group,
            moved,
            np.concatenate([*whole, np.full(counts[-1], -1)]).astype(np.int64),
            np.repeat(np.arange(len(counts)), counts),
            round(self.balance * BALANCE_UNITS),
            self.rounds,
        )
        return moved

    def nested(self, sizes: Sequence[int]) -> list[np.ndarray]:
        """Parent maps to levels of these sizes, which decrease: from the nodes, then in between.

        The coarsest level is made first, by dividing the connected pieces of every group. The next
        divides its clusters, and then nodes move between clusters of both levels; and so on.
        """
        cluster = self._pieces()
        number = int(cluster.max()) + 1
        if number > sizes[-1]:
            raise ValueError(
                f"sizes has {sizes[-1]}, and connected clusters, each of one label, are {number} "
                "at least; ask for as many"
            )
        above: list[np.ndarray] = []
        for size in reversed(sizes):
            parent = np.arange(number)
            while number < size:
                number = min(size, DIVISION * number)
                members = np.bincount(cluster)
                weights = np.bincount(cluster, self.weights).astype(np.int64)  # sums are exact
                parts = parts_by_weight(weights, members, number)
                cluster = self.compiled(divide)(
                    self.graph.indptr, self.graph.indices, self.places, cluster, parts
                )
                parent = np.repeat(parent, parts)
                # Above the coarsest there are only the pieces, between which nothing moves.
                cluster = self.refined(cluster, [parent, *above[:-1]] if above else ())
            above = [parent, *above]
        return [cluster, *above[:-1]]

    def _pieces(self) -> np.ndarray:
        """Connected pieces of the groups, numbered by their first nodes."""
        import scipy.sparse as sp

        n = self.graph.num_nodes
        rows, columns = self.graph.edge_index()
        inside = self.group[rows] == self.group[columns]
        entries = np.ones(int(inside.sum())), (rows[inside], columns[inside])
        return by_first_member(components(sp.csr_array(entries, shape=(n, n))))
