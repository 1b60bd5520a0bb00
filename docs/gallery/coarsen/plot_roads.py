"""
A road network
==============

A town of 1,386 junctions becomes 40 quarters and 10 districts, with bridges between them.
"""

import networkx as nx
import numpy as np
from scipy.spatial import Delaunay

from multiscale_gcn import HeavyEdgeMatching, RefinedClusters, as_graph, coarsen, plot_hierarchy

# %%
# The town
# --------
#
# Yours may be a networkx graph of OSMnx or a table of roads: see :doc:`/inputs`. This one is made
# up. Main roads are three times as fast as streets, and the river has three bridges.

rng = np.random.default_rng(4)
crossings = np.stack(np.meshgrid(np.arange(46.0), np.arange(32.0)), axis=-1).reshape(-1, 2)
places = crossings + rng.uniform(-0.3, 0.3, crossings.shape)


def across(points: np.ndarray) -> np.ndarray:  # [..., 2]
    """How far north of the river's middle a point lies."""
    return points[..., 1] - 15.5 - 4 * np.sin(points[..., 0] / 9)


places = places[np.abs(across(places)) > 0.9]
triangles = Delaunay(places).simplices
pairs = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)), axis=0)
length = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
wet = np.prod(np.sign(across(places[pairs])), axis=1) < 0
bridge = np.zeros(len(pairs), dtype=bool)
for east in (8.0, 24.0, 38.0):
    middle = places[pairs].mean(axis=1)
    bridge[np.argmin(np.where(wet, np.abs(middle[:, 0] - east), np.inf))] = True
kept = np.where(wet, bridge, (length < 1.35) & (rng.random(len(pairs)) < 0.85))

town = nx.Graph()
for (u, v), metres in zip(pairs[kept], 100 * length[kept], strict=True):
    main = min(abs(places[[u, v], 0].mean() - 24), abs(places[[u, v], 1].mean() - 24)) < 1
    town.add_edge(int(u), int(v), minutes=metres / (750 if main else 250), weight=0.0)
town = town.subgraph(max(nx.connected_components(town), key=len)).copy()

# %%
# Districts
# ---------
#
# An edge is heavy when its two ends are near to each other in time. ``RefinedClusters`` moves
# single junctions over the borders afterwards, so that districts are compact and of one size.

for _, _, road in town.edges(data=True):
    road["weight"] = 1 / road["minutes"]
graph = as_graph(town)
positions = places[list(town)]
method = RefinedClusters(method=HeavyEdgeMatching(), positions=positions)
hierarchy = coarsen(graph, sizes=[40, 10], method=method)
figure = plot_hierarchy(
    hierarchy, positions, levels=[hierarchy.level(40).index, hierarchy.level(10).index]
)

# %%
# What lies in between
# --------------------
#
# Nodes keep the names that networkx gave them, so results go back to your table. Below, how many
# of each district's junctions lie north of the river.

district = hierarchy.parent(0, -1)
north = across(positions) > 0
for k in range(10):
    inside = north[district == k]
    print(f"district {k}: {inside.size:3} junctions, {inside.mean():4.0%} of them in the north")
print("together with junction 0:", hierarchy.members(0)[:8], "...")
