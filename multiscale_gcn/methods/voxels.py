"""Nodes that lie in the same cell of a grid in space: voxel pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import real_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints, NodeConstraints
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.methods.keeping import first_of_each
from multiscale_gcn.methods.method import ClusteringMethod, by_first_member

MOST_VOXELS = 2.0**52
"""Along an axis: their numbers, and halves of these, are exact."""


@dataclass(frozen=True)
class VoxelGrid(ClusteringMethod):
    """Merge the nodes that lie in the same voxel of a grid.

    The grid begins at the smallest coordinate of each axis. The voxels of the next step are twice
    as large, and so that whole ones make a larger one; they grow on until two nodes merge.

    Edges play no part: the graph may have none, as a point cloud has. The coarse graph is the
    contraction.

    Parameters
    ----------
    positions : array of float, shape (n, d)
        Of the nodes of the finest graph.
    size : float
        Length of the edges of a voxel at the first step, in the unit of the positions.

    Raises
    ------
    ValueError
        For a size that is not positive, or so small that voxels cannot be counted; when it is run,
        for positions of another graph.

    See Also
    --------
    BiStride : every other layer of a breadth-first search
    MaximalIndependentSet : nodes far enough from each other
    FarthestPoints : points far from each other
    KronReduction : kept nodes, joined by effective resistance

    Notes
    -----
    With ``coarsen(sizes=...)`` a step that would overshoot merges the nodes of the voxels of the
    smallest node weight, ties by first member, and in the last of these only the first nodes. Nodes
    of different labels do not merge.

    Source: Simonovsky and Komodakis, "Dynamic edge-conditioned filters in convolutional neural
    networks on graphs", CVPR 2017, section 3.4.

    Examples
    --------
    >>> from multiscale_gcn import Graph, VoxelGrid, coarsen
    >>> cloud = Graph([0, 0, 0, 0, 0, 0], [])
    >>> method = VoxelGrid([[0.0], [0.9], [1.0], [2.5], [9.0]], size=1)
    >>> hierarchy = coarsen(cloud, levels=2, method=method)
    >>> hierarchy.parent(0, 1).tolist(), hierarchy.parent(0, 2).tolist()
    ([0, 0, 1, 2, 3], [0, 0, 0, 1, 2])
    """

    positions: ArrayLike
    size: float

    honours: ClassVar[frozenset[str]] = frozenset({"labels", "batch"})

    def __post_init__(self) -> None:
        if not isinstance(self.positions, NodePositions):
            object.__setattr__(self, "positions", NodePositions.of(self.positions))
        object.__setattr__(self, "size", real_number(self.size, "size", above=0))
        extent = np.ptp(self.points, axis=0).max(initial=0.0) if len(self.points) else 0.0
        if extent > MOST_VOXELS * self.size:
            raise ValueError(
                f"size = {self.size} is too small for positions that extend over {extent:.3g}; "
                "take larger voxels"
            )

    @property
    def points(self) -> np.ndarray:
        """The positions, shape (n, d); of a coarse node the smallest coordinates of its members."""
        assert isinstance(self.positions, NodePositions)
        return self.positions.array

    def prepared(self, graph: Graph) -> VoxelGrid:
        assert isinstance(self.positions, NodePositions)
        self.positions.check_length(graph.num_nodes)
        return self

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> VoxelGrid:
        corners = np.full((coarse.num_nodes, self.points.shape[1]), np.inf)
        np.minimum.at(corners, parent, self.points)
        return replace(self, positions=NodePositions(corners), size=2.0 * self.size)

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        of_nodes = constraints.per_node(graph.num_nodes)
        leader = self._leaders(of_nodes)
        if max_merges is not None:
            merging = np.flatnonzero(leader != np.arange(len(leader)))
            weight = np.bincount(leader, weights=graph.node_weights)[leader[merging]]
            by_voxel = merging[np.lexsort((leader[merging], weight))]
            merging = first_of_each(by_voxel, of_nodes.member, max_merges)
            kept = np.arange(len(leader))
            kept[merging] = leader[merging]
            leader = kept
        return by_first_member(leader)

    def _leaders(self, of_nodes: NodeConstraints) -> np.ndarray:
        """The first node of every node's voxel, where voxels have grown until some have two."""
        member = of_nodes.member
        if len(member) == 0:
            return member
        begin = np.flatnonzero(np.diff(member, prepend=-1))
        offset = self.points - np.minimum.reduceat(self.points, begin, axis=0)[member]
        size = np.full(len(begin), self.size)
        while True:
            voxel = np.floor(offset / size[member, None])
            leader = _first_alike([of_nodes.group, *voxel.T])
            merges = np.bincount(member[leader != np.arange(len(leader))], minlength=len(begin)) > 0
            several = np.bincount(member[(voxel > 0.0).any(axis=1)], minlength=len(begin)) > 0
            growing = several & ~merges
            if not growing.any():
                return leader
            size[growing] *= 2.0


def _first_alike(keys: list[np.ndarray]) -> np.ndarray:
    """The first node of all that have the same keys, for every node."""
    order = np.lexsort(keys)
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    leader = np.empty_like(order)
    leader[order] = order[begins][np.cumsum(begins) - 1]
    return leader
