"""
A signal down and up
====================

Values of 3,000 nodes go to ever coarser levels and back. What is lost depends on the way back.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import Delaunay

from multiscale_gcn import coarsen

rng = np.random.default_rng(0)
points = rng.random((3000, 2))
mesh = Delaunay(points).simplices
hierarchy = coarsen(mesh, sizes=[1000, 250, 60, 16])
x, y = points.T
signal = np.sin(7 * x) * np.cos(5 * y) + np.exp(-60 * ((x - 0.7) ** 2 + (y - 0.3) ** 2))

# %%
# Down
# ----
#
# A restriction is a sparse matrix: here each coarse node gets the mean of its members. The
# pictures show these values, each on all the nodes that it stands for.

levels = [hierarchy.level(size).index for size in (1000, 250, 60, 16)]
figure, axes = plt.subplots(1, 5, figsize=(13, 2.9), layout="constrained")
axes[0].tripcolor(x, y, mesh, signal, shading="gouraud")
axes[0].set_title("3,000 nodes")
for panel, level in zip(axes[1:], levels, strict=True):
    down = hierarchy.restriction(0, level, "weighted_mean")
    up = hierarchy.prolongation(level, 0)
    panel.tripcolor(x, y, mesh, up @ (down @ signal), shading="gouraud")
    panel.set_title(f"{hierarchy[level].num_nodes:,} nodes")
for panel in axes:
    panel.set_aspect("equal")
    panel.set_axis_off()

# %%
# And up
# ------
#
# A prolongation goes back, in one of several ways; ``least_squares`` finds the coarse values
# whose prolongation comes nearest. Between the levels of 3,000 and of 60 nodes:

# sphinx_gallery_thumbnail_number = 2
level = hierarchy.level(60).index
means = hierarchy.restriction(0, level, "weighted_mean") @ signal
constant = hierarchy.prolongation(level, 0)
smoothed = hierarchy.prolongation(level, 0, "smoothed")
linear = hierarchy.prolongation(level, 0, "linear", positions=points)
fitted = hierarchy.least_squares(signal, 0, level, "smoothed")
returned = {
    "constant": constant @ means,
    "smoothed": smoothed @ means,
    "linear": linear @ means,
    "smoothed, fitted": smoothed @ fitted,
}


def lost(values: np.ndarray) -> float:
    """The error that is left, in units of the signal's standard deviation."""
    return float(np.sqrt(np.mean((values - signal) ** 2)) / signal.std())


figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
for panel, (name, values) in zip(axes, returned.items(), strict=True):
    panel.tripcolor(x, y, mesh, values, shading="gouraud", vmin=signal.min(), vmax=signal.max())
    panel.set_title(f"{name}: {lost(values):.0%} lost")
    panel.set_aspect("equal")
    panel.set_axis_off()

# %%
# The error by level
# ------------------
#
# Ways that know the places of the nodes, or fit the coarse values, gain more with every level.

errors: dict[str, list[float]] = {name: [] for name in returned}
for level in levels:
    means = hierarchy.restriction(0, level, "weighted_mean") @ signal
    smoothed = hierarchy.prolongation(level, 0, "smoothed")
    linear = hierarchy.prolongation(level, 0, "linear", positions=points)
    fitted = hierarchy.least_squares(signal, 0, level, "smoothed")
    errors["constant"].append(lost(hierarchy.prolong(means, level, 0)))
    errors["smoothed"].append(lost(smoothed @ means))
    errors["linear"].append(lost(linear @ means))
    errors["smoothed, fitted"].append(lost(smoothed @ fitted))

figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values_of_levels in errors.items():
    panel.loglog([hierarchy[k].num_nodes for k in levels], values_of_levels, "o-", label=name)
panel.set(xlabel="nodes of the coarse level", ylabel="error / standard deviation")
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False)
