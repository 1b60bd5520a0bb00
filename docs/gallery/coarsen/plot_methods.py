"""
Methods compared
================

Six methods take the same mesh of 600 points to 150 and 40 nodes; which one keeps what?
"""

import numpy as np
from scipy.spatial import Delaunay

from multiscale_gcn import (
    CentroidalClusters,
    DefferrardMatching,
    HeavyEdgeMatching,
    LocalVariation,
    MaximalIndependentSet,
    RefinedClusters,
    as_graph,
    coarsen,
    compare,
    plot_comparison,
    plot_hierarchy,
)

points = np.random.default_rng(0).random((600, 2))
points[:, 1] *= 0.7
mesh = Delaunay(points).simplices
graph = as_graph(mesh)

# %%
# The table
# ---------
#
# :func:`~multiscale_gcn.compare` measures at each size: the share of the weight that is cut, how
# even the clusters are, and how far the smallest eigenvalues of the Laplacian move. Where a
# method does not reach a size, the row says why.

methods = {
    "heavy edges": HeavyEdgeMatching(),
    "heavy edges, refined": RefinedClusters(method=HeavyEdgeMatching(), positions=points),
    "centroidal": CentroidalClusters(positions=points),
    "Defferrard 2016": DefferrardMatching(variant="2016"),
    "local variation": LocalVariation(),
    "k-MIS": MaximalIndependentSet(),
}
comparison = compare(graph, methods, sizes=[150, 40])
print(comparison)

# %%
# The same as bars; shorter is better.

figure = plot_comparison(comparison)

# %%
# What it looks like
# ------------------
#
# The clusters of heavy edges are as ragged as their pairs:

matched = coarsen(graph, sizes=[150, 40], method=methods["heavy edges"])
figure = plot_hierarchy(matched, points, mesh, levels=[matched.level(150).index, -1])

# %%
# Centroidal clusters are round, as they know where the points lie:

grown = coarsen(graph, sizes=[150, 40], method=methods["centroidal"])
figure = plot_hierarchy(grown, points, mesh, levels=[1, 2])
