"""The tests that a coarsening method inherits."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from multiscale_gcn.coarsening import CoarseningStalled, coarsen
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.testing.problems import constrained_graphs
from multiscale_gcn.testing.strategies import graphs
from multiscale_gcn.testing.validity import assert_valid_hierarchy


@pytest.mark.filterwarnings("ignore:making the weights exact")
class MethodTests:
    """What must hold of every coarsening method. Derive from it and say which.

    See Also
    --------
    RatingTests : what a rating must do
    BackendTests : what a backend must do

    Examples
    --------
    >>> import numpy as np
    >>> from multiscale_gcn import ClusteringMethod
    >>> from multiscale_gcn.testing import MethodTests
    >>> class Halves(ClusteringMethod):
    ...     def parents(self, graph, *, constraints, max_merges, backend):
    ...         n = graph.num_nodes
    ...         merges = n // 2 if max_merges is None else min(n // 2, int(max_merges[0]))
    ...         return np.maximum(np.arange(n) // 2, np.arange(n) - merges)
    >>> class TestHalves(MethodTests):
    ...     method = Halves()
    >>> TestHalves().test_no_size_is_overshot()
    """

    method: ClusteringMethod
    min_nodes = 0
    """Of the graphs that it is tried on."""
    contracts = True
    """Whether each coarse graph is the contraction of the clusters."""

    def method_for(self, graph: Graph) -> ClusteringMethod:
        """The method, with what it must be told of the finest graph, such as positions.

        Parameters
        ----------
        graph : Graph

        Returns
        -------
        ClusteringMethod
            ``self.method``, unless overridden.

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import VoxelGrid
        >>> from multiscale_gcn.testing import MethodTests
        >>> class TestVoxels(MethodTests):
        ...     method = VoxelGrid(np.zeros((0, 1)), 1.0)
        ...     def method_for(self, graph):
        ...         return VoxelGrid(np.arange(graph.num_nodes)[:, None], 2.0)
        >>> TestVoxels().test_no_size_is_overshot()
        """
        return self.method

    def coarsened(self, graph: Graph, **options: Any) -> Hierarchy:
        """The hierarchy, or what of it was reached; what the method refuses is not counted.

        Parameters
        ----------
        graph : Graph
        **options
            Of :func:`~multiscale_gcn.coarsen`, but for the method.

        Returns
        -------
        Hierarchy

        Raises
        ------
        hypothesis.errors.UnsatisfiedAssumption
            If the method refuses the graph, so that hypothesis draws another.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import HeavyEdgeMatching
        >>> from multiscale_gcn.testing import MethodTests
        >>> class TestMatching(MethodTests):
        ...     method = HeavyEdgeMatching()
        >>> TestMatching().coarsened(nx.path_graph(4), levels=1).sizes
        (4, 2)
        """
        try:
            return coarsen(graph, method=self.method_for(as_graph(graph)), **options)
        except CoarseningStalled as stalled:
            return stalled.hierarchy
        except ValueError as refused:
            assume(False)
            raise AssertionError from refused

    def test_every_level_is_the_contraction_of_the_one_before(self) -> None:
        @given(graphs(min_nodes=max(self.min_nodes, 1)))
        def check(graph: Graph) -> None:
            hierarchy = self.coarsened(graph, levels=3)
            assert_valid_hierarchy(hierarchy, contraction=self.contracts)

        if self.method.needs_sizes:
            pytest.skip("the method makes levels of given sizes only")
        check()

    def test_interpolation_keeps_constants_and_samples(self) -> None:
        @given(graphs(min_nodes=max(self.min_nodes, 1)))
        def check(graph: Graph) -> None:
            for level in self.coarsened(graph, levels=2).levels[:-1]:
                if level.interpolation is not None:
                    rows = level.interpolation.sum(axis=1)
                    assert np.allclose(rows, 1.0, atol=1e-9), "a constant does not come back"
                    if level.sampled is not None:
                        own = level.interpolation[level.sampled].toarray()
                        assert np.array_equal(own, np.eye(len(own))), "a kept node loses its value"

        if self.method.needs_sizes:
            pytest.skip("the method makes levels of given sizes only")
        check()

    def test_the_same_again(self) -> None:
        @given(graphs(min_nodes=max(self.min_nodes, 2)))
        def check(graph: Graph) -> None:
            again = pickle.loads(pickle.dumps(graph))
            options = {"sizes": [(graph.num_nodes + 1) // 2]}
            found = self.coarsened(graph, **options)
            assert self.coarsened(again, **options).fingerprint == found.fingerprint

        check()

    def test_no_size_is_overshot(self) -> None:
        @given(graphs(min_nodes=max(self.min_nodes, 2)), st.data())
        def check(graph: Graph, data: st.DataObject) -> None:
            size = data.draw(st.integers(1, graph.num_nodes))
            hierarchy = self.coarsened(graph, sizes=[size])
            assert hierarchy[-1].num_nodes >= size, "more nodes merged than were asked for"
            assert list(hierarchy.sizes) == sorted(set(hierarchy.sizes), reverse=True)

        check()

    def test_the_constraints_that_it_honours_are_kept(self) -> None:
        @given(constrained_graphs(min_nodes=max(self.min_nodes, 2)))
        def check(given_: tuple[Graph, dict[str, Any]]) -> None:
            graph, options = given_
            options = {name: a for name, a in options.items() if name in self.method.honours}
            hierarchy = self.coarsened(graph, levels=2, **options)
            for name in ("labels", "batch"):
                if name in options:
                    for k in range(1, len(hierarchy)):
                        _assert_one_in_each(options[name], hierarchy.parent(0, k), name)
            if "survivors" in options:
                survivors = hierarchy.parent(0, -1)[options["survivors"]]
                assert len(np.unique(survivors)) == len(survivors), "two survivors merged"

        if self.method.needs_sizes:
            pytest.skip("the method makes levels of given sizes only")
        check()

    @pytest.mark.parametrize("name", ["labels", "survivors", "symmetry", "batch"])
    def test_other_constraints_are_refused(self, name: str) -> None:
        if name in self.method.honours:
            pytest.skip("the method honours them")
        array = np.array([1, 0]) if name == "symmetry" else np.zeros(2, int)
        array = array.astype(bool) if name == "survivors" else array
        with pytest.raises(ValueError, match=f"cannot honour {name}; "):
            self.method.check(Constraints(**{name: array}), sizes_given=True)

    def test_components_are_kept_where_it_says_so(self) -> None:
        @given(graphs(min_nodes=max(self.min_nodes, 2), shapes=("clusters", "random", "edgeless")))
        def check(graph: Graph) -> None:
            from scipy.sparse.csgraph import connected_components

            component = connected_components(graph.to_scipy(), directed=False)[1]
            hierarchy = self.coarsened(graph, levels=2)
            _assert_one_in_each(component, hierarchy.parent(0, -1), "components")

        if not self.method.keeps_components or self.method.needs_sizes:
            pytest.skip("the method does not promise it")
        check()

    def test_it_describes_itself(self) -> None:
        assert type(self.method).__name__ in self.method.describe()


def _assert_one_in_each(values: np.ndarray, parent: np.ndarray, name: str) -> None:
    """No cluster has nodes of two values."""
    order = np.lexsort((values, parent))
    same = np.diff(parent[order]) == 0
    mixed = np.flatnonzero(same & (np.diff(values[order].astype(np.int64)) != 0))
    assert len(mixed) == 0, f"cluster {parent[order][mixed[0]]} has several {name}"
