"""The tests that every coarsening method inherits, on our own methods and on wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multiscale_gcn import (
    ClusteringMethod,
    DefferrardMatching,
    HeavyEdgeMatching,
    LocalVariation,
    MetisPartition,
    StrongMatching,
    VisitingOrderMatching,
)
from multiscale_gcn.testing import MethodTests


class TestHeavyEdgeMatching(MethodTests):
    method = HeavyEdgeMatching()


class TestKeepingIsolated(MethodTests):
    method = HeavyEdgeMatching(isolated="keep", max_node_weight=5)


class TestVisitingOrderMatching(MethodTests):
    method = VisitingOrderMatching(order="random", seed=3)


class TestStrongMatching(MethodTests):
    method = StrongMatching()


class TestDefferrardMatching(MethodTests):
    method = DefferrardMatching()


class TestLocalVariation(MethodTests):
    method = LocalVariation(k=3)


class TestLocalVariationOfEdges(MethodTests):
    method = LocalVariation(family="edges", k=3)


class TestMetisPartition(MethodTests):
    method = MetisPartition(scale=1.0)


class Wrong(ClusteringMethod):
    """A method that breaks one promise, as its argument says."""

    honours = frozenset({"labels"})

    def __init__(self, promise: str) -> None:
        self.promise = promise

    @property
    def keeps_components(self) -> bool:
        return self.promise == "components"

    def parents(self, graph: Any, *, constraints: Any, max_merges: Any, backend: str) -> np.ndarray:
        n = graph.num_nodes
        merges = n // 2 if max_merges is None else min(n // 2, int(max_merges[0]))
        return np.maximum(np.arange(n) // 2, np.arange(n) - merges)


@pytest.mark.parametrize(
    ("promise", "test"),
    [
        ("labels", "test_the_constraints_that_it_honours_are_kept"),
        ("components", "test_components_are_kept_where_it_says_so"),
    ],
)
def test_a_broken_promise_is_seen(promise: str, test: str) -> None:
    class TestWrong(MethodTests):
        method = Wrong(promise)

    with pytest.raises(AssertionError, match="has several"):
        getattr(TestWrong(), test)()
