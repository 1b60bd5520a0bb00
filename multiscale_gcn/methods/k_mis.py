"""Clusters around nodes no two of which are near each other: k-MIS pooling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.compiled.hashing import LARGEST_SEED, mix64, mix64_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.keeping import first_of_each, numbered, still_missing
from multiscale_gcn.methods.method import Step, SteppingMethod

LARGEST_K = 1000
"""Walks of so many edges are summed without overflow, and nobody keeps nodes farther apart."""


@dataclass(frozen=True)
class MaximalIndependentSet(SteppingMethod):
    """Keep nodes that are more than k edges apart, as many as fit; the others join the nearest.

    The nodes take their turns by decreasing score, ties by a hash of the ids. Who comes and is
    more than ``k`` edges from every centre becomes one. Each node belongs to the centre that is
    nearest in edges, of several to the one that came first; so clusters are connected, and any two
    nodes of a cluster are joined within 2k edges. The coarse graph is the contraction.

    Parameters
    ----------
    k : int
        Centres are more than so many edges apart, and every node is at most so many from one.
    scores : array of float, shape (n,), optional
        Of the nodes of the finest graph; a coarse node has that of its centre. By default the
        weight of the node over that of all walks of up to k edges from it: light surroundings
        first, which makes the set heavy.
    seed : int
        Of the hash that breaks ties, 0 to 2**64 - 1.

    Raises
    ------
    ValueError
        For a value that an option does not take; when it is run, for scores of another graph.

    See Also
    --------
    BiStride : every other layer of a breadth-first search
    FarthestPoints : points far from each other
    VoxelGrid : cells of a grid in space
    KronReduction : kept nodes, joined by effective resistance

    Notes
    -----
    With ``coarsen(sizes=...)`` a step that would overshoot makes centres of those nodes too that
    are farthest from theirs, by turn among equally far ones. Survivors are centres, however near
    to each other. Nodes of different labels are no neighbours here.

    Source: Bacciu, Conte and Landolfi, "Generalizing downsampling from regular data to graphs",
    AAAI 2023, algorithm 1 and the weights of section 4 ("greedy"). There a node joins the first
    centre within k edges, here the nearest; for k = 1 these are the same.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import MaximalIndependentSet, coarsen
    >>> hierarchy = coarsen(nx.path_graph(9), levels=1, method=MaximalIndependentSet())
    >>> hierarchy[0].sampled.tolist(), hierarchy.parent(0, 1).tolist()
    ([0, 2, 4, 6, 8], [0, 0, 1, 2, 2, 2, 3, 4, 4])
    """

    k: int = 1
    scores: ArrayLike | None = field(default=None, repr=False, compare=False)
    seed: int = 0

    honours: ClassVar[frozenset[str]] = frozenset({"labels", "survivors", "batch"})

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number(self.k, "k", least=1, most=LARGEST_K))
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0, LARGEST_SEED))
        if self.scores is not None:
            object.__setattr__(self, "scores", _scores(self.scores))

    @property
    def takes_turns(self) -> bool:
        return True

    @property
    def keeps_components(self) -> bool:
        return True

    def prepared(self, graph: Graph) -> MaximalIndependentSet:
        if self.scores is not None and len(np.asarray(self.scores)) != graph.num_nodes:
            raise ValueError(
                f"scores has {len(np.asarray(self.scores))} entries, and the graph has "
                f"{graph.num_nodes} nodes; give one for each node"
            )
        return self

    def followed(self, fine: Graph, coarse: Graph, step: Step) -> MaximalIndependentSet:
        if self.scores is None:
            return self
        return replace(self, scores=np.asarray(self.scores)[step.sampled])

    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step:
        of_nodes = constraints.per_node(graph.num_nodes)
        rows = graph.rows()
        near = (rows != graph.indices) & (of_nodes.group[rows] == of_nodes.group[graph.indices])
        turns = np.lexsort((self._ties(of_nodes.local_ids), -self._scores(graph, near)))
        gather = engine_for(backend, self).compiled(_gather)
        centre = of_nodes.survives.copy()
        leader, distance = gather(graph.indptr, graph.indices, near, turns, centre, self.k)
        centre = distance == 0
        missing = still_missing(centre, of_nodes, max_merges)
        if missing.any():
            farthest = turns[np.argsort(-distance[turns], kind="stable")]
            farthest = farthest[distance[farthest] > 0]
            centre[first_of_each(farthest, of_nodes.member, missing)] = True
            leader, _ = gather(graph.indptr, graph.indices, near, turns, centre, self.k)
        parent, sampled = numbered(leader)
        return Step(parent, sampled=sampled)

    def _scores(self, graph: Graph, near: np.ndarray) -> np.ndarray:
        if self.scores is not None:
            return np.asarray(self.scores)
        import scipy.sparse as sp

        n = graph.num_nodes
        pattern = sp.csr_array((near.astype(np.float64), graph.indices, graph.indptr), shape=(n, n))
        weights = walks = graph.node_weights
        for _ in range(self.k):
            walks = walks + pattern @ walks
            scale = -np.frexp(walks.max(initial=1.0))[1]  # only ratios count, and these stay exact
            weights, walks = np.ldexp(weights, scale), np.ldexp(walks, scale)
        scores: np.ndarray = weights / walks
        return scores

    def _ties(self, ids: np.ndarray) -> np.ndarray:
        return mix64_array(np.uint64(mix64(self.seed)) ^ ids.astype(np.uint64))


def _scores(scores: ArrayLike) -> np.ndarray:
    array = real_array(scores, "scores").astype(np.float64)
    if array.ndim != 1:
        raise ValueError(f"scores has shape {array.shape}, expected (n,)")
    if not np.isfinite(array).all():
        at = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"scores[{at}] = {array[at]} must be finite")
    return array


def _gather(
    indptr: np.ndarray,
    indices: np.ndarray,
    near: np.ndarray,
    turns: np.ndarray,
    forced: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The centre of every node and how many edges away it is; the forced ones come first.

    The search from a new centre goes on only where it comes nearer than all before it. A node that
    it passes by has an earlier centre as near, and so has whatever lies behind.
    """
    n = len(turns)
    leader = np.full(n, -1, dtype=np.int64)
    distance = np.full(n, k + 1, dtype=np.int64)
    queue = np.empty(n, dtype=np.int64)
    for forced_ones in (True, False):
        for u in turns:
            if forced[u] != forced_ones or (not forced_ones and distance[u] <= k):
                continue
            leader[u] = u
            distance[u] = 0
            queue[0] = u
            first, last = 0, 1
            while first < last:
                v = queue[first]
                first += 1
                if distance[v] == k:
                    continue
                for at in range(indptr[v], indptr[v + 1]):
                    w = indices[at]
                    if near[at] and distance[v] + 1 < distance[w]:
                        leader[w] = u
                        distance[w] = distance[v] + 1
                        queue[last] = w
                        last += 1
    return leader, distance
