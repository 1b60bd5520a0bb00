"""Methods that need nothing but the graph, by name."""

from __future__ import annotations

from typing import Literal

from multiscale_gcn.methods.bi_stride import BiStride
from multiscale_gcn.methods.defferrard import DefferrardMatching
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching, VisitingOrderMatching
from multiscale_gcn.methods.k_mis import MaximalIndependentSet
from multiscale_gcn.methods.local_variation import LocalVariation
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.methods.metis import MetisPartition

MethodName = Literal[
    "heavy_edge", "visiting_order", "defferrard", "local_variation", "bi_stride", "k_mis", "metis"
]
METHODS: dict[MethodName, type[ClusteringMethod]] = {
    "heavy_edge": HeavyEdgeMatching,
    "visiting_order": VisitingOrderMatching,
    "defferrard": DefferrardMatching,
    "local_variation": LocalVariation,
    "bi_stride": BiStride,
    "k_mis": MaximalIndependentSet,
    "metis": MetisPartition,
}
