"""
A V-cycle in pyamg
==================

The levels of a hierarchy become a multigrid solver of pyamg: one line makes it. The problem is
heat in a plate of two materials, one of which conducts a thousand times better than the other, and
the solver is compared with those that pyamg makes by itself. You need the extra ``amg``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pyamg
import scipy.sparse as sp
from scipy.spatial import Delaunay

from multiscale_gcn import StrongMatching, coarsen, couplings, to_pyamg

# %%
# The plate
# ---------
#
# Points at random, Delaunay's triangles between them, and linear finite elements. The good
# conductor is a comb with four teeth. The rim is held at 0, so only the points inside are unknown.

rng = np.random.default_rng(0)
side = np.linspace(0, 1, 80)
points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
inside = ((points > 0) & (points < 1)).all(axis=1)
points[inside] += rng.uniform(-0.3, 0.3, (inside.sum(), 2)) / len(side)
triangles = Delaunay(points).simplices

corners = points[triangles]


def in_comb(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    back, tooth = (x > 0.15) & (x < 0.25), (x >= 0.25) & (x < 0.85) & (np.floor(y * 9) % 2 == 1)
    return back | tooth


comb = in_comb(*corners.mean(axis=1).T)
conductivity = np.where(comb, 1000.0, 1.0)

opposite = np.roll(corners, -1, axis=1) - np.roll(corners, 1, axis=1)
area = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 2
stiffness = (conductivity / (4 * area))[:, None, None] * (opposite @ opposite.transpose(0, 2, 1))
rows, columns = np.repeat(triangles, 3, axis=1).ravel(), np.tile(triangles, 3).ravel()
whole = sp.coo_array((stiffness.ravel(), (rows, columns))).tocsr()
A = whole[np.ix_(inside, inside)].tocsr()
print(f"{A.shape[0]} unknowns, {A.nnz} entries")

# %%
# Levels for it
# -------------
#
# :func:`~multiscale_gcn.couplings` reads a graph off the matrix, and
# :class:`~multiscale_gcn.StrongMatching` pairs unknowns over strong edges alone.
# :func:`~multiscale_gcn.to_pyamg` takes two or three matchings for a step of the solver.

hierarchy = coarsen(couplings(A), min_nodes=20, method=StrongMatching())
solver = to_pyamg(hierarchy, A)
print(solver)

# %%
# The clusters of a coarse level, with the edge of the comb. Most stay within one material, as
# edges within the comb are strong and others weak.

level = 4
inner = points[inside]
parent = hierarchy.parent(0, level)
share = np.bincount(parent, weights=in_comb(*inner.T)) / np.bincount(parent)
mixed = ((share > 0.1) & (share < 0.9)).sum()
print(f"{mixed} of {len(share)} clusters have more than a tenth of their points on either side")

figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
axes.scatter(inner[:, 0], inner[:, 1], c=rng.permutation(len(share))[parent], cmap="tab20", s=9)
fine = np.linspace(0, 1, 600)
axes.contour(fine, fine, in_comb(*np.meshgrid(fine, fine)), levels=[0.5], colors="black")
axes.set_title(f"{len(share)} clusters; inside the black line it conducts 1000 times better")
axes.set_aspect("equal")
axes.set_axis_off()

# %%
# What a V-cycle does
# -------------------
#
# Start from a guess that is wrong at random everywhere. Sweeps of Gauss and Seidel soon take away
# what is rough of the error, and leave what is smooth. A V-cycle has two of these sweeps on the
# finest level, and takes the smooth part away on the coarse ones, where it is rough. The numbers
# are the root of the mean square of the error.

truth = np.zeros(A.shape[0])
start = rng.standard_normal(A.shape[0])
swept = start.copy()
pyamg.relaxation.relaxation.gauss_seidel(A, swept, truth, iterations=16, sweep="symmetric")
cycled = solver.solve(truth, x0=start, maxiter=8, tol=1e-12)

figure, panels = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
titles = ["error at the start", "after 16 sweeps", "after 8 V-cycles of 2 sweeps"]
for panel, error, title in zip(panels, (start, swept, cycled), titles, strict=True):
    everywhere = np.zeros(len(points))
    everywhere[inside] = error
    shown = panel.tripcolor(*points.T, triangles, everywhere, cmap="RdBu", vmin=-0.5, vmax=0.5)
    panel.set_title(f"{title}: {np.sqrt((error**2).mean()):.2g}")
    panel.set_aspect("equal")
    panel.set_axis_off()
figure.colorbar(shown, ax=panels, shrink=0.7)

# %%
# Against pyamg's own
# -------------------
#
# V-cycles alone, and V-cycles in conjugate gradients. The complexity is the entries of all
# matrices over those of the finest, so it says what an iteration costs.

solvers = {
    "to_pyamg": solver,
    "to_pyamg, ratio=4": to_pyamg(hierarchy, A, ratio=4),
    "smoothed aggregation": pyamg.smoothed_aggregation_solver(A),
    "smoothed aggregation, theta=0.08": pyamg.smoothed_aggregation_solver(
        A, strength=("symmetric", {"theta": 0.08})
    ),
    "Ruge and Stüben": pyamg.ruge_stuben_solver(A),
}
b = rng.standard_normal(A.shape[0])
figure, (alone, accelerated) = plt.subplots(
    1, 2, figsize=(10, 4.2), sharey=True, layout="constrained"
)
print(f"{'':34}complexity  V-cycles alone  with CG")
for name, made in solvers.items():
    counts = []
    for panel, accel in ((alone, None), (accelerated, "cg")):
        residuals: list[float] = []
        made.solve(b, tol=1e-8, maxiter=100, accel=accel, residuals=residuals)
        panel.semilogy(np.array(residuals) / residuals[0], ".-", label=name)
        reached = residuals[-1] <= 1e-8 * residuals[0]
        counts.append(str(len(residuals) - 1) if reached else "over 100")
    print(f"{name:34}{made.operator_complexity():10.2f}  {counts[0]:>14}  {counts[1]:>7}")
alone.set(title="V-cycles alone", xlabel="iterations", ylabel="residual")
accelerated.set(title="with conjugate gradients", xlabel="iterations")
accelerated.legend(fontsize="small")

# %%
# What to read next
# -----------------
#
# - :doc:`/multigrid` has more problems, the whole method, and what it does not do.
# - :doc:`/concepts/levels` says how levels come about.
