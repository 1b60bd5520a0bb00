"""From a hierarchy to a solver of pyamg."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import instance, real_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.graph.spectrum import laplacian
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.multigrid.interpolation import interpolation, tentative
from multiscale_gcn.multigrid.matrix import system_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp
    from pyamg import MultilevelSolver

SMALL = 100
"""A level of so many nodes is solved, and not coarsened any more."""
DENSE = 1000
"""Up to so many nodes the coarsest level is solved by its pseudoinverse."""
NULL = 1e-12
"""Share of the largest eigenvalue of the coarsest matrix, below which it is singular."""
SMOOTHER = ("gauss_seidel", {"sweep": "symmetric"})
"""Before and after each correction, as pyamg's own smoothed aggregation has it."""


def to_pyamg(
    hierarchy: Hierarchy,
    matrix: Any = None,
    *,
    candidate: ArrayLike | None = None,
    ratio: float = 8.0,
) -> MultilevelSolver:
    """The hierarchy as an algebraic multigrid solver for a matrix on its finest graph.

    A step of the solver goes over as many levels of the hierarchy as make the graph about
    ``ratio`` times smaller, two or three matchings. The interpolation P of a step starts from the
    clusters and is smoothed by the matrix once for the whole step, with weak entries of the matrix
    left out and small ones of P lumped. The coarse matrix is P' A P, the restriction P'. The
    cycle is a V-cycle with a symmetric sweep of Gauss-Seidel before and after each correction, and
    the coarsest level, the first of at most 100 nodes, is solved directly.

    Sources: Vanek, Mandel and Brezina, "Algebraic multigrid by smoothed aggregation for second and
    fourth order elliptic problems", Computing 56, 1996; Brezina, Vanek and Vassilevski, "An
    improved convergence analysis of smoothed aggregation algebraic multigrid", Numerical Linear
    Algebra with Applications 19, 2012; Bell, Olson, Schroder and Southworth, "PyAMG: Algebraic
    multigrid solvers in Python", Journal of Open Source Software 8, 2023.

    Parameters
    ----------
    hierarchy : Hierarchy
        Such as ``coarsen(couplings(matrix), min_nodes=20, method=StrongMatching())``. Only its
        clusters are read, and the weights of its finest graph if there is no matrix.
    matrix : sparse matrix or array of real numbers, shape (n, n), optional
        Symmetric and positive definite, or semidefinite if the candidate spans what it maps to 0;
        row i is node i of the finest level. The Laplacian D - W of the finest graph by default,
        which maps constants to 0: the right-hand side must sum to 0 over each component.
    candidate : array of float, shape (n,), optional
        A vector without zeros that relaxation hardly changes. The coarse levels have it in their
        range. Constant by default.
    ratio : float
        Above 1. A larger one makes a cycle cheaper and more of them necessary.

    Returns
    -------
    pyamg.MultilevelSolver
        With ``solve(b, tol=1e-8, accel="cg")``, ``aspreconditioner()`` and all else that pyamg has;
        ``pyamg.relaxation.smoothing.change_smoothers`` takes other smoothers.

    Raises
    ------
    ValueError
        If the matrix is not symmetric, has another number of rows or an entry on the diagonal that
        is not positive, if the candidate does not fit, ``ratio`` is not above 1, or the hierarchy
        has no nodes or ends too early for a Laplacian.
    TypeError
        If ``hierarchy`` is none, or ``matrix`` no matrix.
    ImportError
        Without pyamg, with the line that installs it.

    See Also
    --------
    couplings : the graph of a matrix
    StrongMatching : strong edges alone, for multigrid

    Examples
    --------
    The heat equation on a plate of 60 x 60 points whose rim is held at 0:

    >>> import numpy as np
    >>> import pyamg
    >>> from multiscale_gcn import StrongMatching, coarsen, couplings, to_pyamg
    >>> A = pyamg.gallery.poisson((60, 60), format="csr")
    >>> hierarchy = coarsen(couplings(A), min_nodes=20, method=StrongMatching())
    >>> solver = to_pyamg(hierarchy, A)
    >>> [level.A.shape[0] for level in solver.levels]
    [3600, 458, 70]
    >>> b = np.ones(3600)
    >>> x = solver.solve(b, tol=1e-8, accel="cg")
    >>> bool(np.linalg.norm(b - A @ x) < 1e-7 * np.linalg.norm(b))
    True
    """
    instance(hierarchy, "hierarchy", Hierarchy, "coarsen(graph, min_nodes=20) makes one")
    n = hierarchy[0].num_nodes
    if n == 0:
        raise ValueError("hierarchy has no nodes; there is nothing to solve")
    system = laplacian(hierarchy[0].graph) if matrix is None else system_matrix(matrix)
    if system.shape[0] != n:
        raise ValueError(
            f"matrix has shape {system.shape}, expected ({n}, {n}), as many rows as the finest "
            "level has nodes"
        )
    vector = np.ones(n) if candidate is None else _candidate(candidate, n)
    steps = composite_steps(hierarchy.sizes, real_number(ratio, "ratio", above=1))
    coarsest = hierarchy.sizes[steps[-1]]
    if matrix is None and coarsest > DENSE:
        raise ValueError(
            f"hierarchy ends at {coarsest} nodes, too many for the pseudoinverse of a Laplacian; "
            f"coarsen to min_nodes={SMALL}"
        )
    return _assembled(hierarchy, steps, system, vector)


def composite_steps(sizes: Sequence[int], ratio: float) -> list[int]:
    """The levels of the solver: each next to ``ratio`` times smaller, up to the first small one."""
    steps = [0]
    while sizes[steps[-1]] > SMALL and steps[-1] < len(sizes) - 1:
        wanted = np.log(sizes[steps[-1]] / ratio)
        coarser = range(steps[-1] + 1, len(sizes))
        steps.append(min(coarser, key=lambda k: (abs(np.log(sizes[k]) - wanted), k)))
    return steps


def _candidate(candidate: ArrayLike, num_nodes: int) -> np.ndarray:
    vector = real_array(candidate, "candidate").astype(np.float64)
    if vector.shape != (num_nodes,):
        raise ValueError(f"candidate has shape {vector.shape}, expected ({num_nodes},)")
    wrong = np.flatnonzero(~np.isfinite(vector) | (vector == 0))
    if len(wrong):
        raise ValueError(
            f"candidate[{wrong[0]}] = {vector[wrong[0]]} must be finite and not 0; "
            "leave candidate out for a constant one"
        )
    scaled: np.ndarray = vector / np.abs(vector).max()
    return scaled


def _assembled(
    hierarchy: Hierarchy, steps: list[int], system: sp.csr_array, candidate: np.ndarray
) -> MultilevelSolver:
    library("pyamg", "to_pyamg", "amg")
    from pyamg import MultilevelSolver
    from pyamg.relaxation.smoothing import change_smoothers

    levels = [MultilevelSolver.Level()]
    levels[0].A = _with_int32(system)
    for fine, coarse in pairwise(steps):
        clusters = hierarchy.prolongation(coarse, fine)
        columns, factors = tentative(clusters, candidate)
        P = interpolation(system, columns, candidate, factors)
        R = P.T.tocsr()
        system, candidate = (R @ system @ P).tocsr(), factors
        levels[-1].P, levels[-1].R = _with_int32(P), _with_int32(R)
        levels.append(MultilevelSolver.Level())
        levels[-1].A = _with_int32(system)
    dense = system.shape[0] <= DENSE
    direct = ("pinv", {"rtol": NULL}) if dense else "splu"
    solver = MultilevelSolver(levels, coarse_solver=direct)
    change_smoothers(solver, SMOOTHER, SMOOTHER)
    return solver


def _with_int32(matrix: sp.csr_array) -> sp.csr_array:
    """A copy with sorted indices; pyamg's compiled code takes no two types of indices together."""
    copy = matrix.copy()
    copy.sort_indices()
    copy.indices, copy.indptr = copy.indices.astype(np.int32), copy.indptr.astype(np.int32)
    return copy
