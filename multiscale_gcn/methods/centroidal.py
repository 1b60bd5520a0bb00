"""Compact clusters: Lloyd's on a graph, balanced, for several sizes at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import instance, shown
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.methods.integers import (
    checked_balance,
    checked_rounds,
    integer_places,
    integer_weights,
)
from multiscale_gcn.methods.landmarks import distances_to_landmarks
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.methods.nesting import PlacedGraph


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


@dataclass(frozen=True, kw_only=True)
class CentroidalClusters(Places, ClusteringMethod):
    """Connected clusters, compact and about equally heavy: balanced k-means on a graph.

    All levels that ``sizes`` asks for are found together. The coarsest is made first: seeds far
    from each other, the nodes around each, and then single nodes on the border of two clusters
    change sides as long as that lowers the energy and leaves clusters connected. The next level
    divides these clusters, and nodes move where that lowers the energy of both levels together; so
    levels nest, and each is about as good as it would be alone. There are no levels in between.

    The energy of a level is the sum of squared distances to the means of the clusters, by node
    weight, and ``balance`` times the mean squared distance times the sum of squared weights of the
    clusters over the mean weight. Vertices of a mesh should weigh their area:
    ``as_graph(mesh, node_weights="area")``. Edge weights play no part where positions are given.

    Positions are rounded to steps of a power of two, some 32,768 to the longest axis, and weights
    to about 2**26 units in all; all the rest are integers, and nodes take turns in the order of
    their ids. So each backend gives the same clusters on any number of threads. No step runs on a
    device: with ``backend="cupy"`` the clusters are made on the host, by compiled code, and
    contracted on the device.

    Parameters
    ----------
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph. Coarse nodes lie at the mean of their members by node
        weight. Without any, a node lies where its distances along the graph to 16 nodes far from
        each other are its coordinates; an edge is as long as one over its weight.
    balance : float
        How much clusters of different weights cost, from 0, which is Lloyd's energy, to 8.
    rounds : int
        How often all nodes have their turn to move at most.

    Raises
    ------
    ValueError
        For a value that an option does not take; when it is run, for positions of another graph,
        without ``sizes``, and for fewer nodes than there are connected pieces of one label.

    Notes
    -----
    Labels are honoured, and components never merge. Left-right symmetry is not kept.

    Source of the moves: Valette and Chassery, "Approximated centroidal Voronoi diagrams for uniform
    polygonal mesh coarsening", Computer Graphics Forum 23(3), 2004, without the balance; the cost
    of a move is that of Hartigan and Wong, "A k-means clustering algorithm", Applied Statistics
    28(1), 1979. Source of the coordinates where none are given: Harel and Koren, "Graph drawing by
    high-dimensional embedding", Journal of Graph Algorithms and Applications 8(2), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import networkx as nx
    >>> from multiscale_gcn import CentroidalClusters, coarsen
    >>> grid = nx.grid_2d_graph(4, 6)
    >>> method = CentroidalClusters(positions=np.array(grid.nodes, dtype=float))
    >>> hierarchy = coarsen(grid, sizes=[6, 2], method=method)
    >>> hierarchy.sizes
    (24, 6, 2)
    >>> hierarchy[2].graph.node_weights.tolist()
    [12.0, 12.0]

    A graph without positions:

    >>> cliques = nx.relaxed_caveman_graph(4, 12, 0.05, seed=0)
    >>> coarsen(cliques, sizes=[4], method=CentroidalClusters())[1].graph.node_weights.tolist()
    [12.0, 12.0, 12.0, 12.0]
    """

    honours: ClassVar[frozenset[str]] = frozenset({"labels"})
    needs_sizes: ClassVar[bool] = True

    @property
    def keeps_components(self) -> bool:
        return True

    def planned(
        self, graph: Graph, *, sizes: tuple[int, ...], constraints: Constraints, backend: str
    ) -> ClusteringMethod:
        if not sizes:
            return self
        maps = self.placed(graph, constraints, backend).nested(sizes)
        return _Found(tuple(maps), self.describe())

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        instance(constraints, "constraints", Constraints, "Constraints() is none")
        if max_merges is None:
            raise ValueError(
                "max_merges = None leaves open how many clusters there shall be; say coarsen(..., "
                "sizes=[...])"
            )
        exact, _ = round_weights(graph)
        size = graph.num_nodes - int(max_merges[0])
        if size == graph.num_nodes:
            return np.arange(size)
        return self.placed(exact, constraints, backend).nested([size])[0]

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> CentroidalClusters:
        return replace(self, positions=self.coarse_positions(fine, parent))


@dataclass(frozen=True, eq=False)
class _Found(ClusteringMethod):
    """Clusters that were found for all levels at once."""

    maps: tuple[np.ndarray, ...]
    described: str

    honours: ClassVar[frozenset[str]] = CentroidalClusters.honours

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        return self.maps[0]

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> _Found:
        return replace(self, maps=self.maps[1:])

    def describe(self) -> str:
        return self.described


@dataclass(frozen=True, kw_only=True)
class RefinedClusters(Places, ClusteringMethod):
    """The clusters of another method, whose nodes then move between them as they cost least.

    With ``sizes`` the other method takes as many steps as it needs to the next of them, and the
    nodes of this level move between the clusters that it came to; the levels in between are not
    kept. With ``levels`` or ``min_nodes`` each of its steps is refined. The moves are those of
    :class:`~multiscale_gcn.CentroidalClusters`, on the host whatever the backend. A level is
    refined before the next is known, so the next has fewer ways to be balanced; where the other
    method is not wanted for its own sake, ``CentroidalClusters`` finds better levels.

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

    Notes
    -----
    Labels are honoured where the other method does, survivors, symmetry and batches are not. A
    cluster of the other method that is not connected may stay so; no other becomes so.

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
            parent = method.parents(
                graph, constraints=constraints, max_merges=left, backend=backend
            ).astype(np.int64)
            number = int(parent.max(initial=-1)) + 1
            merged = len(parent) - number
            cluster = parent[cluster]
            if left is None or merged == 0:
                break
            left = left - merged
            coarse = engine.aggregate(graph, parent, number)
            method = method.coarsened(graph, coarse, parent)
            constraints = constraints.coarsened(parent)
            graph = coarse
        return cluster

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> RefinedClusters:
        return replace(
            self,
            method=self.method.coarsened(fine, coarse, parent),
            positions=self.coarse_positions(fine, parent),
        )
