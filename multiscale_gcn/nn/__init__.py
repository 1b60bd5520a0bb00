"""Layers and networks on one graph, and on several at once. Features are tensors [B, N, C]."""

from multiscale_gcn.checks.libraries import library

library("torch", "multiscale_gcn.nn", "torch")

from multiscale_gcn.nn import convolutions
from multiscale_gcn.nn import schedules as schedules
from multiscale_gcn.nn.blocks import GraphConvBlock, ResGConv
from multiscale_gcn.nn.convolution_contract import Convolution, ConvolutionLayer
from multiscale_gcn.nn.convolutions import *  # noqa: F403
from multiscale_gcn.nn.distance_transfer import DistanceTransfer
from multiscale_gcn.nn.folded import Folded
from multiscale_gcn.nn.fusion import CrossScaleFusion, ScaleSum
from multiscale_gcn.nn.hierarchy_transfer import HierarchyTransfer, Transfer
from multiscale_gcn.nn.in_parts import InParts, PartDataset
from multiscale_gcn.nn.mesh_graph import MeshGraphBlock, relative_positions
from multiscale_gcn.nn.mirrored import MirrorEquivariant, Reflection
from multiscale_gcn.nn.network import MultiScaleGCN
from multiscale_gcn.nn.node_maps import DenseMap, SparseMap
from multiscale_gcn.nn.nonlocal_block import NonLocal
from multiscale_gcn.nn.pattern_buffers import GraphPattern, MatrixPattern
from multiscale_gcn.nn.pooling import GraphPool, GraphUnpool
from multiscale_gcn.nn.recorded import Recorded, RecordedStep
from multiscale_gcn.nn.residual import GraphMLP, PreNormResidual, StochasticDepth
from multiscale_gcn.nn.schedules import Schedule
from multiscale_gcn.nn.space_time import spatio_temporal, spatio_temporal_ids

__all__ = [
    "Convolution",
    "ConvolutionLayer",
    "CrossScaleFusion",
    "DenseMap",
    "DistanceTransfer",
    "Folded",
    "GraphConvBlock",
    "GraphMLP",
    "GraphPattern",
    "GraphPool",
    "GraphUnpool",
    "HierarchyTransfer",
    "InParts",
    "MatrixPattern",
    "MeshGraphBlock",
    "MirrorEquivariant",
    "MultiScaleGCN",
    "NonLocal",
    "PartDataset",
    "PreNormResidual",
    "Recorded",
    "RecordedStep",
    "Reflection",
    "ResGConv",
    "ScaleSum",
    "Schedule",
    "SparseMap",
    "StochasticDepth",
    "Transfer",
    "relative_positions",
    "spatio_temporal",
    "spatio_temporal_ids",
]
__all__ += convolutions.__all__
