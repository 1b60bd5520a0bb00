"""Clusters of another method, mended by moves of single nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import instance, shown
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.methods.compact.found import Found
from multiscale_gcn.methods.compact.places import Places
from multiscale_gcn.methods.method import ClusteringMethod


@dataclass(frozen=True, kw_only=True)
class RefinedClusters(Places, ClusteringMethod):
    """The clusters of another method, whose nodes then move between them as they cost least.

    With ``sizes`` the other method takes as many steps as it needs to the next of them, and the
    nodes of this level move between the clusters that it came to; the levels in between are not
    kept. When all sizes are reached, nodes of the finest graph move once more, where that is better
    for all levels together. With ``levels`` or ``min_nodes`` each step of the other method is
    refined by itself. The moves are those of :class:`~multiscale_gcn.CentroidalClusters`, on the
    host whatever the backend. Where the other method is not wanted for its own sake,
    ``CentroidalClusters`` finds better levels.

    Parameters
    ----------
    method : ClusteringMethod
        Which makes the clusters.
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph. Coarse nodes lie at the mean of their members by node
        weight. Without any, a node lies where its distances along the graph to 16 nodes far from
        each other are its coordinates; an edge is as long as one over its weight.
    balance : float
        How much clusters of different weights cost, from 0, which is Lloyd's energy, to 8.
    rounds : int
        How often all nodes have their turn to move at most; 0 leaves the clusters as they are.

    Raises
    ------
    ValueError
        For a value that an option does not take, and when it is run, for positions of another
        graph.
    TypeError
        If ``method`` is no method.

    See Also
    --------
    CentroidalClusters : compact clusters of equal area
    MetisPartition : clusters by METIS
    mesh_pyramid : simplifies a mesh to given sizes

    Notes
    -----
    Levels are contractions: a coarse graph of the other method's own leads it to the next step, and
    no farther. Labels are honoured where the other method does, survivors, symmetry and batches are
    not. A cluster of the other method that is not connected may stay so; no other becomes so.

    Examples
    --------
    >>> import numpy as np
    >>> import networkx as nx
    >>> from multiscale_gcn import HeavyEdgeMatching, RefinedClusters, coarsen
    >>> grid = nx.grid_2d_graph(4, 6)
    >>> places = np.array(grid.nodes, dtype=float)
    >>> method = RefinedClusters(method=HeavyEdgeMatching(two_hop=False), positions=places)
    >>> coarsen(grid, sizes=[6, 2], method=method).sizes
    (24, 6, 2)
    """

    method: ClusteringMethod

    honours: ClassVar[frozenset[str]] = frozenset({"labels"})

    def __post_init__(self) -> None:
        if not isinstance(self.method, ClusteringMethod):
            raise TypeError(
                f"method must be a method such as HeavyEdgeMatching(), got {shown(self.method)}"
            )
        super().__post_init__()

    @property
    def takes_turns(self) -> bool:
        return self.method.takes_turns

    @property
    def keeps_components(self) -> bool:
        return self.method.keeps_components

    def check(self, constraints: Constraints, sizes_given: bool) -> None:
        super().check(constraints, sizes_given)
        self.method.check(constraints, sizes_given)

    def prepared(self, graph: Graph) -> RefinedClusters:
        return replace(self, method=self.method.prepared(graph))

    def planned(
        self, graph: Graph, *, sizes: tuple[int, ...], constraints: Constraints, backend: str
    ) -> ClusteringMethod:
        if len(sizes) < 2:
            return self
        maps: list[np.ndarray] = []
        fine, step, of_level = graph, self.prepared(graph), constraints
        for size in sizes:
            merges = np.array([fine.num_nodes - size])
            parent = step.parents(fine, constraints=of_level, max_merges=merges, backend=backend)
            if int(parent.max()) + 1 > size:  # it stalls; the steps will say where
                return self
            coarse = engine_for(backend).aggregate(fine, parent, size)
            maps.append(parent)
            step, of_level = step.coarsened(fine, coarse, parent), of_level.coarsened(parent)
            fine = coarse
        placed = self.placed(graph, constraints, backend)
        return Found((placed.refined(maps[0], maps[1:]), *maps[1:]), self.describe())

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        instance(constraints, "constraints", Constraints, "Constraints() is none")
        exact, _ = round_weights(graph)
        placed = self.placed(exact, constraints, backend)
        cluster = self._steps(exact, constraints, max_merges, backend)
        return placed.refined(cluster) if len(cluster) else cluster

    def _steps(
        self,
        graph: Graph,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        """One step of the other method, or as many as lead to the size that is asked for."""
        engine, method = engine_for(backend), self.method
        cluster = np.arange(graph.num_nodes)
        left = max_merges
        while left is None or left.any():
            step = method.step(graph, constraints=constraints, max_merges=left, backend=backend)
            parent = step.parent.astype(np.int64)
            number = int(parent.max(initial=-1)) + 1
            merged = len(parent) - number
            cluster = parent[cluster]
            if left is None or merged == 0:
                break
            left = left - merged
            if step.graph is None:
                coarse = engine.aggregate(graph, parent, number)
            else:
                coarse, _ = round_weights(step.graph)
            method = method.followed(graph, coarse, step)
            constraints = constraints.coarsened(parent)
            graph = coarse
        return cluster

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> RefinedClusters:
        return replace(
            self,
            method=self.method.coarsened(fine, coarse, parent),
            positions=self.coarse_positions(fine, parent),
        )
