"""Exact graph coarsening by heavy edge matching, and graph networks on several scales."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiscale_gcn.backends import BackendUnavailable as BackendUnavailable
    from multiscale_gcn.backends import select_backend as select_backend
    from multiscale_gcn.clustering import ClusteringMethod as ClusteringMethod
    from multiscale_gcn.coarsening import CoarseningStalled as CoarseningStalled
    from multiscale_gcn.coarsening import coarsen as coarsen
    from multiscale_gcn.compilation import warmup as warmup
    from multiscale_gcn.constraints import Constraints as Constraints
    from multiscale_gcn.contraction import aggregate as aggregate
    from multiscale_gcn.contraction import contract as contract
    from multiscale_gcn.convert import as_graph as as_graph
    from multiscale_gcn.convert import to_networkx as to_networkx
    from multiscale_gcn.convert import to_pyg as to_pyg
    from multiscale_gcn.convert import to_torch as to_torch
    from multiscale_gcn.convert import to_torch_sparse as to_torch_sparse
    from multiscale_gcn.device import DeviceHierarchy as DeviceHierarchy
    from multiscale_gcn.device import DeviceLevel as DeviceLevel
    from multiscale_gcn.device import coarsen_on_device as coarsen_on_device
    from multiscale_gcn.exact import round_weights as round_weights
    from multiscale_gcn.graph import Graph as Graph
    from multiscale_gcn.hierarchy import Hierarchy as Hierarchy
    from multiscale_gcn.hierarchy import Level as Level
    from multiscale_gcn.local_variation import LocalVariation as LocalVariation
    from multiscale_gcn.matching import DefferrardMatching as DefferrardMatching
    from multiscale_gcn.matching import HeavyEdgeMatching as HeavyEdgeMatching
    from multiscale_gcn.matching import Matching as Matching
    from multiscale_gcn.matching import PairKind as PairKind
    from multiscale_gcn.matching import VisitingOrderMatching as VisitingOrderMatching
    from multiscale_gcn.matching import match as match
    from multiscale_gcn.partition import MetisPartition as MetisPartition
    from multiscale_gcn.plotting import plot_comparison as plot_comparison
    from multiscale_gcn.plotting import plot_hierarchy as plot_hierarchy
    from multiscale_gcn.quality import assess as assess
    from multiscale_gcn.quality import compare as compare
    from multiscale_gcn.ratings import AlgebraicDistance as AlgebraicDistance
    from multiscale_gcn.ratings import EdgeWeight as EdgeWeight
    from multiscale_gcn.ratings import GivenRating as GivenRating
    from multiscale_gcn.ratings import InnerProduct as InnerProduct
    from multiscale_gcn.ratings import NormalizedAssociation as NormalizedAssociation
    from multiscale_gcn.ratings import NormalizedCut as NormalizedCut

__version__ = "0.1.0"

_HOME = {
    "AlgebraicDistance": "ratings",
    "BackendUnavailable": "backends",
    "ClusteringMethod": "clustering",
    "CoarseningStalled": "coarsening",
    "Constraints": "constraints",
    "DefferrardMatching": "matching",
    "DeviceHierarchy": "device",
    "DeviceLevel": "device",
    "EdgeWeight": "ratings",
    "GivenRating": "ratings",
    "Graph": "graph",
    "HeavyEdgeMatching": "matching",
    "Hierarchy": "hierarchy",
    "InnerProduct": "ratings",
    "Level": "hierarchy",
    "LocalVariation": "local_variation",
    "Matching": "matching",
    "MetisPartition": "partition",
    "NormalizedAssociation": "ratings",
    "NormalizedCut": "ratings",
    "PairKind": "matching",
    "VisitingOrderMatching": "matching",
    "aggregate": "contraction",
    "as_graph": "convert",
    "assess": "quality",
    "coarsen": "coarsening",
    "coarsen_on_device": "device",
    "compare": "quality",
    "contract": "contraction",
    "match": "matching",
    "plot_comparison": "plotting",
    "plot_hierarchy": "plotting",
    "round_weights": "exact",
    "select_backend": "backends",
    "to_networkx": "convert",
    "to_pyg": "convert",
    "to_torch": "convert",
    "to_torch_sparse": "convert",
    "warmup": "compilation",
}
_SUBMODULES = ("nn", "ops", "pyg", "testing")

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"multiscale_gcn.{_HOME[name]}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"multiscale_gcn.{name}")
    else:
        raise AttributeError(f"module 'multiscale_gcn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES, "__version__"])
