"""Compile the kernels before they are needed."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.coarsening import coarsen
from multiscale_gcn.convert import as_graph
from multiscale_gcn.methods.bi_stride import BiStride
from multiscale_gcn.methods.centroidal import CentroidalClusters
from multiscale_gcn.methods.defferrard import DefferrardMatching
from multiscale_gcn.methods.farthest_points import FarthestPoints
from multiscale_gcn.methods.heavy_edge import (
    HeavyEdgeMatching,
    MatchingMethod,
    VisitingOrderMatching,
)
from multiscale_gcn.methods.k_mis import MaximalIndependentSet
from multiscale_gcn.methods.kron import KronReduction
from multiscale_gcn.methods.method import ClusteringMethod

WIDTH = 150
"""Of a grid that is large enough for several threads; its next level is one for a single thread."""


def warmup() -> None:
    """Compile the CPU kernels of the coarsening now, so that no later call has to wait for it.

    The compiled code is cached on disk, so this takes long only once for an installation: call
    it when a server starts, or when an image is built.

    See Also
    --------
    coarsen : all levels at once

    Examples
    --------
    >>> import multiscale_gcn
    >>> multiscale_gcn.warmup()
    """
    ids = np.arange(WIDTH * WIDTH).reshape(WIDTH, WIDTH)
    across = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()])
    down = np.stack([ids[:-1].ravel(), ids[1:].ravel()])
    graph = as_graph(np.concatenate([across, down], axis=1), kind="edge_index", symmetrize=True)
    methods: tuple[MatchingMethod, ...] = (HeavyEdgeMatching(), VisitingOrderMatching())
    labels = np.zeros(graph.num_nodes, dtype=np.int64)
    for method in methods:
        coarsen(graph, levels=2, method=method, backend="numba")
        coarsen(graph, levels=2, method=method, labels=labels, backend="numba")
    row, column = np.divmod(ids.ravel(), WIDTH)
    others: tuple[ClusteringMethod, ...] = (
        DefferrardMatching(),
        BiStride(),
        MaximalIndependentSet(),
        FarthestPoints(np.stack([row, column], axis=1)),
    )
    for other in others:
        coarsen(graph, levels=2, method=other)
    coarsen(graph, levels=1, method=KronReduction((row + column) % 2 == 0))
    coarsen(graph, sizes=[WIDTH], method=CentroidalClusters(rounds=1))
