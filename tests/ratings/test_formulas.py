"""Ratings that are formulas: the table, and what is not in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multiscale_gcn import (
    AlgebraicDistance,
    EdgeWeight,
    GivenRating,
    Graph,
    HeavyEdgeMatching,
    NormalizedAssociation,
    NormalizedCut,
    as_graph,
    coarsen,
    match,
)
from multiscale_gcn.ratings import FormulaRating, NodeTerms, Rating
from multiscale_gcn.ratings.fused import code_of, cuda_source, is_fused, python_source
from multiscale_gcn.testing import RatingTests

SMALLEST = as_graph(np.array([[0.0, 0, 0, 3], [0, 0, 3, 4], [0, 3, 0, 4], [3, 4, 4, 0]]))


class Cosine(FormulaRating):
    formula = "weight / sqrt(degree_u * degree_v)"


class Scarce(Rating):
    """A formula by numpy, with a number that stands for nothing."""

    code = 3

    def edge(self, weight: Any, u: Any, v: Any, terms: NodeTerms) -> Any:
        return weight / np.sqrt(terms.degree[u] * terms.degree[v])


class Heavier(EdgeWeight):
    """One that the kernels would take for its base, were they asked by isinstance."""

    def edge(self, weight: Any, u: Any, v: Any, terms: NodeTerms) -> Any:
        return -weight


class TestEdgeWeight(RatingTests):
    rating = EdgeWeight()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return weight


class TestNormalizedCut(RatingTests):
    rating = NormalizedCut()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return weight * (1 / float(terms.degree[u]) + 1 / float(terms.degree[v]))


class TestNormalizedAssociation(RatingTests):
    rating = NormalizedAssociation()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        inner = 2 * weight + float(terms.loop[u]) + float(terms.loop[v])
        return inner / (float(terms.degree[u]) + float(terms.degree[v]))


class TestCosine(RatingTests):
    rating: Rating = Cosine()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return float(weight / (terms.degree[u] * terms.degree[v]) ** 0.5)


class TestScarce(TestCosine):
    rating = Scarce()


class TestHeavier(RatingTests):
    rating = Heavier()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return -weight


class TestAlgebraicDistance(RatingTests):
    rating = AlgebraicDistance(vectors=2, sweeps=3)


class TestFewestMembers(RatingTests):
    @staticmethod
    def fewest(graph: Graph) -> np.ndarray:
        u, v = graph.edge_index()
        return -(graph.node_weights[u] + graph.node_weights[v])

    rating = GivenRating(fewest)


@pytest.mark.parametrize("rating", [Scarce(), Cosine()])
def test_a_formula_that_no_kernel_knows_is_rated_as_it_says(rating: Rating) -> None:
    found = match(SMALLEST, HeavyEdgeMatching(rating=rating), backend="numba").mate.tolist()
    assert found == [3, 2, 1, 0]
    assert not is_fused(rating)


def test_only_the_ratings_of_the_table_are_known_by_number() -> None:
    assert [code_of(r) for r in (EdgeWeight(), NormalizedCut(), NormalizedAssociation())] == [
        0, 1, 2,
    ]  # fmt: skip
    assert not is_fused(Heavier())


def test_the_sources_of_the_kernels_are_those_of_the_table() -> None:
    table: dict[str, Any] = {}
    exec(python_source(), table)
    scale, loop = np.array([2.0, 4.0]), np.array([1.0, 3.0])
    assert [table["rate"](code, 5.0, 0, 1, scale, loop) for code in range(3)] == [
        5.0, 5.0 * 6.0, (10.0 + 4.0) / 6.0,
    ]  # fmt: skip
    lines = cuda_source().splitlines()
    assert lines[0].startswith("#define RATE (p.code == 1 ? weight * (own + (1.0 / degree)) : ")
    assert lines[1] == "#define READS_INVERSE (p.code == 1)"


def test_a_formula_of_unknown_names_is_refused() -> None:
    class Wrong(FormulaRating):
        formula = "weight / degre_u"

    with pytest.raises(ValueError, match="reads degre_u, which is none of weight, degree_u"):
        match(SMALLEST, HeavyEdgeMatching(rating=Wrong()))


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("weight / degree_u", r"rates the edge \(0, 3\) as .* and \(3, 0\) as .*; give both"),
        ("weight / (degree_u - degree_u)", r"rates the edge \(0, 3\) as inf; ratings must be"),
        ("1.0", "has ratings of shape"),
    ],
)
def test_a_formula_that_is_no_rating_is_refused(formula: str, message: str) -> None:
    lopsided = type("Lopsided", (FormulaRating,), {"formula": formula})()
    with pytest.raises(ValueError, match=rf"Lopsided\(\) {message}"):
        match(SMALLEST, HeavyEdgeMatching(rating=lopsided))


def test_inherited_tests_see_a_rating_that_two_backends_take_differently(monkeypatch) -> None:
    """As the kernels did by number before: the wrong formula where the table is asked."""
    monkeypatch.setattr(Cosine, "evaluated", lambda self, graph, constraints: NormalizedCut())
    with pytest.raises(AssertionError):
        TestCosine().test_it_is_its_specification()


def test_a_rating_of_ones_own_coarsens_alike_on_both_backends() -> None:
    grid = np.add.outer(np.arange(12) * 12, np.arange(12))
    edges = np.concatenate(
        [np.stack([grid[:, 1:].ravel(), grid[:, :-1].ravel()]),
         np.stack([grid[1:].ravel(), grid[:-1].ravel()])], axis=1,
    )  # fmt: skip
    graph = as_graph(edges, kind="edge_index", symmetrize=True)
    method = HeavyEdgeMatching(rating=Cosine())
    prints = {b: coarsen(graph, sizes=[20], method=method, backend=b).fingerprint
              for b in ("python", "numba")}  # fmt: skip
    assert prints["python"] == prints["numba"]
