"""The tests that a backend inherits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.backends import BackendUnavailable, engine_for
from multiscale_gcn.coarsening import CoarseningStalled, coarsen
from multiscale_gcn.contraction import aggregate, contract
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.matching import MatchingOptions, match
from multiscale_gcn.methods.heavy_edge import VisitingOrderMatching
from multiscale_gcn.methods.method import by_first_member
from multiscale_gcn.testing.problems import constrained_graphs, heavy_edge_matchings
from multiscale_gcn.testing.strategies import graphs
from multiscale_gcn.testing.validity import assert_valid_hierarchy, assert_valid_matching


@pytest.mark.filterwarnings("ignore:making the weights exact")
class BackendTests:
    """What must hold of every backend: all that the specification returns, bit for bit.

    Derive from it and name the backend. Where it cannot run, the tests are skipped, and say why.

    See Also
    --------
    RatingTests : what a rating must do
    MethodTests : what a method must do

    Examples
    --------
    >>> from multiscale_gcn.testing import BackendTests
    >>> class TestNumba(BackendTests):
    ...     backend = "numba"
    """

    backend: str

    @pytest.fixture(autouse=True)
    def _it_can_run_here(self) -> None:
        try:
            engine_for(self.backend)
        except BackendUnavailable as error:
            pytest.skip(str(error))

    def runs(self, method: MatchingOptions) -> bool:
        """Whether the backend takes the method.

        Parameters
        ----------
        method : MatchingOptions

        Returns
        -------
        bool

        Examples
        --------
        >>> from multiscale_gcn import HeavyEdgeMatching
        >>> from multiscale_gcn.testing import BackendTests
        >>> class TestNumba(BackendTests):
        ...     backend = "numba"
        >>> TestNumba().runs(HeavyEdgeMatching())
        True
        """
        return engine_for(self.backend).refusal(method) is None

    def test_matchings_are_those_of_the_specification(self) -> None:
        @given(constrained_graphs(), heavy_edge_matchings(), st.data())
        def check(given_: tuple[Graph, dict[str, Any]], method: Any, data: st.DataObject) -> None:
            graph, options = given_
            constraints = Constraints.of(graph, **options)
            members = len(constraints.member_sizes(graph.num_nodes))
            numbers = st.lists(st.integers(0, 6), min_size=members, max_size=members)
            drawn = data.draw(st.none() | numbers)
            asked: dict[str, Any] = {
                "constraints": constraints,
                "max_pairs": None if drawn is None else np.array(drawn, dtype=np.int64),
            }
            expected = match(graph, method, backend="python", **asked)
            found = match(graph, method, backend=self.backend, **asked)
            assert found == expected
            assert found.mate.dtype == expected.mate.dtype
            assert found.kind.dtype == expected.kind.dtype
            assert_valid_matching(graph, found)

        check()

    @pytest.mark.parametrize("order", ["random", "degree", "natural"])
    def test_turns_are_taken_as_in_the_specification(self, order: Any) -> None:
        @given(graphs(), st.integers(0, 9))
        def check(graph: Graph, seed: int) -> None:
            method = VisitingOrderMatching(order=order, seed=seed)
            expected = match(graph, method, backend="python")
            assert match(graph, method, backend=self.backend) == expected

        if self.runs(VisitingOrderMatching(order=order)):
            check()
            return
        with pytest.raises(ValueError, match="does not run VisitingOrderMatching"):
            match(Graph([0, 0], []), VisitingOrderMatching(order=order), backend=self.backend)

    def test_contractions_are_those_of_the_specification(self) -> None:
        @given(graphs(), st.data())
        def check(graph: Graph, data: st.DataObject) -> None:
            n = graph.num_nodes
            drawn = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
            parent = by_first_member(np.array(drawn, dtype=np.int64))
            expected = aggregate(graph, parent, backend="python")
            found = aggregate(graph, parent, backend=self.backend)
            assert found == expected
            assert found.indices.dtype == expected.indices.dtype
            assert found.indptr.dtype == expected.indptr.dtype
            assert found.quantum == expected.quantum
            matching = match(graph, backend="python")
            coarse, of_pairs = contract(graph, matching, backend=self.backend)
            expected, of_pairs_expected = contract(graph, matching, backend="python")
            assert coarse == expected
            assert np.array_equal(of_pairs, of_pairs_expected)

        check()

    def test_hierarchies_are_those_of_the_specification(self) -> None:
        @given(constrained_graphs(), heavy_edge_matchings(), st.data())
        def check(given_: tuple[Graph, dict[str, Any]], method: Any, data: st.DataObject) -> None:
            graph, options = given_
            how_far = data.draw(
                st.sampled_from([{"levels": 3}, {"min_nodes": 3}, {"levels": 2, "min_nodes": 2}])
            )
            options = {**options, **how_far, "method": method}
            expected = coarsen(graph, backend="python", **options)
            found = coarsen(graph, backend=self.backend, **options)
            assert found.fingerprint == expected.fingerprint
            for ours, theirs in zip(found, expected, strict=True):
                for name, array in theirs.constraints.arrays().items():
                    inherited: Any = ours.constraints.arrays()[name]
                    assert np.array_equal(inherited, array), name  # type: ignore[arg-type]
            assert_valid_hierarchy(found)

        check()

    def test_exact_sizes_are_reached_or_refused_as_by_the_specification(self) -> None:
        def attempt(backend: str, graph: Graph, options: dict[str, Any]) -> tuple[str, Any]:
            try:
                return "", coarsen(graph, backend=backend, **options)
            except CoarseningStalled as stalled:
                return str(stalled), stalled.hierarchy
            except ValueError as refused:
                return str(refused), None

        @given(constrained_graphs(min_nodes=2), heavy_edge_matchings(), st.data())
        def check(given_: tuple[Graph, dict[str, Any]], method: Any, data: st.DataObject) -> None:
            graph, options = given_
            sizes = data.draw(st.lists(st.integers(1, graph.num_nodes), min_size=1, max_size=3))
            options = {**options, "sizes": sizes, "method": method}
            expected = attempt("python", graph, options)
            found = attempt(self.backend, graph, options)
            assert found[0] == expected[0]
            if expected[1] is not None:
                assert found[1].fingerprint == expected[1].fingerprint

        check()

    def test_the_same_again(self) -> None:
        @given(graphs(max_nodes=60))
        def check(graph: Graph) -> None:
            found = [coarsen(graph, levels=4, backend=self.backend) for _ in range(3)]
            assert len({hierarchy.fingerprint for hierarchy in found}) == 1

        check()
