"""Compact clusters: Lloyd's on a graph, balanced, for several sizes at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from multiscale_gcn.checks.arguments import instance
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.methods.compact.found import Found
from multiscale_gcn.methods.compact.places import Places
from multiscale_gcn.methods.method import ClusteringMethod


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

    See Also
    --------
    RefinedClusters : any method, its clusters made compact
    MetisPartition : clusters by METIS
    mesh_pyramid : simplifies a mesh to given sizes

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
        return Found(tuple(maps), self.describe())

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
