"""Every other front of a breadth-first search: bi-stride pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.spectrum import components
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.methods.keeping import numbered, spread_over_each, still_missing
from multiscale_gcn.methods.method import Step, SteppingMethod

LANDMARKS = 4
"""Nodes far from each other, in the middle of which a search begins."""
MOST_PATHS = 2**28
"""Paths of two edges between kept nodes: what the coarse graph is made of."""


@dataclass(frozen=True)
class BiStride(SteppingMethod):
    """Keep the nodes at even depth of a breadth-first search, or those at odd depth if fewer.

    Each component has a search of its own, from its middle. Kept nodes are joined where at most two
    edges lay between them, so that nothing that was connected falls apart, and no edge is drawn
    between parts of a mesh that are near in space alone. A node that is dropped belongs to the kept
    neighbour to which its heaviest edge leads, of several to that for which the exclusive or of
    the ids is smallest.

    ``hierarchy.prolongation(coarse, fine, "interpolated")`` gives a kept node its own value, and a
    dropped one the mean over its kept neighbours, each by its node weight over its degree;
    ``restrict(values, fine, coarse, "sampled")`` takes the values of the kept ones.

    Parameters
    ----------
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest graph: a search begins at the node nearest to the mean position
        of its component. Without them, at a node whose largest number of edges to four landmarks
        is smallest, then their sum; the landmarks are far from each other.

    Raises
    ------
    ValueError
        When it is run, for positions of another graph, and for a graph with a hub that would join
        too many kept nodes.

    See Also
    --------
    MaximalIndependentSet : nodes far enough from each other
    FarthestPoints : points far from each other
    VoxelGrid : cells of a grid in space
    KronReduction : kept nodes, joined by effective resistance

    Notes
    -----
    Coarse edges weigh 1 and there are no self loops; a coarse node weighs what belongs to it. With
    ``coarsen(sizes=...)`` a step that would overshoot keeps dropped nodes too, evenly strided over
    them in the order of their depth. Survivors are kept.

    Source: Cao, Chai, Li and Jiang, "Efficient learning of mesh-based physical simulation with
    bi-stride multi-scale graph neural network", ICML 2023. There a search without positions begins
    at the node of the smallest mean distance to all, which takes quadratic time. What is dropped
    receives no value there but by the weights of the way down, transposed, whose rows do not sum
    to 1.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import BiStride, coarsen
    >>> hierarchy = coarsen(nx.path_graph(9), levels=1, method=BiStride())
    >>> hierarchy[0].sampled.tolist(), hierarchy[1].graph
    ([1, 3, 5, 7], Graph(4 nodes, 3 edges))
    >>> hierarchy.prolongation(1, 0, "interpolated")[[3, 4]].toarray().tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]
    """

    positions: ArrayLike | None = None

    honours: ClassVar[frozenset[str]] = frozenset({"survivors", "batch"})

    def __post_init__(self) -> None:
        if self.positions is not None and not isinstance(self.positions, NodePositions):
            object.__setattr__(self, "positions", NodePositions.of(self.positions))

    @property
    def takes_turns(self) -> bool:
        return True

    @property
    def keeps_components(self) -> bool:
        return True

    def prepared(self, graph: Graph) -> BiStride:
        if isinstance(self.positions, NodePositions):
            self.positions.check_length(graph.num_nodes)
        return self

    def followed(self, fine: Graph, coarse: Graph, step: Step) -> BiStride:
        if not isinstance(self.positions, NodePositions):
            return self
        return replace(self, positions=NodePositions(self.positions.array[step.sampled]))

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
        search = _Search(graph, engine_for(backend, self).compiled(_depths))
        if isinstance(self.positions, NodePositions):
            seeds = search.centres(self.positions.array)
        else:
            seeds = search.middles()
        depth = search.depths(seeds)
        kept = _smaller_half(depth % 2 == 1, search.component) | of_nodes.survives
        missing = still_missing(kept, of_nodes, max_merges)
        if missing.any():
            dropped = np.lexsort((np.arange(n), depth, search.component))
            dropped = dropped[~kept[dropped]]
            kept[spread_over_each(dropped, of_nodes.member, missing)] = True
        parent, sampled = numbered(_leaders(graph, kept, of_nodes.local_ids))
        return Step(
            parent,
            _two_hop_graph(graph, kept, parent),
            sampled,
            _means_of_neighbours(graph, kept, sampled),
        )


class _Search:
    """Breadth-first searches of all components at once."""

    def __init__(self, graph: Graph, visit: Callable[..., np.ndarray]) -> None:
        self.graph = graph
        self.visit = visit
        self.component = components(graph.to_scipy())

    def depths(self, seeds: np.ndarray) -> np.ndarray:
        return self.visit(self.graph.indptr, self.graph.indices, seeds)

    def centres(self, positions: np.ndarray) -> np.ndarray:
        """The node nearest to the mean of each component, ties by id."""
        size = np.bincount(self.component)
        squared = np.zeros(len(positions))
        for column in positions.T:
            mean = np.bincount(self.component, weights=column) / size
            squared += (column - mean[self.component]) ** 2
        return self._first_by(squared)

    def middles(self) -> np.ndarray:
        """The node of each component whose landmarks are nearest, as far as the farthest goes."""
        nearest = self.depths(self._first_by())
        largest = total = np.zeros_like(nearest)
        for number in range(LANDMARKS):
            depth = self.depths(self._first_by(-nearest))
            nearest = np.minimum(nearest, depth) if number else depth
            largest, total = np.maximum(largest, depth), total + depth
        return self._first_by(largest, total)

    def _first_by(self, *keys: np.ndarray) -> np.ndarray:
        """The node of each component whose keys are smallest, the first more than the others."""
        order = np.lexsort((*keys[::-1], self.component))
        number = self.component[order]
        return order[np.flatnonzero(np.diff(number, prepend=-1))]


def _depths(indptr: np.ndarray, indices: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Edges from the nearest seed to every node; there is one in each component."""
    depth = np.full(len(indptr) - 1, -1, dtype=np.int64)
    queue = np.empty(len(depth), dtype=np.int64)
    queue[: len(seeds)] = seeds
    depth[seeds] = 0
    last = len(seeds)
    for first in range(len(depth)):
        u = queue[first]
        for at in range(indptr[u], indptr[u + 1]):
            v = indices[at]
            if depth[v] < 0:
                depth[v] = depth[u] + 1
                queue[last] = v
                last += 1
    return depth


def _smaller_half(odd: np.ndarray, component: np.ndarray) -> np.ndarray:
    """The odd nodes of the components that have some, but fewer than even ones, else the even."""
    num_odd = np.bincount(component[odd], minlength=int(component.max(initial=-1)) + 1)
    num_even = np.bincount(component[~odd], minlength=len(num_odd))
    keeps_odd = (num_odd > 0) & (num_odd < num_even)
    half: np.ndarray = odd == keeps_odd[component]
    return half


def _leaders(graph: Graph, kept: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The kept node that every node belongs to."""
    rows = graph.rows()
    at = np.flatnonzero(~kept[rows] & kept[graph.indices])
    apart = ids[rows[at]] ^ ids[graph.indices[at]]
    at = at[np.lexsort((apart, -graph.weights[at], rows[at]))]
    dropped, first = np.unique(rows[at], return_index=True)
    leader = np.arange(graph.num_nodes)
    leader[dropped] = graph.indices[at[first]]
    return leader


def _two_hop_graph(graph: Graph, kept: np.ndarray, parent: np.ndarray) -> Graph:
    """Kept nodes joined where there are at most two edges between them: (A + I)^2 without loops."""
    n = graph.num_nodes
    pattern = sp.csr_array((np.ones(graph.num_entries), graph.indices, graph.indptr), shape=(n, n))
    pattern = sp.csr_array(pattern + sp.eye_array(n))
    to_kept = sp.csr_array(pattern[:, kept])
    paths = np.diff(to_kept.indptr).astype(np.float64)
    if (paths**2).sum() > MOST_PATHS:
        hub = int(np.argmax(paths))
        raise ValueError(
            f"node {hub} has {paths[hub]:.0f} kept neighbours, which bi-stride joins to each "
            "other; a mesh has no such hub: take MaximalIndependentSet or HeavyEdgeMatching"
        )
    joined = sp.coo_array(to_kept.T @ to_kept)
    other = joined.row != joined.col
    joined = sp.csr_array(
        (np.ones(int(other.sum())), (joined.row[other], joined.col[other])), shape=joined.shape
    )
    joined.sort_indices()
    node_weights = np.bincount(parent, weights=graph.node_weights)
    return Graph(joined.indptr, joined.indices, node_weights=node_weights)


def _means_of_neighbours(graph: Graph, kept: np.ndarray, sampled: np.ndarray) -> sp.csr_array:
    """Every kept node has its own value, and a dropped one the mean over its kept neighbours."""
    rows, n = graph.rows(), graph.num_nodes
    sent = graph.node_weights / np.maximum(graph.degrees(), 1)
    at = ~kept[rows] & kept[graph.indices]
    senders, receivers = graph.indices[at], rows[at]
    weights = sent[senders] / np.bincount(receivers, weights=sent[senders], minlength=n)[receivers]
    shape = (n, len(sampled))
    columns = np.searchsorted(sampled, np.concatenate([sampled, senders]))
    entries = np.concatenate([np.ones(len(sampled)), weights])
    return sp.csr_array((entries, (np.concatenate([sampled, receivers]), columns)), shape=shape)
