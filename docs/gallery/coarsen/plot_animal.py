"""
An animal as a mesh
===================

A mesh of 8,000 vertices becomes 300, 80 and 24 patches of equal area, and each size is a graph.
"""

import numpy as np
from trimesh import Trimesh
from trimesh.smoothing import filter_laplacian

from multiscale_gcn import CentroidalClusters, as_graph, coarsen, plot_hierarchy

# %%
# The mesh
# --------
#
# ``mesh = trimesh.load("scan.ply", process=False)`` reads one of yours. So that no file is
# needed, here is a giraffe made of tapering bones, whose skin is where their smooth union ends.

BONES = np.array(
    [  # from x, y, z, radius to x, y, z, radius
        [-0.50, 0.00, 1.62, 0.25, 0.38, 0.00, 1.82, 0.29],  # trunk
        [0.42, 0.00, 1.92, 0.24, 1.02, 0.00, 3.28, 0.09],  # neck
        [1.02, 0.00, 3.34, 0.12, 1.40, 0.00, 3.16, 0.07],  # head
        [-0.70, 0.00, 1.66, 0.05, -0.92, 0.00, 1.00, 0.03],  # tail
        [-0.92, 0.00, 1.00, 0.06, -0.95, 0.00, 0.86, 0.03],
        *(
            bone
            for side in (-1, 1)
            for bone in (
                [0.40, side * 0.16, 1.60, 0.16, 0.44, side * 0.15, 0.86, 0.075],  # foreleg
                [0.44, side * 0.15, 0.86, 0.075, 0.42, side * 0.15, 0.08, 0.06],
                [-0.54, side * 0.16, 1.50, 0.18, -0.60, side * 0.15, 0.84, 0.08],  # hind leg
                [-0.60, side * 0.15, 0.84, 0.075, -0.54, side * 0.15, 0.08, 0.06],
                [0.99, side * 0.05, 3.40, 0.03, 0.95, side * 0.07, 3.58, 0.04],  # horn
                [0.98, side * 0.10, 3.34, 0.05, 0.86, side * 0.26, 3.38, 0.03],  # ear
            )
        ),
    ]
)


def outside(points: np.ndarray) -> np.ndarray:  # [n, 3] -> [n]
    """How far outside the skin a point lies, in metres; negative inside."""
    closeness = np.zeros(len(points))
    for bone in BONES:
        start, radius, end, last_radius = bone[:3], bone[3], bone[4:7], bone[7]
        along = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        axis = start + along[:, None] * (end - start)
        distance = np.linalg.norm(points - axis, axis=1) - (radius + along * (last_radius - radius))
        closeness += np.exp(-30 * distance)
    return -np.log(np.maximum(closeness, 1e-300)) / 30


def skin(step: float) -> Trimesh:
    """The sides between filled and empty cells of a grid, smoothed and drawn to the skin."""
    low, high = np.array([-1.1, -0.45, 0.0]), np.array([1.6, 0.45, 3.8])
    axes = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    filled = outside(cells.reshape(-1, 3)).reshape(cells.shape[:3]) < 0
    unit = np.eye(3, dtype=int)
    sides = []
    for axis in range(3):
        across, along = unit[axis - 2], unit[axis - 1]
        change = np.diff(filled.astype(int), axis=axis)
        for sign in (1, -1):
            corner = np.argwhere(change == sign) + unit[axis]
            around = np.stack(
                [corner, corner + across, corner + across + along, corner + along], axis=1
            )
            sides.append(around[:, ::-sign])
    corners, quads = np.unique(np.concatenate(sides).reshape(-1, 3), axis=0, return_inverse=True)
    faces = quads.reshape(-1, 4)[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    mesh = Trimesh(low + (corners - 0.5) * step, faces, process=False)
    for _ in range(8):
        filter_laplacian(mesh, iterations=1)
        here = outside(mesh.vertices)
        slope = np.stack([outside(mesh.vertices + 1e-4 * e) - here for e in unit], axis=1) / 1e-4
        mesh.vertices -= here[:, None] * slope / (slope**2).sum(axis=1, keepdims=True)
    return mesh


mesh = skin(step=0.036)
print(mesh)

# %%
# The patches
# -----------
#
# By area, not by the number of vertices: :class:`~multiscale_gcn.CentroidalClusters` makes
# compact pieces of one size, and all sizes together, so that each patch is made of whole smaller
# ones.

graph = as_graph(mesh, node_weights="area")
method = CentroidalClusters(positions=mesh.vertices)
hierarchy = coarsen(graph, sizes=[300, 80, 24], method=method)
print(hierarchy)

# %%
# Above, the mesh by its patches; below, their graphs. Each patch knows its place, its area and
# its neighbours.

figure = plot_hierarchy(hierarchy, mesh.vertices, mesh.faces, azimuth=-70, elevation=10)
