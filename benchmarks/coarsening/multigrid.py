"""Hierarchies as multigrid solvers, against those of pyamg.

    python -m benchmarks.coarsening.multigrid [problem ...]

For every problem and solver: the factor by which a V-cycle shrinks the energy norm of the error
after 40 of them, the iterations of conjugate gradients to a residual of 1e-8, the operator
complexity (entries of all matrices over those of the finest), and the seconds that the setup and
the solution take. Every cycle has a symmetric sweep of Gauss-Seidel before and after each
correction. ``SA`` is smoothed aggregation, ``theta`` the strength of connection that it asks for,
0 by default. ``smoothed prolongations`` takes every level of a hierarchy of HeavyEdgeMatching()
and the matrices of ``Hierarchy.prolongation(k + 1, k, "smoothed")``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pyamg
import scipy.sparse as sp
from pyamg.relaxation.smoothing import change_smoothers
from scipy.spatial import Delaunay

from multiscale_gcn import HeavyEdgeMatching, StrongMatching, coarsen, couplings, to_pyamg

CYCLES = 40
WIDTH = 200
POINTS = 20_000


def grid() -> sp.csr_array:
    """-u_xx - u_yy by five points, held at 0 all around."""
    return sp.csr_array(pyamg.gallery.poisson((WIDTH, WIDTH), format="csr"))


def delaunay() -> sp.csr_array:
    """-u_xx - u_yy by linear finite elements on random points of a square, its rim held at 0."""
    points = np.random.default_rng(0).random((POINTS, 2))
    triangulation = Delaunay(points)
    cells = triangulation.simplices
    corners = points[cells]
    sides = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]  # [F, 3, 2], opposite to each corner
    area = abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
    stiffness = np.einsum("fik,fjk->fij", sides, sides) / (4 * area)[:, None, None]
    places = (np.repeat(cells, 3, axis=1).ravel(), np.tile(cells, (1, 3)).ravel())
    whole = sp.csr_array((stiffness.ravel(), places), shape=(POINTS, POINTS))
    inner = np.setdiff1d(np.arange(POINTS), triangulation.convex_hull)
    system = whole[inner][:, inner]
    return sp.csr_array((system + system.T) / 2)


def columns() -> sp.csr_array:
    """-u_xx - 0.001 u_yy by five points."""
    return _diffusion(0.0, "FD")


def diagonals() -> sp.csr_array:
    """Diffusion that is 1000 times as strong along one diagonal, by bilinear finite elements."""
    return _diffusion(np.pi / 4, "FE")


def oblique() -> sp.csr_array:
    """The same at 30 degrees."""
    return _diffusion(np.pi / 6, "FE")


def flat_cells() -> sp.csr_array:
    """-u_xx - 0.001 u_yy by bilinear finite elements, whose couplings along y are positive."""
    return _diffusion(0.0, "FE")


def _diffusion(angle: float, discretisation: str) -> sp.csr_array:
    stencil = pyamg.gallery.diffusion_stencil_2d(0.001, angle, discretisation)
    return sp.csr_array(pyamg.gallery.stencil_grid(stencil, (WIDTH, WIDTH), format="csr"))


def ours(system: Any, method: Any = None, ratio: float = 8.0) -> Any:
    method = StrongMatching() if method is None else method
    return to_pyamg(coarsen(couplings(system), min_nodes=20, method=method), system, ratio=ratio)


def smoothed_prolongations(system: Any) -> Any:
    hierarchy = coarsen(couplings(system), min_nodes=20)
    levels = [pyamg.MultilevelSolver.Level()]
    levels[0].A = system
    for k in range(len(hierarchy) - 1):
        P = hierarchy.prolongation(k + 1, k, "smoothed")
        levels[k].P, levels[k].R = P, P.T.tocsr()
        levels.append(pyamg.MultilevelSolver.Level())
        levels[k + 1].A = sp.csr_array(levels[k].R @ levels[k].A @ P)
    solver = pyamg.MultilevelSolver(levels, coarse_solver="pinv")
    change_smoothers(solver, *[("gauss_seidel", {"sweep": "symmetric"})] * 2)
    return solver


def lloyd(system: Any) -> Any:
    np.random.seed(0)  # noqa: NPY002 - pyamg draws its seeds from it
    return pyamg.smoothed_aggregation_solver(system, aggregate=("lloyd", {"ratio": 1 / 8}))


def strict(system: Any) -> Any:
    return pyamg.smoothed_aggregation_solver(system, strength=("symmetric", {"theta": 0.08}))


PROBLEMS: dict[str, Callable[[], Any]] = {
    problem.__name__: problem
    for problem in (grid, delaunay, columns, diagonals, oblique, flat_cells)
}
SOLVERS: dict[str, Callable[[Any], Any]] = {
    "ours": ours,
    "ours, ratio=4": lambda system: ours(system, ratio=4.0),
    "ours, ratio=16": lambda system: ours(system, ratio=16.0),
    "ours, HeavyEdgeMatching()": lambda system: ours(system, HeavyEdgeMatching()),
    "smoothed prolongations": smoothed_prolongations,
    "pyamg SA": pyamg.smoothed_aggregation_solver,
    "pyamg SA, theta=0.08": strict,
    "pyamg SA, Lloyd clusters": lloyd,
    "pyamg Ruge-Stuben": pyamg.ruge_stuben_solver,
}


def residuals(solver: Any, system: Any) -> np.ndarray:
    """Of conjugate gradients with a V-cycle, relative to the first."""
    b = np.random.default_rng(1).standard_normal(system.shape[0])
    found: list[float] = []
    solver.solve(b, tol=1e-8, accel="cg", maxiter=300, residuals=found)
    return np.array(found) / found[0]


def contraction(solver: Any, system: Any) -> float:
    error = np.random.default_rng(0).standard_normal(system.shape[0])
    for _ in range(CYCLES):
        error /= np.sqrt(error @ (system @ error))
        error = solver.solve(np.zeros_like(error), x0=error, maxiter=1, tol=1e-300)
    return float(np.sqrt(error @ (system @ error)))


def main(problems: tuple[str, ...] = (), solvers: tuple[str, ...] = ()) -> None:
    warnings.filterwarnings("ignore", module="pyamg")
    ours(_small())  # compiles
    print(f"{'':28}{'rho':>7}{'CG':>5}{'complexity':>12}{'setup s':>9}{'solve s':>9}")
    for name in problems or tuple(PROBLEMS):
        system = PROBLEMS[name]()
        print(f"{name}: {system.shape[0]} unknowns, {system.nnz} entries")
        for kind in solvers or tuple(SOLVERS):
            begin = perf_counter()
            solver = SOLVERS[kind](system)
            built = perf_counter()
            iterations = len(residuals(solver, system)) - 1
            solved = perf_counter()
            print(
                f"  {kind:26}{contraction(solver, system):7.3f}{iterations:5}"
                f"{solver.operator_complexity():12.2f}{built - begin:9.2f}{solved - built:9.2f}"
            )


def _small() -> sp.csr_array:
    return sp.csr_array(pyamg.gallery.poisson((40, 40), format="csr"))


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
