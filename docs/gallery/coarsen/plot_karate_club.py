"""
A social graph
==============

Who belongs together in Zachary's karate club, from 34 members to four groups.
"""

import networkx as nx

from multiscale_gcn import coarsen, plot_hierarchy

hierarchy = coarsen(nx.karate_club_graph(), sizes=[12, 4])
figure = plot_hierarchy(hierarchy)

# %%
# What else.
print(hierarchy)
