"""Points far from each other, chosen one by one: farthest point sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, fsum, isqrt
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import real_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.methods.keeping import numbered
from multiscale_gcn.methods.method import Step, SteppingMethod

NEIGHBOURS = 3
"""Samples between which a point interpolates."""


@dataclass(frozen=True)
class FarthestPoints(SteppingMethod):
    """Keep points that are far from each other; the others belong to the nearest.

    The first is the point nearest to the mean of all, ties by id. Then again and again the point
    that is farthest from those that are kept, ties by id. A point belongs to the nearest kept one,
    of several to the one that was chosen first.

    Edges play no part: the graph may have none, as a point cloud has. The coarse graph is the
    contraction.

    ``hierarchy.prolongation(coarse, fine, "interpolated")`` gives a kept point its own value, and
    another one the mean of the values of the 3 nearest kept ones, by the inverse of the squared
    distance; ``restrict(values, fine, coarse, "sampled")`` takes the values of the kept ones.

    Parameters
    ----------
    positions : array of float, shape (n, d)
        Of the nodes of the finest graph.
    ratio : float
        Share of the points that a step keeps, rounded up, where no sizes are given. With
        ``coarsen(sizes=...)`` each level is one of the sizes, without any in between.

    Raises
    ------
    ValueError
        For a value that an option does not take; when it is run, for positions of another graph.

    See Also
    --------
    BiStride : every other layer of a breadth-first search
    MaximalIndependentSet : nodes far enough from each other
    VoxelGrid : cells of a grid in space
    KronReduction : kept nodes, joined by effective resistance

    Notes
    -----
    Survivors are kept before any other, by id, and the search begins from all of them.

    Source: Qi, Yi, Su and Guibas, "PointNet++: deep hierarchical feature learning on point sets in
    a metric space", NIPS 2017, section 3.2 and equation 2 with p = 2 and k = 3. There the first
    point is any.

    Examples
    --------
    >>> from multiscale_gcn import FarthestPoints, Graph, coarsen
    >>> cloud = Graph([0, 0, 0, 0, 0, 0], [])
    >>> method = FarthestPoints([[0.0], [1.0], [2.0], [3.0], [9.0]])
    >>> hierarchy = coarsen(cloud, sizes=[3], method=method)
    >>> hierarchy[0].sampled.tolist(), hierarchy.parent(0, 1).tolist()
    ([0, 3, 4], [0, 0, 1, 1, 2])
    """

    positions: ArrayLike
    ratio: float = 0.5

    honours: ClassVar[frozenset[str]] = frozenset({"survivors", "batch"})

    def __post_init__(self) -> None:
        if not isinstance(self.positions, NodePositions):
            object.__setattr__(self, "positions", NodePositions.of(self.positions))
        object.__setattr__(self, "ratio", real_number(self.ratio, "ratio", above=0, most=1))

    @property
    def takes_turns(self) -> bool:
        return True

    @property
    def points(self) -> np.ndarray:
        """The positions, shape (n, d)."""
        assert isinstance(self.positions, NodePositions)
        return self.positions.array

    def prepared(self, graph: Graph) -> FarthestPoints:
        assert isinstance(self.positions, NodePositions)
        self.positions.check_length(graph.num_nodes)
        return self

    def followed(self, fine: Graph, coarse: Graph, step: Step) -> FarthestPoints:
        return replace(self, positions=NodePositions(self.points[step.sampled]))

    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step:
        n = graph.num_nodes
        of_nodes = constraints.per_node(n)
        compiled = engine_for(backend, self).compiled
        leader = np.empty(n, dtype=np.int64)
        near, weights = np.zeros((n, NEIGHBOURS), dtype=np.int64), np.zeros((n, NEIGHBOURS))
        bounds = np.concatenate([[0], np.cumsum(of_nodes.member_sizes)]).tolist()
        for number, (first, last) in enumerate(pairwise(bounds)):
            member, size = slice(first, last), last - first
            given = np.flatnonzero(of_nodes.survives[member])
            count = ceil(self.ratio * size) if max_merges is None else size - max_merges[number]
            cloud = _Cloud(self.points[member])
            owner = cloud.owners(given, max(count, len(given)), compiled(_farthest))
            leader[member] = first + owner
            samples, squared = cloud.nearest(owner, compiled(_nearest))
            near[member] = first + samples
            weights[member] = _inverse_distance(squared)
        parent, sampled = numbered(leader)
        return Step(parent, sampled=sampled, interpolation=_matrix(near, weights, sampled))


class _Blocks:
    """Points in blocks of such as are near to each other, and the boxes around these."""

    def __init__(self, points: np.ndarray) -> None:
        from scipy.spatial import cKDTree

        n = len(points)
        self.order = cKDTree(points).indices if points.size else np.arange(n)
        self.points = np.ascontiguousarray(points[self.order])
        self.size = max(32, isqrt(n) // 4)
        starts = np.arange(0, n, self.size)
        self.low = np.minimum.reduceat(self.points, starts, axis=0)
        self.high = np.maximum.reduceat(self.points, starts, axis=0)


class _Cloud:
    """The points of one member of a batch."""

    def __init__(self, points: np.ndarray) -> None:
        self.points = np.array(points, order="C")
        self.blocks = _Blocks(points) if len(points) else None

    def owners(self, given: np.ndarray, count: int, choose: Callable[..., Any]) -> np.ndarray:
        """The sample that every point belongs to."""
        if self.blocks is None:
            return np.empty(0, dtype=np.int64)
        blocks = self.blocks
        place = np.empty(len(self.points), dtype=np.int64)
        place[blocks.order] = np.arange(len(place))
        begin = given if len(given) else np.array([self._nearest_to_mean()])
        owner = np.empty_like(place)
        owner[blocks.order] = choose(
            blocks.points,
            blocks.order.astype(np.int64),
            blocks.low,
            blocks.high,
            blocks.size,
            place[begin],
            count,
        )
        return owner

    def nearest(
        self, owner: np.ndarray, find: Callable[..., Any]
    ) -> tuple[np.ndarray, np.ndarray]:  # [n, NEIGHBOURS] each
        """The nearest samples of every point and their squared distances; infinite: no more."""
        sampled = np.flatnonzero(owner == np.arange(len(owner)))
        if len(sampled) == 0:
            return np.zeros((0, NEIGHBOURS), dtype=np.int64), np.zeros((0, NEIGHBOURS))
        blocks = _Blocks(self.points[sampled])
        place = np.empty(len(sampled), dtype=np.int64)
        place[blocks.order] = np.arange(len(place))
        begin = place[np.searchsorted(sampled, owner)] // blocks.size
        ids = sampled[blocks.order]
        near, squared = find(
            self.points, blocks.points, ids, blocks.low, blocks.high, blocks.size, begin, NEIGHBOURS
        )
        upon = squared[:, 0] == 0.0  # maybe upon several; a sample is its own
        near[upon, 0] = owner[upon]
        return near, squared

    def _nearest_to_mean(self) -> int:
        """Sums that are rounded once do not depend on how the points are numbered."""
        squared = np.zeros(len(self.points))
        for column in self.points.T:
            squared += (column - fsum(column) / len(column)) ** 2
        return int(np.argmin(squared))


def _farthest(
    points: np.ndarray,  # [n, d], as in the blocks
    ids: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    size: int,
    begin: np.ndarray,
    count: int,
) -> np.ndarray:
    """The id of the sample that every point belongs to.

    A block none of whose points a new sample can be nearer to than those before it is left alone:
    the distance to its box, rounded as those to its points are, is never larger than these.
    """
    n, d = points.shape
    owner = np.full(n, -1, dtype=np.int64)
    distance = np.full(n, np.inf)
    reach = np.full(len(low), np.inf)
    farthest = np.zeros(len(low), dtype=np.int64)
    for number in range(count):
        if number < len(begin):
            new = begin[number]
        else:
            best = 0
            for b in range(1, len(low)):
                if reach[b] > reach[best] or (
                    reach[b] == reach[best] and ids[farthest[b]] < ids[farthest[best]]
                ):
                    best = b
            new = farthest[best]
        owner[new] = ids[new]
        distance[new] = -1.0
        for b in range(len(low)):
            gap = 0.0
            for axis in range(d):
                x = points[new, axis]
                if x < low[b, axis]:
                    gap += (low[b, axis] - x) ** 2
                elif x > high[b, axis]:
                    gap += (x - high[b, axis]) ** 2
            if gap >= reach[b] and b != new // size:
                continue
            reach[b] = -1.0
            for p in range(b * size, min((b + 1) * size, n)):
                if distance[p] < 0.0:
                    continue
                squared = 0.0
                for axis in range(d):
                    squared += (points[p, axis] - points[new, axis]) ** 2
                if squared < distance[p]:
                    distance[p] = squared
                    owner[p] = ids[new]
                if distance[p] > reach[b] or (
                    distance[p] == reach[b] and ids[p] < ids[farthest[b]]
                ):
                    reach[b] = distance[p]
                    farthest[b] = p
    return owner


def _nearest(
    points: np.ndarray,  # [n, d]
    samples: np.ndarray,  # [m, d], as in the blocks
    ids: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    size: int,
    begin: np.ndarray,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the nearest samples of every point, by squared distance and then by id."""
    (n, d), m = points.shape, len(samples)
    found = np.zeros((n, count), dtype=np.int64)
    distance = np.full((n, count), np.inf)
    for p in range(n):
        for turn in range(len(low) + 1):
            b = begin[p] if turn == 0 else turn - 1
            if turn > 0 and b == begin[p]:
                continue
            gap = 0.0
            for axis in range(d):
                x = points[p, axis]
                if x < low[b, axis]:
                    gap += (low[b, axis] - x) ** 2
                elif x > high[b, axis]:
                    gap += (x - high[b, axis]) ** 2
            if gap > distance[p, count - 1]:
                continue
            for s in range(b * size, min((b + 1) * size, m)):
                squared = 0.0
                for axis in range(d):
                    squared += (points[p, axis] - samples[s, axis]) ** 2
                at = count
                while at > 0 and (
                    squared < distance[p, at - 1]
                    or (squared == distance[p, at - 1] and ids[s] < found[p, at - 1])
                ):
                    at -= 1
                if at < count:
                    for behind in range(count - 1, at, -1):
                        found[p, behind] = found[p, behind - 1]
                        distance[p, behind] = distance[p, behind - 1]
                    found[p, at] = ids[s]
                    distance[p, at] = squared
    return found, distance


def _inverse_distance(squared: np.ndarray) -> np.ndarray:
    """Weights 1 / squared distance that sum to 1; all on the first where that is 0."""
    relative = np.zeros_like(squared)
    np.divide(squared[:, :1], squared, out=relative, where=squared > 0.0)
    relative[squared[:, 0] == 0.0, 0] = 1.0
    weights: np.ndarray = relative / relative.sum(axis=1, keepdims=True)
    return weights


def _matrix(near: np.ndarray, weights: np.ndarray, sampled: np.ndarray) -> sp.csr_array:
    used = weights > 0.0
    rows, columns = np.nonzero(used)[0], np.searchsorted(sampled, near[used])
    return sp.csr_array((weights[used], (rows, columns)), shape=(len(near), len(sampled)))
