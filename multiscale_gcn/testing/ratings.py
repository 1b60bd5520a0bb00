"""The tests that a rating inherits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.backends import BackendUnavailable, backend_names, engine_for
from multiscale_gcn.coarsening import coarsen
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.matching import MatchingOptions, match
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching, VisitingOrderMatching
from multiscale_gcn.ratings import NodeTerms, Rating
from multiscale_gcn.testing.problems import together
from multiscale_gcn.testing.strategies import graphs


@pytest.mark.filterwarnings("ignore:making the weights exact")
class RatingTests:
    """What must hold of every rating. Derive from it and say which.

    See Also
    --------
    BackendTests : what a backend must do
    MethodTests : what a method must do

    Examples
    --------
    >>> from multiscale_gcn.ratings.formulas import FormulaRating
    >>> from multiscale_gcn.testing import RatingTests
    >>> class Cosine(FormulaRating):
    ...     formula = "weight / sqrt(degree_u * degree_v)"
    >>> class TestCosine(RatingTests):
    ...     rating = Cosine()
    ...
    ...     def specification(self, weight, u, v, terms):
    ...         return weight / (terms.degree[u] * terms.degree[v]) ** 0.5
    >>> TestCosine().test_it_is_its_specification()
    """

    rating: Rating

    def specification(self, weight: float, u: int, v: int, terms: NodeTerms) -> float:
        """The rating of one edge, written anew from its definition. Without it none is compared.

        Parameters
        ----------
        weight : float
        u, v : int
            The two ends.
        terms : NodeTerms

        Returns
        -------
        float

        Raises
        ------
        NotImplementedError
            Unless it is written; the test that reads it is skipped then.

        Examples
        --------
        >>> from multiscale_gcn import EdgeWeight
        >>> from multiscale_gcn.testing import RatingTests
        >>> class TestEdgeWeight(RatingTests):
        ...     rating = EdgeWeight()
        ...
        ...     def specification(self, weight, u, v, terms):
        ...         return weight
        >>> TestEdgeWeight().test_it_is_its_specification()
        """
        raise NotImplementedError

    def values(self, graph: Graph) -> np.ndarray:
        """The rating of every stored entry, as the backends get it.

        Parameters
        ----------
        graph : Graph

        Returns
        -------
        array of float64, shape (nnz,)

        Examples
        --------
        >>> from multiscale_gcn import EdgeWeight, Graph
        >>> from multiscale_gcn.testing import RatingTests
        >>> class TestEdgeWeight(RatingTests):
        ...     rating = EdgeWeight()
        >>> TestEdgeWeight().values(Graph([0, 1, 2], [1, 0], [3, 3])).tolist()
        [3.0, 3.0]
        """
        rating = self.rating.evaluated(graph, Constraints())
        u, v = graph.rows(), graph.indices
        found = rating.edge(rating.entries(graph), u, v, NodeTerms.of(graph))
        return np.broadcast_to(np.asarray(found), u.shape)

    def test_it_is_its_specification(self) -> None:
        @given(graphs(max_nodes=12))
        def check(graph: Graph) -> None:
            graph, _ = round_weights(graph)
            terms = NodeTerms.of(graph)
            rows, columns = graph.edge_index().tolist()
            edges = zip(graph.weights.tolist(), rows, columns, self.values(graph), strict=True)
            for weight, u, v, found in edges:
                if u != v:
                    expected = self.specification(weight, u, v, terms)
                    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)

        if type(self).specification is RatingTests.specification:
            pytest.skip("no specification is given")
        check()

    def test_an_edge_is_rated_the_same_from_both_ends(self) -> None:
        @given(graphs())
        def check(graph: Graph) -> None:
            graph, _ = round_weights(graph)
            values, (u, v) = self.values(graph), graph.edge_index()
            keys = dict(zip(zip(u.tolist(), v.tolist(), strict=True), values, strict=True))
            for (a, b), value in keys.items():
                assert a == b or value == keys[b, a], f"({a}, {b}) and ({b}, {a}) differ"
                assert a == b or np.isfinite(value), f"({a}, {b}) is rated as {value}"

        check()

    @pytest.mark.parametrize("backend", backend_names())
    def test_every_backend_marries_the_same(self, backend: str) -> None:
        try:
            engine = engine_for(backend)
        except BackendUnavailable as error:
            pytest.skip(str(error))
        methods: list[MatchingOptions] = [HeavyEdgeMatching(rating=self.rating, two_hop=False)]
        methods += [HeavyEdgeMatching(rating=self.rating, seed=3)]
        methods += [VisitingOrderMatching(rating=self.rating, order="degree")]
        methods = [method for method in methods if engine.refusal(method) is None]

        @given(graphs(), st.sampled_from(methods), st.none() | st.integers(0, 4))
        def check(graph: Graph, method: MatchingOptions, max_pairs: int | None) -> None:
            expected = match(graph, method, max_pairs=max_pairs, backend="python")
            assert match(graph, method, max_pairs=max_pairs, backend=backend) == expected

        check()

    def test_the_best_edge_is_taken(self) -> None:
        @given(graphs(min_nodes=2))
        def check(graph: Graph) -> None:
            graph, _ = round_weights(graph)
            values, (u, v) = self.values(graph).copy(), graph.edge_index()
            values[u == v] = -np.inf
            if not (u != v).any():
                return
            mate = match(graph, HeavyEdgeMatching(rating=self.rating)).mate
            best = np.flatnonzero(values == values.max())
            assert any(mate[u[at]] == v[at] for at in best), "no best edge is in the matching"

        check()

    def test_a_member_of_a_batch_is_rated_as_alone(self) -> None:
        @given(graphs(max_nodes=12), graphs(max_nodes=12))
        def check(first: Graph, second: Graph) -> None:
            batch = np.repeat([0, 1], [first.num_nodes, second.num_nodes])
            method = HeavyEdgeMatching(rating=self.rating)
            both = coarsen(together([first, second]), levels=2, batch=batch, method=method)
            members = [coarsen(alone, levels=2, method=method) for alone in (first, second)]
            filled = [alone for alone in members if alone[0].num_nodes]
            found = both.members() if filled else ()
            assert [m.fingerprint for m in found] == [alone.fingerprint for alone in filled]

        check()
