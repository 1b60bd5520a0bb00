"""
A rating of your own
====================

A rating says which edges merge first. This one is written in a dozen lines for pictures: it merges
those regions first whose colours hardly differ. What comes out are superpixels, and a picture of a
few hundred colours that still shows what was there.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

from multiscale_gcn import Constraints, Graph, HeavyEdgeMatching, coarsen
from multiscale_gcn.ratings import EntryRating

# %%
# A picture as a graph
# --------------------
#
# Every pixel is a node, with edges to the four pixels beside it. The picture is drawn here, with
# some noise: a hill, a sun, a house.

rng = np.random.default_rng(0)
height, width = 96, 128
y, x = np.mgrid[:height, :width]
picture = np.stack([0.45 + 0.004 * y, 0.65 + 0.002 * y, np.full_like(x, 0.95, float)], axis=-1)
picture[(x - 98) ** 2 + (y - 24) ** 2 < 13**2] = (1.0, 0.85, 0.3)
picture[y > 66 - 22 * np.exp(-(((x - 35) / 28) ** 2))] = (0.35, 0.6, 0.3)
picture[(x > 72) & (x < 106) & (y > 52) & (y < 78)] = (0.85, 0.8, 0.72)
picture[(np.abs(x - 89) < 0.9 * (y - 36)) & (y > 36) & (y < 53)] = (0.7, 0.25, 0.2)
picture[(x > 78) & (x < 86) & (y > 58) & (y < 68)] = (0.25, 0.3, 0.4)
picture[(x > 93) & (x < 100) & (y > 60) & (y < 78)] = (0.4, 0.25, 0.15)
picture += rng.normal(0, 0.02, picture.shape)

grid = nx.grid_2d_graph(height, width)
colours = picture.reshape(-1, 3)

# %%
# The rating
# ----------
#
# Put two regions of :math:`n_u` and :math:`n_v` pixels together, and paint both in their common
# mean: the squared error grows by :math:`\frac{n_u n_v}{n_u + n_v} |c_u - c_v|^2` (Ward 1963). The
# edge with the least growth shall be first, so the rating is its negative.
#
# ``values`` gives a number for each entry of the graph. The next level has regions where this one
# has pixels, so ``coarsened`` says what becomes of the colours.


class Ward(EntryRating):
    """Merge what changes the picture least."""

    def __init__(self, colours: np.ndarray) -> None:  # [n, 3]
        self.colours = colours

    def values(self, graph: Graph, constraints: Constraints) -> np.ndarray:
        u, v = graph.rows(), graph.indices
        n_u, n_v = graph.node_weights[u], graph.node_weights[v]
        difference = ((self.colours[u] - self.colours[v]) ** 2).sum(axis=1)
        return -(n_u * n_v / (n_u + n_v)) * difference

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> "Ward":
        total = np.bincount(parent, weights=fine.node_weights)
        means = [
            np.bincount(parent, weights=fine.node_weights * channel) / total
            for channel in self.colours.T
        ]
        return Ward(np.stack(means, axis=1))


# %%
# What it changes
# ---------------
#
# The same call with the default rating, which sees the grid alone, and with ours. A whole matching
# would also marry the last pixel of the sun to the sky, as nobody else is left. So the steps are
# small: a level of an exact size takes the best edges alone.

SHOWN = 192
sizes = [round(height * width * 0.85**step) for step in range(1, 35)] + [SHOWN]
methods = {
    "default, NormalizedCut": HeavyEdgeMatching(),
    "ours, Ward": HeavyEdgeMatching(rating=Ward(colours)),
}
hierarchies = {name: coarsen(grid, sizes=sizes, method=method) for name, method in methods.items()}

figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for (name, hierarchy), (above, below) in zip(hierarchies.items(), axes.T, strict=True):
    level = hierarchy.level(SHOWN).index
    parent = hierarchy.parent(0, level).reshape(height, width)
    above.imshow(hierarchy.restrict(colours, 0, level)[parent].clip(0, 1))
    above.set_title(f"{name}: {SHOWN} colours")
    large = parent.repeat(5, axis=0).repeat(5, axis=1)
    border = (large != np.roll(large, 1, axis=0)) | (large != np.roll(large, 1, axis=1))
    below.imshow(np.where(border[..., None], 0.1, picture.repeat(5, 0).repeat(5, 1)).clip(0, 1))
    below.set_title(f"the borders of the {SHOWN} regions")
for panel in axes.flat:
    panel.set_axis_off()

# %%
# How far the painted picture is from what it was made of, over the number of regions.

figure, panel = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, hierarchy in hierarchies.items():
    counts, errors = hierarchy.sizes[1:], []
    for level in range(1, len(hierarchy)):
        painted = hierarchy.restrict(colours, 0, level)[hierarchy.parent(0, level)]
        errors.append(np.sqrt(((painted - colours) ** 2).mean()))
    panel.loglog(counts, errors, label=name)
    print(f"{name}: {errors[counts.index(SHOWN)]:.3f} with {SHOWN} regions")
panel.axhline(0.02, color="0.6", linestyle=":", label="the noise of the picture")
panel.set(xlabel="regions", ylabel="error, root of the mean square")
panel.legend(fontsize="small")

# %%
# Every backend, and every option of :func:`~multiscale_gcn.coarsen`, works with a rating of your
# own.
#
# What to read next
# -----------------
#
# - :doc:`/extending/rating` has the shorter way for formulas of the weights, and the tests that
#   your rating inherits.
# - :doc:`/concepts/levels` compares the ratings of the library.
# - :class:`~multiscale_gcn.InnerProduct` is one of them that reads features too.
