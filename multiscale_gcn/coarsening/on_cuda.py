"""A level in the memory of a CUDA device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.coarsening.descent import Stage
from multiscale_gcn.contraction.on_cuda import contract_on_device
from multiscale_gcn.cuda.arrays import DeviceArrays
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.on_cuda import DeviceLevel, levels_on_host
from multiscale_gcn.matching.matching import Matching
from multiscale_gcn.matching.on_cuda import DeviceConstraints, match_on_device
from multiscale_gcn.matching.truncation import truncate
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching


@dataclass(frozen=True, eq=False)
class DeviceStage(Stage):
    """See :class:`~multiscale_gcn.coarsening.descent.Stage`.

    Its rating is one that the kernels compute. With a number of nodes that is counted, there are
    no constraints.

    Parameters
    ----------
    arrays : DeviceArrays
    method : HeavyEdgeMatching
    quantum : float or None
        Of the weights.
    rules : DeviceConstraints
    finest : tuple of Graph and Constraints, optional
        What the host has of the finest level.
    """

    arrays: DeviceArrays
    method: HeavyEdgeMatching
    quantum: float | None
    rules: DeviceConstraints
    finest: tuple[Graph, Constraints] | None = None

    @classmethod
    def of(cls, graph: Graph, method: HeavyEdgeMatching, constraints: Constraints) -> DeviceStage:
        rules = DeviceConstraints.of(constraints.per_node(graph.num_nodes))
        arrays = DeviceArrays.of(graph)
        return cls(arrays, method, graph.quantum, rules, (graph, constraints))

    @property
    def member_sizes(self) -> np.ndarray:
        return np.array([self.arrays.num_nodes])

    def coarser(
        self, merges: np.ndarray, exact: bool, min_nodes: int | None
    ) -> tuple[Any, DeviceStage] | None:
        fine = self.arrays
        mate, kind = match_on_device(fine, self.method, fine.weights, self.rules)
        if exact:
            mate = self._at_most(int(merges[0]), mate, kind)
        coarse, parent = contract_on_device(fine, mate)
        if coarse.num_nodes == fine.num_nodes or coarse.num_nodes < (min_nodes or 0):
            return None
        rules = self.rules.coarsened(parent, coarse.num_nodes) if self.rules else self.rules
        return parent, DeviceStage(coarse, self.method, self.quantum, rules)

    def levels(self, stages: Sequence[DeviceStage], parents: Sequence[Any]) -> tuple[Level, ...]:
        return levels_on_host(device_levels(stages, parents), self.quantum, self.finest)

    def _at_most(self, most: int, mate: Any, kind: Any) -> Any:
        """The mates when only so many pairs are kept, which the host chooses if there are more."""
        if int(cp.count_nonzero(kind)) // 2 <= most:
            return mate
        graph = self.arrays.to_graph(self.quantum)
        matching = Matching._of_valid(mate=cp.asnumpy(mate), kind=cp.asnumpy(kind))
        unconstrained = Constraints().per_node(graph.num_nodes)
        kept = truncate(graph, self.method, unconstrained, matching, np.array([most]))
        return cp.asarray(kept.mate)


def device_levels(stages: Sequence[Any], parents: Sequence[Any]) -> tuple[DeviceLevel, ...]:
    """The levels as they stand on the device."""
    pairs = zip(stages, [*parents, None], strict=True)
    return tuple(DeviceLevel(stage.arrays, parent) for stage, parent in pairs)
