"""A level in the memory of the host, for every method and backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from multiscale_gcn.coarsening.descent import Stage
from multiscale_gcn.contraction import galerkin_product, merged_pairs, valid_parents
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints, NodeConstraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.matching import MatchingOptions, matched
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.methods.method import ClusteringMethod, Step, by_first_member


@dataclass(frozen=True, eq=False)
class HostStage(Stage):
    """See :class:`~multiscale_gcn.coarsening.descent.Stage`.

    Parameters
    ----------
    graph : Graph
        Of exact weights.
    method : ClusteringMethod
        For the next step.
    of_nodes : NodeConstraints
    backend : str
    came_by : Step, optional
        The step that led here; None at the finest level.
    """

    graph: Graph
    method: ClusteringMethod
    of_nodes: NodeConstraints
    backend: str
    came_by: Step | None = None

    @classmethod
    def of(
        cls, graph: Graph, method: ClusteringMethod, constraints: Constraints, backend: str
    ) -> HostStage:
        of_nodes = constraints.per_node(graph.num_nodes)
        return cls(graph, method.prepared(graph), of_nodes, backend)

    @property
    def member_sizes(self) -> np.ndarray:
        return self.of_nodes.member_sizes

    def coarser(
        self, merges: np.ndarray, exact: bool, min_nodes: int | None
    ) -> tuple[np.ndarray, HostStage] | None:
        if self.of_nodes.constraints.batch is None and _is_only_a_matching(self.method):
            found = self._paired(merges if exact else None, min_nodes or 0)
        else:
            found = self._clustered(merges, exact, min_nodes)
        if found is None:
            return None
        step, coarse, constraints = found
        return step.parent, HostStage(
            coarse,
            self.method.followed(self.graph, coarse, step),
            constraints.per_node(coarse.num_nodes),
            self.backend,
            step,
        )

    def _paired(
        self, max_merges: np.ndarray | None, min_nodes: int
    ) -> tuple[Step, Graph, Constraints] | None:
        """A step of pairs, of which it is known before they merge how many nodes they leave."""
        constraints, method = self.of_nodes.constraints, self.method
        assert isinstance(method, MatchingMethod)
        matching = matched(self.graph, method, constraints, max_merges, self.backend)
        num_pairs = matching.num_pairs
        if num_pairs == 0 or self.graph.num_nodes - num_pairs < min_nodes:
            return None
        coarse, parent = merged_pairs(self.graph, matching, self.backend)
        return Step(parent), coarse, constraints.coarsened(parent)

    def _clustered(
        self, merges: np.ndarray, exact: bool, min_nodes: int | None
    ) -> tuple[Step, Graph, Constraints] | None:
        step = self.method.step(
            self.graph,
            constraints=self.of_nodes.constraints,
            max_merges=merges if exact else None,
            backend=self.backend,
        )
        # What a matching answers is valid by construction; what others do is checked.
        if isinstance(self.method, MatchingOptions):
            parent = step.parent
        else:
            parent = self._checked(step.parent, merges)
        if min_nodes is not None:
            parent = self._stopped(min_nodes, parent, step)
        if len(parent) == 0 or parent.max() + 1 == len(parent):
            return None
        constraints = self.of_nodes.constraints.coarsened(parent)
        coarse = self._coarse_graph(step, parent, constraints)
        parent = parent.astype(self.graph.indices.dtype, copy=False)
        return replace(step, parent=parent), coarse, constraints

    def levels(
        self, stages: Sequence[HostStage], parents: Sequence[np.ndarray]
    ) -> tuple[Level, ...]:
        steps = [stage.came_by for stage in stages[1:]]
        return tuple(
            _level(k, stage, parent, step)
            for k, (stage, parent, step) in enumerate(
                zip(stages, [*parents, None], [*steps, None], strict=True)
            )
        )

    def _coarse_graph(self, step: Step, parent: np.ndarray, constraints: Constraints) -> Graph:
        if step.graph is None:
            return galerkin_product(self.graph, parent, self.backend)
        num_coarse = int(parent.max()) + 1
        if not isinstance(step.graph, Graph) or step.graph.num_nodes != num_coarse:
            raise ValueError(
                f"{type(self.method).__name__}.step: the graph is {step.graph!r}, and parent names "
                f"{num_coarse} coarse nodes"
            )
        return round_weights(step.graph, constraints.batch)[0]

    def _stopped(self, min_nodes: int, parent: np.ndarray, step: Step) -> np.ndarray:
        stopped = _stop_at(min_nodes, parent, self.of_nodes)
        own = any(part is not None for part in (step.graph, step.sampled, step.interpolation))
        if own and stopped is not parent and stopped.max() + 1 < len(stopped):
            raise ValueError(
                f"{type(self.method).__name__} cannot let some members of a batch wait at "
                f"min_nodes = {min_nodes}; say sizes or levels"
            )
        return stopped

    def _checked(self, parents: np.ndarray, merges: np.ndarray) -> np.ndarray:
        """The clusters of a method that may be anybody's."""
        name = type(self.method).__name__
        try:
            parent = valid_parents(parents, self.graph)
        except ValueError as error:
            raise ValueError(f"{name}.parents: {error}") from None
        coarse = self.of_nodes.constraints.coarsened(parent)
        merged = self.member_sizes - coarse.member_sizes(int(parent.max(initial=-1)) + 1)
        if (merged > merges).any():
            at = int(np.argmax(merged > merges))
            raise ValueError(
                f"{name}.parents merged {merged[at]} nodes away, and max_merges was {merges[at]}; "
                "a method must not overshoot the sizes that were asked for"
            )
        return parent


def _is_only_a_matching(method: ClusteringMethod) -> bool:
    """Whether a step is what the library's matching makes it, and nobody's own."""
    kind = type(method)
    return (
        isinstance(method, MatchingMethod)
        and kind.parents is MatchingMethod.parents
        and kind.step is MatchingMethod.step
    )


def _level(k: int, stage: HostStage, parent: np.ndarray | None, step: Step | None) -> Level:
    constraints = stage.of_nodes.constraints
    if step is None or (step.sampled is None and step.interpolation is None):
        return Level._of_valid(
            index=k,
            graph=stage.graph,
            parent=parent,
            constraints=constraints,
            sampled=None,
            interpolation=None,
        )
    return Level(k, stage.graph, parent, constraints, step.sampled, step.interpolation)


def _stop_at(min_nodes: int, parent: np.ndarray, of_nodes: NodeConstraints) -> np.ndarray:
    """The clusters without those of members that would fall below ``min_nodes``."""
    if parent.max(initial=-1) + 1 >= min_nodes and of_nodes.constraints.batch is None:
        return parent
    of_coarse = np.zeros(int(parent.max(initial=-1)) + 1, dtype=np.int64)
    of_coarse[parent] = of_nodes.member
    stops = (np.bincount(of_coarse) < min_nodes)[of_nodes.member]
    if not stops.any():
        return parent
    own = np.arange(len(parent)) + len(of_coarse)
    return by_first_member(np.where(stops, own, parent)).astype(parent.dtype)
