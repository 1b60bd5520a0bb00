"""Compiled by Numba, on all threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.engines.engine import Engine, Function
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching import Matching, MatchingOptions


class NumbaEngine(Engine):
    """The kernels for processors; Numba is imported when the first one runs."""

    needs: ClassVar[Mapping[str, str]] = {"numba": "pip install numba"}

    def match(self, graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
        from multiscale_gcn.matching import on_cpu

        return on_cpu.match(graph, method, of_nodes)

    def aggregate(self, graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
        from multiscale_gcn.contraction import on_cpu

        return on_cpu.aggregate(graph, parent, num_coarse)

    def contract(self, graph: Graph, matching: Matching) -> tuple[Graph, np.ndarray]:
        from multiscale_gcn.contraction import on_cpu

        return on_cpu.contract(graph, matching)

    def compiled(self, function: Function) -> Function:
        result: Function = compiled(function)
        return result
