"""How far to coarsen: to exact sizes, by a number of steps, or down to a number of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from multiscale_gcn.checks.arguments import whole_number, whole_numbers
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.method import ClusteringMethod

MOST = 1000
"""Sizes that may be named of the smallest graphs; of others twice as many as nodes."""


@dataclass(frozen=True, eq=False)
class HowFar:
    """Where coarsening ends.

    Parameters
    ----------
    levels : int, optional
        So many steps at most.
    min_nodes : int, optional
        No step is taken to fewer nodes.
    targets : array of int, optional
        Sizes that levels must have exactly, increasing; instead of the others.
    """

    levels: int | None = None
    min_nodes: int | None = None
    targets: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        graph: Graph,
        method: ClusteringMethod,
        constraints: Constraints,
        *,
        sizes: Iterable[int] | None,
        levels: int | None,
        min_nodes: int | None,
    ) -> HowFar:
        """Check what users say.

        Raises
        ------
        ValueError
            If it says too little or too much, or if a size surely cannot be reached.
        """
        if sizes is None:
            return cls.by_steps(levels, min_nodes)
        if levels is not None or min_nodes is not None:
            raise ValueError("sizes does not go with levels or min_nodes; leave those out")
        return cls(targets=_targets(graph, method, constraints, sizes))

    @classmethod
    def by_steps(cls, levels: int | None, min_nodes: int | None) -> HowFar:
        """Without exact sizes."""
        if levels is None and min_nodes is None:
            raise ValueError(
                "sizes, levels and min_nodes are all None; say how far to coarsen by one of them"
            )
        for name, value in (("levels", levels), ("min_nodes", min_nodes)):
            if value is not None:
                whole_number(value, name, least=0)
        return cls(levels, min_nodes)

    @property
    def exact(self) -> bool:
        """Whether levels must have the sizes that were asked for."""
        return self.targets is not None

    def sizes_below(self, num_nodes: int) -> tuple[int, ...]:
        """The exact sizes below that of the finest graph, decreasing; none without such."""
        targets = [] if self.targets is None else self.targets.tolist()
        return tuple(size for size in reversed(targets) if size < num_nodes)

    def goal(self, num_nodes: int) -> int:
        """About how many nodes the coarsest level will have, for a bar."""
        if self.targets is not None:
            return int(self.targets[0])
        halved = 1 if self.levels is None else num_nodes >> min(self.levels, 63)
        return max(1, halved, self.min_nodes or 1)

    def counts(self, constraints: Constraints) -> bool:
        """Whether the nodes of a step's clusters are counted before it is taken."""
        return self.exact or (self.min_nodes is not None and constraints.batch is not None)

    def merges(self, member_sizes: np.ndarray) -> np.ndarray:
        """How many nodes each member of a batch may lose before it has the next wanted size."""
        if self.targets is None:
            return member_sizes
        position = np.searchsorted(self.targets, member_sizes) - 1
        return np.where(position < 0, 0, member_sizes - self.targets[position])


def _targets(
    graph: Graph, method: ClusteringMethod, constraints: Constraints, sizes: Iterable[int]
) -> np.ndarray:
    """The sizes asked for, increasing."""
    wanted = sorted(whole_numbers(sizes, "sizes", most=max(2 * graph.num_nodes, MOST)))
    if not wanted:
        raise ValueError("sizes is empty; name at least one number of nodes")
    for member, n in enumerate(constraints.per_node(graph.num_nodes).member_sizes.tolist()):
        which = "the graph" if constraints.batch is None else f"member {member} of the batch"
        for size in (wanted[0], wanted[-1]):
            if not 1 <= size <= n:
                raise ValueError(
                    f"sizes has {size}, and {which} has {n} nodes; a coarser graph has from 1 "
                    "node to as many"
                )
    fewest = _fewest_nodes(graph, method, constraints)
    for member, n in enumerate(fewest.tolist()):
        if wanted[0] < n:
            raise ValueError(
                f"sizes has {wanted[0]}, and at least {n} nodes must remain"
                + ("" if constraints.batch is None else f" of member {member} of the batch")
                + _what_does_not_merge(method)
            )
    return np.array(wanted, dtype=np.int64)


def _fewest_nodes(
    graph: Graph, method: ClusteringMethod, constraints: Constraints
) -> np.ndarray:  # [number of members]
    """As many nodes as surely remain of each member."""
    n = graph.num_nodes
    parts = _parts(graph, method, constraints)
    if constraints.batch is None:
        survivors = 0 if constraints.survivors is None else int(constraints.survivors.sum())
        some = min(n, 1) if parts is None else len(np.unique(parts))
        return np.array([max(some, survivors)])
    member = constraints.per_node(n).member
    num_members = len(constraints.per_node(n).member_sizes)
    different = np.unique(np.stack([member, member if parts is None else parts]), axis=1)[0]
    fewest = np.bincount(different, minlength=num_members)
    if constraints.survivors is not None:
        survivors_of = np.bincount(member[constraints.survivors], minlength=num_members)
        fewest = np.maximum(fewest, survivors_of)
    return fewest


def _parts(
    graph: Graph, method: ClusteringMethod, constraints: Constraints
) -> np.ndarray | None:  # [n]
    """What of the graph surely stays apart; None: no two nodes do."""
    parts = constraints.labels
    if not method.keeps_components:
        return parts
    component = _components(graph)
    if parts is None:
        return component
    both = np.unique(np.stack([parts, component]), axis=1, return_inverse=True)[1]
    return both.reshape(graph.num_nodes)


def _what_does_not_merge(method: ClusteringMethod) -> str:
    components = (
        f"{method.describe()} does not merge components; " if method.keeps_components else ""
    )
    return f": {components}labels and survivors do not merge"


def _components(graph: Graph) -> np.ndarray:  # [n]
    """The smallest node of the component of each."""
    smallest = np.arange(graph.num_nodes)
    compiled(_join)(graph.indptr, graph.indices, smallest)
    return smallest


def _join(indptr: np.ndarray, indices: np.ndarray, smallest: np.ndarray) -> None:
    """Trees of nodes that point at smaller ones, joined edge by edge, then flattened."""
    for u in range(len(smallest)):
        for at in range(indptr[u], indptr[u + 1]):
            a, b = np.int64(u), np.int64(indices[at])
            while a != b:  # climb from the larger of the two, and shorten its way
                if a < b:
                    a, b = b, a
                above = smallest[a]
                smallest[a] = min(above, b)
                a = above
    for u in range(len(smallest)):
        smallest[u] = smallest[smallest[u]]
