"""
A mesh pyramid
==============

Mountains of 4,900 vertices become meshes of 1,200, 300 and 80, and a field goes down and up.
"""

import matplotlib.pyplot as plt
import numpy as np
from mpl_toolkits.mplot3d import Axes3D

from multiscale_gcn import mesh_pyramid

# %%
# Mountains
# ---------
#
# A grid of heights: ridges of several sizes, in a valley that is flat.

side = 70
x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 3, side), np.linspace(0, 3, side)))
rng = np.random.default_rng(11)
height = np.zeros_like(x)
for octave in range(5):
    angle, shift = rng.uniform(0, np.pi), rng.uniform(0, 9, 2)
    u = 2**octave * (np.cos(angle) * x + np.sin(angle) * y) + shift[0]
    v = 2**octave * (np.cos(angle) * y - np.sin(angle) * x) + shift[1]
    height += 0.5**octave * (1 - np.abs(np.sin(u + 0.7 * np.sin(v))))
height = np.maximum(height - 0.75, 0.04 * height)
vertices = np.stack([x, y, height], axis=1)
corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
faces = np.concatenate(
    [
        np.stack([corner, corner + 1, corner + side + 1], axis=1),
        np.stack([corner, corner + side + 1, corner + side], axis=1),
    ]
)

# %%
# The pyramid
# -----------
#
# Edges collapse one by one, those that change the surface least first. So flat land has few
# vertices left, and ridges have many; the border stays the border.

pyramid = mesh_pyramid((vertices, faces), sizes=[1200, 300, 80])

figure = plt.figure(figsize=(12, 7))
for k, (places, triangles) in enumerate(zip(pyramid.vertices, pyramid.faces, strict=True)):
    place = (0.5 * (k % 2) - 0.05, 0.47 - 0.49 * (k // 2), 0.6, 0.56)
    axes = Axes3D(figure, place, proj_type="ortho")
    figure.add_axes(axes)
    axes.patch.set_alpha(0)
    axes.plot_trisurf(*places.T, triangles=triangles, cmap="gist_earth", vmin=-0.9, vmax=1.2,
                      edgecolor="black", linewidth=(0.05, 0.15, 0.3, 0.6)[k])  # fmt: skip
    axes.view_init(elev=38, azim=-60)
    axes.set_box_aspect((3, 3, 1.1), zoom=1.3)
    axes.set_axis_off()
    axes.set_title(f"{len(places):,} vertices", y=0.06)

# %%
# Barycentric maps
# ----------------
#
# A vertex of the fine mesh lies on or near a triangle of the next, and is a mean of its three
# corners. From farther down it is the mean of such means.

one = pyramid.prolongation(1, 0, "interpolated")[[2000]]
for coarse_vertex, weight in zip(one.indices, one.data, strict=True):
    print(f"vertex 2000 has {weight:.3f} of coarse vertex {coarse_vertex}")

# %%
# A field down and up
# -------------------
#
# Down, a coarse vertex takes the value of the vertex that it is. Up, ``interpolated`` is that
# mean; ``parent`` alone would give each vertex the value of the one that it collapsed into.

field = np.sin(4 * x) + np.cos(3 * y) + height
up = pyramid.prolongation(2, 0, "interpolated")
coarse = pyramid.restriction(0, 2, "sampled") @ field
figure, panels = plt.subplots(1, 3, figsize=(12, 4.1), layout="constrained")
shown = {
    "the field": field,
    "300 values, by parent": coarse[pyramid.parent(0, 2)],
    "300 values, interpolated": up @ coarse,
}
for panel, (title, values) in zip(panels, shown.items(), strict=True):
    panel.tripcolor(x, y, faces, values, shading="gouraud", vmin=field.min(), vmax=field.max())
    lost = np.sqrt(np.mean((values - field) ** 2)) / field.std()
    panel.set_title(f"{title}: {lost:.0%} lost" if lost else title)
    panel.set_aspect("equal")
    panel.set_axis_off()
