"""Ratings that know node weights."""

from __future__ import annotations

import numpy as np

from multiscale_gcn import (
    Expansion,
    ExpansionStar,
    ExpansionStar2,
    HeavyEdgeMatching,
    InnerOuter,
    as_graph,
    coarsen,
)
from multiscale_gcn.ratings import FormulaRating, NodeTerms
from multiscale_gcn.ratings.fused import is_fused
from multiscale_gcn.testing import RatingTests


class TestExpansion(RatingTests):
    rating = Expansion()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return float(weight / (terms.node_weight[u] + terms.node_weight[v]))


class TestExpansionStar(RatingTests):
    rating = ExpansionStar()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return float(weight / terms.node_weight[u] / terms.node_weight[v])


class TestExpansionStar2(RatingTests):
    rating = ExpansionStar2()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        return float(weight**2 / (terms.node_weight[u] * terms.node_weight[v]))


class TestInnerOuter(RatingTests):
    rating = InnerOuter()

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        """By the published one, whose denominator lacks the edge from both ends."""
        out = sum(float(terms.degree[node] - terms.loop[node]) for node in (u, v))
        published = weight / (out - 2 * weight) if out > 2 * weight else np.inf
        return 1 / (1 / published + 2)


def test_no_kernel_need_know_them() -> None:
    ratings: list[FormulaRating] = [Expansion(), ExpansionStar(), ExpansionStar2(), InnerOuter()]
    assert not any(is_fused(rating) for rating in ratings)


def test_heavy_nodes_wait() -> None:
    """Of two equal edges the one between lighter nodes is taken, where weights alone cannot say."""
    edges = np.array([[0, 1], [1, 2], [2, 3]])
    graph = as_graph(edges, kind="edge_list", symmetrize=True, node_weights=[9, 9, 1, 1])
    for rating in (Expansion(), ExpansionStar(), ExpansionStar2()):
        method = HeavyEdgeMatching(rating=rating)
        assert coarsen(graph, sizes=[3], method=method).parent(0, 1).tolist() == [0, 1, 2, 2]
