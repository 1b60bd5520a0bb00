"""Pipelines of PyTorch Geometric: coarsening as a transform, and layers for its mini-batches.

They need ``pip install 'multiscale-gcn[pyg]'``.
"""

from multiscale_gcn.checks.libraries import library

library("torch", "multiscale_gcn.pyg", "pyg")
library("torch_geometric", "multiscale_gcn.pyg", "pyg")

from multiscale_gcn.pyg.data import MultiScaleData as MultiScaleData
from multiscale_gcn.pyg.network import MultiScaleNet as MultiScaleNet
from multiscale_gcn.pyg.pooling import Pool as Pool
from multiscale_gcn.pyg.pooling import Unpool as Unpool
from multiscale_gcn.pyg.transform import Coarsen as Coarsen

__all__ = ["Coarsen", "MultiScaleData", "MultiScaleNet", "Pool", "Unpool"]
