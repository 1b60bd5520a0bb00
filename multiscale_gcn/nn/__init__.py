"""Layers and networks on one graph, and on several at once. Features are tensors [B, N, C]."""

from multiscale_gcn.nn.blocks import Convolution as Convolution
from multiscale_gcn.nn.blocks import GraphConvBlock as GraphConvBlock
from multiscale_gcn.nn.blocks import ResGConv as ResGConv
from multiscale_gcn.nn.convolution import GConv as GConv
from multiscale_gcn.nn.convolution import SemGConv as SemGConv
from multiscale_gcn.nn.fusion import CrossScaleFusion as CrossScaleFusion
from multiscale_gcn.nn.fusion import ScaleSum as ScaleSum
from multiscale_gcn.nn.hierarchy_transfer import HierarchyTransfer as HierarchyTransfer
from multiscale_gcn.nn.hierarchy_transfer import Transfer as Transfer
from multiscale_gcn.nn.network import MultiScaleGCN as MultiScaleGCN
from multiscale_gcn.nn.node_maps import DenseMap as DenseMap
from multiscale_gcn.nn.node_maps import SparseMap as SparseMap
from multiscale_gcn.nn.nonlocal_block import NonLocal as NonLocal
from multiscale_gcn.nn.pattern_buffers import GraphPattern as GraphPattern
from multiscale_gcn.nn.pattern_buffers import MatrixPattern as MatrixPattern
from multiscale_gcn.nn.pooling import GraphPool as GraphPool
from multiscale_gcn.nn.pooling import GraphUnpool as GraphUnpool
