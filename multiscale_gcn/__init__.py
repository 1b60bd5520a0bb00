"""Exact graph coarsening by heavy edge matching, and graph networks on several scales."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiscale_gcn.backends import BackendUnavailable as BackendUnavailable
    from multiscale_gcn.backends import select_backend as select_backend
    from multiscale_gcn.coarsening import CoarseningStalled as CoarseningStalled
    from multiscale_gcn.coarsening import coarsen as coarsen
    from multiscale_gcn.coarsening.on_device import coarsen_on_device as coarsen_on_device
    from multiscale_gcn.coarsening.warmup import warmup as warmup
    from multiscale_gcn.comparison import compare as compare
    from multiscale_gcn.contraction import aggregate as aggregate
    from multiscale_gcn.contraction import contract as contract
    from multiscale_gcn.convert import UnreferencedNodes as UnreferencedNodes
    from multiscale_gcn.convert import as_graph as as_graph
    from multiscale_gcn.convert import drop_isolated as drop_isolated
    from multiscale_gcn.convert import to_networkx as to_networkx
    from multiscale_gcn.convert import to_pyg as to_pyg
    from multiscale_gcn.convert import to_torch as to_torch
    from multiscale_gcn.convert import to_torch_sparse as to_torch_sparse
    from multiscale_gcn.convert import weld_map as weld_map
    from multiscale_gcn.graph import Graph as Graph
    from multiscale_gcn.graph.constraints import Constraints as Constraints
    from multiscale_gcn.graph.exact import RoundingWarning as RoundingWarning
    from multiscale_gcn.graph.exact import round_weights as round_weights
    from multiscale_gcn.hierarchy import Hierarchy as Hierarchy
    from multiscale_gcn.hierarchy import Level as Level
    from multiscale_gcn.hierarchy.on_cuda import DeviceHierarchy as DeviceHierarchy
    from multiscale_gcn.hierarchy.on_cuda import DeviceLevel as DeviceLevel
    from multiscale_gcn.hierarchy.parts import Part as Part
    from multiscale_gcn.hierarchy.parts import Parts as Parts
    from multiscale_gcn.hierarchy.parts import ReceptiveField as ReceptiveField
    from multiscale_gcn.matching import Matching as Matching
    from multiscale_gcn.matching import PairKind as PairKind
    from multiscale_gcn.matching import match as match
    from multiscale_gcn.methods import ClusteringMethod as ClusteringMethod
    from multiscale_gcn.methods import Step as Step
    from multiscale_gcn.methods.bi_stride import BiStride as BiStride
    from multiscale_gcn.methods.centroidal import CentroidalClusters as CentroidalClusters
    from multiscale_gcn.methods.defferrard import DefferrardMatching as DefferrardMatching
    from multiscale_gcn.methods.farthest_points import FarthestPoints as FarthestPoints
    from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching as HeavyEdgeMatching
    from multiscale_gcn.methods.heavy_edge import VisitingOrderMatching as VisitingOrderMatching
    from multiscale_gcn.methods.k_mis import MaximalIndependentSet as MaximalIndependentSet
    from multiscale_gcn.methods.kron import KronReduction as KronReduction
    from multiscale_gcn.methods.local_variation import LocalVariation as LocalVariation
    from multiscale_gcn.methods.metis import MetisPartition as MetisPartition
    from multiscale_gcn.methods.refined import RefinedClusters as RefinedClusters
    from multiscale_gcn.methods.strong import StrongMatching as StrongMatching
    from multiscale_gcn.methods.voxels import VoxelGrid as VoxelGrid
    from multiscale_gcn.mirrors import Mirror as Mirror
    from multiscale_gcn.mirrors import find_mirror as find_mirror
    from multiscale_gcn.multigrid import couplings as couplings
    from multiscale_gcn.multigrid import to_pyamg as to_pyamg
    from multiscale_gcn.nested import multi_mesh as multi_mesh
    from multiscale_gcn.outofcore.files import EdgeFiles as EdgeFiles
    from multiscale_gcn.plotting import plot_comparison as plot_comparison
    from multiscale_gcn.plotting import plot_hierarchy as plot_hierarchy
    from multiscale_gcn.plotting import plot_hierarchy_3d as plot_hierarchy_3d
    from multiscale_gcn.pyramids import MeshPyramid as MeshPyramid
    from multiscale_gcn.pyramids import mesh_pyramid as mesh_pyramid
    from multiscale_gcn.quality import assess as assess
    from multiscale_gcn.ratings import AlgebraicDistance as AlgebraicDistance
    from multiscale_gcn.ratings import EdgeWeight as EdgeWeight
    from multiscale_gcn.ratings import Expansion as Expansion
    from multiscale_gcn.ratings import ExpansionStar as ExpansionStar
    from multiscale_gcn.ratings import ExpansionStar2 as ExpansionStar2
    from multiscale_gcn.ratings import GivenRating as GivenRating
    from multiscale_gcn.ratings import InnerOuter as InnerOuter
    from multiscale_gcn.ratings import InnerProduct as InnerProduct
    from multiscale_gcn.ratings import NormalizedAssociation as NormalizedAssociation
    from multiscale_gcn.ratings import NormalizedCut as NormalizedCut
    from multiscale_gcn.supersteps.dask import Dask as Dask
    from multiscale_gcn.supersteps.ray import Ray as Ray
    from multiscale_gcn.supersteps.spark import Spark as Spark

__version__ = "0.1.0"

_HOME = {
    "AlgebraicDistance": "ratings",
    "BackendUnavailable": "backends",
    "BiStride": "methods.bi_stride",
    "CentroidalClusters": "methods.centroidal",
    "ClusteringMethod": "methods",
    "CoarseningStalled": "coarsening",
    "Constraints": "graph.constraints",
    "Dask": "supersteps.dask",
    "DefferrardMatching": "methods.defferrard",
    "DeviceHierarchy": "hierarchy.on_cuda",
    "DeviceLevel": "hierarchy.on_cuda",
    "EdgeFiles": "outofcore.files",
    "EdgeWeight": "ratings",
    "Expansion": "ratings",
    "ExpansionStar": "ratings",
    "ExpansionStar2": "ratings",
    "FarthestPoints": "methods.farthest_points",
    "GivenRating": "ratings",
    "Graph": "graph",
    "HeavyEdgeMatching": "methods.heavy_edge",
    "Hierarchy": "hierarchy",
    "InnerOuter": "ratings",
    "InnerProduct": "ratings",
    "KronReduction": "methods.kron",
    "Level": "hierarchy",
    "LocalVariation": "methods.local_variation",
    "Matching": "matching",
    "MaximalIndependentSet": "methods.k_mis",
    "MeshPyramid": "pyramids",
    "MetisPartition": "methods.metis",
    "Mirror": "mirrors",
    "NormalizedAssociation": "ratings",
    "NormalizedCut": "ratings",
    "PairKind": "matching",
    "Part": "hierarchy.parts",
    "Parts": "hierarchy.parts",
    "Ray": "supersteps.ray",
    "ReceptiveField": "hierarchy.parts",
    "RefinedClusters": "methods.refined",
    "RoundingWarning": "graph.exact",
    "Spark": "supersteps.spark",
    "Step": "methods",
    "StrongMatching": "methods.strong",
    "UnreferencedNodes": "convert",
    "VisitingOrderMatching": "methods.heavy_edge",
    "VoxelGrid": "methods.voxels",
    "aggregate": "contraction",
    "as_graph": "convert",
    "assess": "quality",
    "coarsen": "coarsening",
    "coarsen_on_device": "coarsening.on_device",
    "compare": "comparison",
    "contract": "contraction",
    "couplings": "multigrid",
    "drop_isolated": "convert",
    "find_mirror": "mirrors",
    "match": "matching",
    "mesh_pyramid": "pyramids",
    "multi_mesh": "nested",
    "plot_comparison": "plotting",
    "plot_hierarchy": "plotting",
    "plot_hierarchy_3d": "plotting",
    "round_weights": "graph.exact",
    "select_backend": "backends",
    "to_networkx": "convert",
    "to_pyamg": "multigrid",
    "to_pyg": "convert",
    "to_torch": "convert",
    "to_torch_sparse": "convert",
    "warmup": "coarsening.warmup",
    "weld_map": "convert",
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
