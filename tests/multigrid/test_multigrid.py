"""Solvers from hierarchies: what they are made of, against dense formulas, and what they solve."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from multiscale_gcn import (
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    StrongMatching,
    coarsen,
    couplings,
    to_pyamg,
)
from multiscale_gcn.multigrid.interpolation import SMALL, STEPS, WEAK, interpolation, tentative
from multiscale_gcn.multigrid.solver import composite_steps

pyamg = pytest.importorskip("pyamg")


def poisson(width: int) -> sp.csr_array:
    line = sp.diags_array([-np.ones(width - 1), 2 * np.ones(width), -np.ones(width - 1)],
                          offsets=[-1, 0, 1])  # fmt: skip
    one = sp.eye_array(width)
    return sp.csr_array(sp.kron(line, one) + sp.kron(one, line))


def stretched(width: int, share: float) -> sp.csr_array:
    """Columns of a grid that hang together by 1, and with each other by a share."""
    line = sp.diags_array([-np.ones(width - 1), 2 * np.ones(width), -np.ones(width - 1)],
                          offsets=[-1, 0, 1])  # fmt: skip
    one = sp.eye_array(width)
    return sp.csr_array(sp.kron(line, one) + share * sp.kron(one, line))


def random_laplacian(rng: np.random.Generator, n: int, degree: float) -> np.ndarray:
    """Of a connected graph whose weights have no ties."""
    weights = np.triu(rng.random((n, n)) * (rng.random((n, n)) < degree / n), 1)
    weights[np.arange(n - 1), np.arange(1, n)] += rng.random(n - 1) + 0.01
    weights += weights.T
    return np.diag(weights.sum(1)) - weights


def solver_of(matrix: Any, **options: Any) -> Any:
    hierarchy = coarsen(couplings(matrix), min_nodes=20, method=StrongMatching())
    return to_pyamg(hierarchy, matrix, **options)


def contraction(solver: Any, matrix: Any) -> float:
    """Factor by which a V-cycle shrinks the energy norm of the error, after many of them."""
    error = np.random.default_rng(0).standard_normal(matrix.shape[0])
    for _ in range(15):
        error /= np.sqrt(error @ (matrix @ error))
        error = solver.solve(np.zeros_like(error), x0=error, maxiter=1, tol=1e-300)
    return float(np.sqrt(error @ (matrix @ error)))


def by_formula(A: np.ndarray, clusters: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """The interpolation entry by entry."""
    n, m = clusters.shape
    F = A.copy()
    for i in range(n):
        for j in range(n):
            if i != j and abs(A[i, j]) < WEAK * np.sqrt(A[i, i] * A[j, j]):
                F[i, i] += A[i, j] * candidate[j] / candidate[i]
                F[i, j] = 0
    D = np.array([F[i, i] if F[i, i] > 0.1 * A[i, i] else A[i, i] for i in range(n)])
    P = clusters * candidate[:, None]
    factors = np.linalg.norm(P, axis=0)
    P = P / factors
    largest = np.linalg.eigvals(F / D[:, None]).real.max()
    for k in range(1, STEPS + 1):
        root = largest / 2 * (1 - np.cos(2 * np.pi * k / (2 * STEPS + 1)))
        P = P - F @ P / D[:, None] / root
    for i in range(n):
        share = abs(P[i] * factors)
        top = share.argmax()
        for j in range(m):
            if share[j] < SMALL * share[top]:
                P[i, top] += P[i, j] * factors[j] / factors[top]
                P[i, j] = 0
    return P


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([0.0, 0.3]))
def test_interpolation_is_its_formula(seed: int, n: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    A = random_laplacian(rng, n, 4) + np.diag(shift * rng.random(n))
    candidate = rng.choice([-1, 1], n) * (0.5 + rng.random(n))
    parent = np.unique(rng.integers(0, max(n // 3, 1), n), return_inverse=True)[1]
    clusters = np.eye(parent.max() + 1)[parent]
    columns, factors = tentative(sp.csr_array(clusters), candidate)
    P = interpolation(sp.csr_array(A), columns, candidate, factors)
    np.testing.assert_allclose(P.toarray(), by_formula(A, clusters, candidate), atol=1e-9)


@pytest.mark.parametrize("method", [StrongMatching(), HeavyEdgeMatching()])
def test_coarse_matrices_are_galerkin_products(method: Any) -> None:
    A = poisson(30)
    hierarchy = coarsen(couplings(A), min_nodes=10, method=method)
    solver = to_pyamg(hierarchy, A, ratio=4)
    steps = composite_steps(hierarchy.sizes, 4)
    assert [level.A.shape[0] for level in solver.levels] == [hierarchy.sizes[k] for k in steps]
    assert len(steps) >= 3
    np.testing.assert_array_equal(solver.levels[0].A.toarray(), A.toarray())
    for fine, coarse in pairwise(solver.levels):
        P = fine.P.toarray()
        np.testing.assert_array_equal(fine.R.toarray(), P.T)
        np.testing.assert_allclose(coarse.A.toarray(), P.T @ fine.A.toarray() @ P, atol=1e-12)


def test_a_step_is_that_of_the_hierarchy_without_the_levels_in_between() -> None:
    A = poisson(20)
    hierarchy = coarsen(couplings(A), min_nodes=10, method=StrongMatching())
    parent = hierarchy.parent(0, composite_steps(hierarchy.sizes, 8)[1])
    direct = Hierarchy.from_parents(hierarchy[0].graph, [parent])
    P, expected = (to_pyamg(h, A).levels[0].P.toarray() for h in (hierarchy, direct))
    np.testing.assert_array_equal(P, expected)
    within = np.linalg.matrix_power(A.toarray() != 0, STEPS) @ np.eye(P.shape[1])[parent] > 0
    assert not P[~within].any(), "no farther than the relaxations reach"


def test_what_the_laplacian_maps_to_zero_is_in_the_range() -> None:
    A = random_laplacian(np.random.default_rng(1), 300, 5)
    scale = 0.5 + np.random.default_rng(2).random(300)
    scaled = A / np.outer(scale, scale)  # maps scale to 0
    hierarchy = coarsen(couplings(A), min_nodes=5)
    for matrix, candidate in ((None, None), (A, None), (scaled, scale)):
        vector = np.ones(300) if candidate is None else candidate
        solver = to_pyamg(hierarchy, matrix, candidate=candidate)
        P = solver.levels[0].P.toarray()
        coefficients = np.linalg.lstsq(P, vector, rcond=None)[0]
        np.testing.assert_allclose(P @ coefficients, vector, atol=1e-10)
        coarsest = solver.levels[-1].A.toarray()
        eigenvalues = np.linalg.eigvalsh(coarsest)
        assert abs(eigenvalues[0]) < 1e-12 * eigenvalues[-1]
        assert eigenvalues[1] > 1e-6 * eigenvalues[-1]


PROBLEMS: dict[str, Callable[[], Any]] = {
    "grid": lambda: poisson(50),
    "columns": lambda: stretched(50, 1e-3),
    "random": lambda: random_laplacian(np.random.default_rng(3), 700, 4) + 0.01 * np.eye(700),
    "positive couplings": lambda: pyamg.gallery.stencil_grid(
        pyamg.gallery.diffusion_stencil_2d(1e-2, np.pi / 6), (40, 40), format="csr"
    ),
    "small": lambda: poisson(3),
    "one unknown": lambda: [[2.0]],
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_it_solves_as_a_direct_solver_does(name: str) -> None:
    A = sp.csr_array(PROBLEMS[name]())
    b = np.random.default_rng(4).standard_normal(A.shape[0])
    x = solver_of(A).solve(b, tol=1e-12, accel="cg", maxiter=200)
    np.testing.assert_allclose(x, spsolve(A.tocsc(), b), rtol=1e-6, atol=1e-6 * abs(x).max())


def test_without_a_matrix_it_solves_the_laplacian() -> None:
    A = random_laplacian(np.random.default_rng(5), 400, 4)
    b = np.random.default_rng(6).standard_normal(400)
    b -= b.mean()
    graph = couplings(A)
    x = to_pyamg(coarsen(graph, min_nodes=20)).solve(b, tol=1e-12, accel="cg", maxiter=200)
    expected = np.linalg.pinv(A) @ b
    np.testing.assert_allclose(x - x.mean(), expected, atol=1e-7)


def test_the_singular_coarsest_level_of_a_laplacian_is_no_trap() -> None:
    graph = couplings(poisson(100))  # whose coarsest matrix has an eigenvalue of about -1e-14
    solver = to_pyamg(coarsen(graph, min_nodes=20, method=StrongMatching()))
    b = np.zeros(100 * 100)
    b[[0, -1]] = 1, -1
    x = solver.solve(b, tol=1e-8, accel="cg", maxiter=50)
    L = solver.levels[0].A
    assert np.linalg.norm(b - L @ x) < 1e-8 * np.linalg.norm(b)


def test_a_long_hierarchy_that_ends_early_is_solved_sparsely() -> None:
    A = poisson(60)
    solver = to_pyamg(coarsen(couplings(A), levels=1), A)
    assert solver.levels[-1].A.shape[0] > 1000
    b = np.ones(3600)
    np.testing.assert_allclose(A @ solver.solve(b, tol=1e-12), b, atol=1e-8)


def test_cycles_converge_and_stay_cheap() -> None:
    A = poisson(100)
    solver = solver_of(A)
    assert contraction(solver, A) < 0.5
    assert solver.operator_complexity() < 1.6


def test_smoothing_once_a_step_is_cheaper_than_every_matching_and_no_smoothing_is_worse() -> None:
    A = poisson(60)
    hierarchy = coarsen(couplings(A), min_nodes=20, method=StrongMatching())
    by_matching = to_pyamg(hierarchy, A, ratio=2)
    by_step = to_pyamg(hierarchy, A)
    assert 2 * by_step.operator_complexity() < by_matching.operator_complexity()
    P = hierarchy.prolongation(composite_steps(hierarchy.sizes, 8)[1], 0)
    assert contraction(by_step, A) < 0.8 * two_grid_of_clusters(A, P)


def two_grid_of_clusters(A: sp.csr_array, P: sp.csr_array) -> float:
    from pyamg.relaxation.smoothing import change_smoothers

    levels = [pyamg.MultilevelSolver.Level(), pyamg.MultilevelSolver.Level()]
    levels[0].A, levels[1].A = A, sp.csr_array(P.T @ A @ P)
    levels[0].P, levels[0].R = P, P.T.tocsr()
    solver = pyamg.MultilevelSolver(levels, coarse_solver="splu")
    change_smoothers(solver, *[("gauss_seidel", {"sweep": "symmetric"})] * 2)
    return contraction(solver, A)


def test_strong_matching_helps_where_couplings_differ() -> None:
    A = stretched(60, 1e-3)
    other = to_pyamg(coarsen(couplings(A), min_nodes=20), A, ratio=4)
    ours = to_pyamg(coarsen(couplings(A), min_nodes=20, method=StrongMatching()), A, ratio=4)
    assert contraction(ours, A) < 0.75 < contraction(other, A)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20), st.floats(1.1, 50))
def test_steps_come_next_to_the_ratio(sizes: list[int], ratio: float) -> None:
    sizes = sorted(set(sizes), reverse=True)
    steps = composite_steps(sizes, ratio)
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    assert steps[-1] == len(sizes) - 1 or sizes[steps[-1]] <= 100
    for k, chosen in pairwise(steps):
        assert sizes[k] > 100
        off = [max(sizes[k] / s / ratio, ratio * s / sizes[k]) for s in sizes[k + 1 :]]
        assert off[chosen - k - 1] <= min(off) * (1 + 1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_couplings_are_the_negative_entries(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    A = rng.integers(-3, 3, (n, n)).astype(float)
    A = A + A.T
    np.fill_diagonal(A, 1 + rng.random(n))
    graph = couplings(sp.coo_array(A))
    expected = np.array([[max(-A[i, j], 0) * (i != j) for j in range(n)] for i in range(n)])
    np.testing.assert_array_equal(graph.to_scipy().toarray(), expected)
    np.testing.assert_array_equal(graph.node_weights, 1)


def test_entries_that_differ_by_rounding_are_one_coupling() -> None:
    graph = couplings([[1.0, -0.3], [-0.1 * 3, 1.0]])
    assert graph.weights.tolist() == [0.1 * 3] * 2


def test_what_rounding_left_is_no_coupling() -> None:
    A = poisson(3).toarray()
    A[0, 8] = A[8, 0] = -1e-16
    assert couplings(A).num_edges == 12


def test_the_matrix_that_was_given_stays_as_it_was() -> None:
    A = sp.csr_array(([-1.0, 2.0, 2.0, -1.0], [1, 0, 1, 0], [0, 2, 4]), shape=(2, 2))
    before = [A.data.copy(), A.indices.copy(), A.indptr.copy()]
    hierarchy = coarsen(couplings(A), levels=1)
    to_pyamg(hierarchy, A).solve(np.ones(2))
    for array, old in zip((A.data, A.indices, A.indptr), before, strict=True):
        np.testing.assert_array_equal(array, old)


def spoiled(place: tuple[int, int], value: float) -> np.ndarray:
    A = poisson(2).toarray()
    A[place] = value
    return A


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"matrix has shape \(2, 3\), and must be square"),
        (np.ones(4), r"matrix has shape \(4,\), and must be square"),
        (spoiled((0, 1), -3.0), r"matrix\[0, 1\] = -3.0 and matrix\[1, 0\] = -1.0: .* symmetric"),
        (spoiled((2, 2), 0.0), r"matrix\[2, 2\] = 0.0 must be positive"),
        (spoiled((0, 1), np.nan), r"matrix\[0, 1\] = nan must be finite"),
        (1j * np.eye(4), "matrix must hold real numbers"),
        (sp.csr_array(1j * np.eye(4)), "matrix must hold real numbers, got dtype complex"),
    ],
)
def test_matrices_that_are_none_of_an_elliptic_system(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        couplings(matrix)
    with pytest.raises(ValueError, match=message):
        to_pyamg(coarsen(couplings(poisson(2)), levels=1), matrix)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matrix": np.eye(3)}, r"matrix has shape \(3, 3\), expected \(4, 4\)"),
        ({"candidate": np.ones(3)}, r"candidate has shape \(3,\), expected \(4,\)"),
        ({"candidate": [1, 0, 1, 1]}, r"candidate\[1\] = 0.0 must be finite and not 0"),
        ({"candidate": [1, 1, np.inf, 1]}, r"candidate\[2\] = inf must be finite"),
        ({"ratio": 1}, "ratio = 1 must be above 1"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    hierarchy = coarsen(couplings(poisson(2)), levels=1)
    with pytest.raises(ValueError, match=message):
        to_pyamg(hierarchy, **options)


def test_hierarchies_that_cannot_be_solved() -> None:
    with pytest.raises(ValueError, match="hierarchy has no nodes"):
        to_pyamg(Hierarchy.from_parents(Graph([0], []), []))
    grid = couplings(poisson(50))
    with pytest.raises(ValueError, match="ends at 1250 nodes, too many for the pseudoinverse"):
        to_pyamg(coarsen(grid, levels=1))
    with pytest.raises(TypeError, match=r"hierarchy = .* must be a Hierarchy"):
        to_pyamg(grid)  # type: ignore[arg-type]


def test_without_pyamg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    hierarchy = coarsen(couplings(poisson(2)), levels=1)
    monkeypatch.setitem(sys.modules, "pyamg", None)
    with pytest.raises(ImportError, match=r"pip install 'multiscale-gcn\[amg\]'"):
        to_pyamg(hierarchy)
