"""On a CUDA device, by kernels that CuPy compiles."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.backends import require_cuda_device
from multiscale_gcn.coarsening.descent import Stage
from multiscale_gcn.coarsening.on_device import runs_on_device
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.engines.engine import Engine, Function
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints, NodeConstraints
from multiscale_gcn.matching import Matching, MatchingOptions
from multiscale_gcn.methods.method import ClusteringMethod


class CupyEngine(Engine):
    """The kernels for CUDA devices; CuPy is imported when the first one runs."""

    def check(self) -> None:
        require_cuda_device()

    def refusal(self, method: MatchingOptions | ClusteringMethod) -> str | None:
        if method.takes_turns:
            return (
                ", in which each node waits for the ones before it; take HeavyEdgeMatching or "
                "backend='numba'"
            )
        return None

    def match(self, graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
        from multiscale_gcn.matching import on_cuda

        return on_cuda.match(graph, method, of_nodes)

    def aggregate(self, graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
        from multiscale_gcn.contraction import on_cuda

        return on_cuda.aggregate(graph, parent, num_coarse)

    def compiled(self, function: Function) -> Function:
        result: Function = compiled(function)  # for the host, where such functions run
        return result

    def stage(
        self, graph: Graph, method: ClusteringMethod, constraints: Constraints, counted: bool
    ) -> Stage | None:
        # The host counts the nodes of a batch's members, and chooses among pairs under constraints.
        if counted and constraints:
            return None
        if not runs_on_device(method):
            return None
        from multiscale_gcn.coarsening.on_cuda import DeviceStage

        return DeviceStage.of(graph, method, constraints)
