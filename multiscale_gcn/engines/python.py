"""The specification: plain Python, slow, and always there."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.contraction import specification as contraction
from multiscale_gcn.engines.engine import Engine
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching import Matching, MatchingOptions
from multiscale_gcn.matching import specification as matching


class PythonEngine(Engine):
    """What every other engine must equal."""

    def match(self, graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
        return matching.match(graph, method, of_nodes)

    def aggregate(self, graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
        return contraction.aggregate(graph, parent, num_coarse)
