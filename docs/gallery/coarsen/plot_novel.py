"""
A social graph, by names
========================

Who appears with whom in *Les Misérables*: 77 characters, and the circles that they move in.
"""

import networkx as nx
import numpy as np

from multiscale_gcn import HeavyEdgeMatching, coarsen, plot_hierarchy

# %%
# Names
# -----
#
# Nodes are strings here, and stay so. ``two_hop="auto"`` pairs leaves of one hub only where
# nothing else is left to do.

novel = nx.les_miserables_graph()
hierarchy = coarsen(novel, sizes=[24, 8], method=HeavyEdgeMatching(two_hop="auto"))
print(hierarchy)
circles = hierarchy.level(24).index
print("with Javert: ", hierarchy.members("Javert", circles))
print("with Marius: ", hierarchy.members("Marius", circles))

# %%
# A table for pandas, with a row for every character:

print(hierarchy.to_frame().iloc[::12].to_string())

# %%
# The picture
# -----------
#
# Only those who meet many others are named.

layout = nx.kamada_kawai_layout(novel, weight=None)
positions = np.array([layout[name] for name in novel])
figure = plot_hierarchy(hierarchy, positions, levels=[circles, -1])
for axes in figure.axes[:2]:
    for name, place in layout.items():
        if novel.degree(name) > 15:
            axes.annotate(name, place, (5, 5), textcoords="offset points", fontsize=8)

# %%
# Circles
# -------
#
# Communities that networkx finds are another answer to the same question. For each of ours, how
# many of its members one of theirs has:

communities = nx.community.louvain_communities(novel, seed=0)
theirs = {name: k for k, members in enumerate(communities) for name in members}
labels = np.array([theirs[name] for name in novel])
majority = hierarchy.restrict(labels, 0, -1, "majority")
agree = hierarchy.prolong(majority, -1, 0) == labels
print(f"{agree.sum()} of {len(novel)} characters are where most of their circle are")
