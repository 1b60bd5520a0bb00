"""
Constraints and symmetry
========================

A butterfly keeps its left and its right, its wings and its body apart, on every level.
"""

import numpy as np
from matplotlib.path import Path
from scipy.spatial import Delaunay

from multiscale_gcn import coarsen, find_mirror, plot_hierarchy

# %%
# A mesh that is nearly its own mirror image
# ------------------------------------------
#
# The left half is that of the right, but each vertex is a little off, and some triangles are
# others.

OUTLINES = {  # of the right half
    "body": [(-0.01, 1.15), (0.07, 1.1), (0.1, 0.6), (0.08, -0.3), (0.04, -0.75), (-0.01, -0.75)],
    "forewing": [(0.05, 0.6), (0.75, 1.35), (1.5, 1.6), (1.75, 1.35), (1.35, 0.5), (1, 0), (0, 0)],
    "hindwing": [
        (0, 0.2),
        (0.95, 0.2),
        (1.2, -0.35),
        (1, -0.85),
        (0.6, -1.3),
        (0.4, -1),
        (0, -0.2),
    ],
}


def part(points: np.ndarray) -> np.ndarray:  # [n, 2] -> [n]
    """0 for the body, 1 for a forewing, 2 for a hindwing, 3 outside."""
    right = np.abs(points * [1, 0]) + points * [0, 1]
    found = np.full(len(points), 3)
    for k, outline in enumerate(OUTLINES.values()):
        found[Path(outline).contains_points(right) & (found == 3)] = k
    return found


step = 0.05
grid = np.stack(np.meshgrid(np.arange(36), np.arange(-28, 34)), axis=-1).reshape(-1, 2) * step
grid += step / 3 * np.sin(97 * grid[:, ::-1]) * (grid[:, :1] > 0)
grid = grid[part(grid) < 3]
left = grid[grid[:, 0] > 0] * [-1, 1]
left += np.random.default_rng(0).normal(scale=step / 8, size=left.shape)
vertices = np.concatenate([grid, left])
faces = Delaunay(vertices).simplices
longest = np.linalg.norm(vertices[faces] - vertices[np.roll(faces, 1, axis=1)], axis=2).max(axis=1)
faces = faces[(longest < 2 * step) & (part(vertices[faces].mean(axis=1)) < 3)]
used, faces = np.unique(faces, return_inverse=True)
vertices, faces = vertices[used], faces.reshape(-1, 3)

mirror = find_mirror(faces, positions=vertices, normal="x", offset=0)
print(mirror)

# %%
# Without constraints
# -------------------
#
# Clusters reach from the body into the wings, and the two sides differ.

free = coarsen(faces, sizes=[120, 40])
figure = plot_hierarchy(free, vertices, faces, levels=[free.level(120).index, -1])

# %%
# With them
# ---------
#
# ``symmetrized`` gives an edge and its image the same weight. With ``symmetry`` each cluster's
# image is a cluster, and with ``labels`` none holds parts of two kinds. The coarse graphs are
# their own mirror images.

kinds = part(vertices)[np.minimum(np.arange(len(vertices)), mirror.image)]
hierarchy = coarsen(mirror.symmetrized(faces), sizes=[120, 40], symmetry=mirror.image, labels=kinds)
figure = plot_hierarchy(hierarchy, vertices, faces, levels=[hierarchy.level(120).index, -1])

# %%
# Every level has the mirror too, so a network may flip its samples on all of them:

coarse = hierarchy.level(40)
image = coarse.constraints.symmetry
assert image is not None
flipped = hierarchy.coarse_positions(vertices, -1)[image] * [-1, 1]
print("images of the 40 nodes:", image.tolist())
off = np.linalg.norm(flipped - hierarchy.coarse_positions(vertices, -1), axis=1)
print(f"the farthest is {off.max():.3f} off, and a side of a square is {step}")
