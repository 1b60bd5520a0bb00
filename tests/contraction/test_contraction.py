from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from multiscale_gcn import (
    Graph,
    HeavyEdgeMatching,
    Matching,
    PairKind,
    aggregate,
    as_graph,
    contract,
    match,
    round_weights,
)
from multiscale_gcn.contraction import on_cpu
from multiscale_gcn.testing import graphs


@contextmanager
def merged_by_rows() -> Iterator[None]:
    """Every graph with entries is large, and every thread has a share of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_cpu, "SMALL", 1)
        patch.setattr(on_cpu, "ENTRIES_PER_THREAD", 1)
        yield


@given(graphs())
def test_contraction_is_the_galerkin_product(graph: Graph) -> None:
    matching = match(graph)
    coarse, parent = contract(graph, matching)
    P = np.eye(coarse.num_nodes)[parent]
    A = round_weights(graph)[0].to_scipy().toarray()
    np.testing.assert_array_equal(coarse.to_scipy().toarray(), P.T @ A @ P)
    np.testing.assert_array_equal(coarse.node_weights, P.T @ graph.node_weights)
    assert coarse.total_weight == A.sum()
    assert coarse.quantum == round_weights(graph)[0].quantum
    again = Graph(coarse.indptr, coarse.indices, coarse.weights, coarse.node_weights)
    assert again == coarse, "the result is canonical CSR"


@given(graphs(min_nodes=1), st.data())
def test_pairs_wherever_they_lie_are_shared_by_any_number_of_threads(graph: Graph, data) -> None:
    n = graph.num_nodes
    order = data.draw(st.permutations(range(n)))
    mate = np.arange(n)
    for u, v in zip(order[: n // 2 : 2], order[1 : n // 2 : 2], strict=False):
        mate[u], mate[v] = v, u
    matching = Matching(mate, np.where(mate == np.arange(n), PairKind.SINGLE, PairKind.EDGE))
    expected, parent = contract(graph, matching, backend="python")
    for threads in (1, 2, 4):
        numba.set_num_threads(threads)
        for context in (nullcontext(), merged_by_rows()):
            with context:
                coarse, found = contract(graph, matching)
            assert coarse == expected
            np.testing.assert_array_equal(found, parent)
    numba.set_num_threads(2)


@given(graphs(min_nodes=1), st.data())
def test_clusters_of_any_size_on_both_backends(graph: Graph, data) -> None:
    drawn = data.draw(st.lists(st.integers(0, 5), min_size=graph.num_nodes,
                               max_size=graph.num_nodes))  # fmt: skip
    parent = np.unique(drawn, return_inverse=True)[1]
    expected = aggregate(graph, parent, backend="python")
    for threads in (1, 2, 4):
        numba.set_num_threads(threads)
        assert aggregate(graph, parent, backend="numba") == expected
        with merged_by_rows():
            assert aggregate(graph, parent, backend="numba") == expected
    numba.set_num_threads(2)
    P = np.eye(parent.max() + 1)[parent]
    A = round_weights(graph)[0].to_scipy().toarray()
    np.testing.assert_array_equal(expected.to_scipy().toarray(), P.T @ A @ P)


def test_long_rows_are_sorted_too() -> None:
    rng = np.random.default_rng(0)
    dense = np.triu(rng.random((150, 150)) < 0.6, 1)
    graph, _ = round_weights(Graph(*_csr(dense | dense.T)))
    parent = rng.permutation(np.arange(150) // 2)
    expected = aggregate(graph, parent, backend="python")
    assert aggregate(graph, parent) == expected
    with merged_by_rows():
        assert aggregate(graph, parent) == expected


def test_rows_of_hubs_take_several_passes_of_the_sort() -> None:
    rng = np.random.default_rng(0)
    hubs, leaves = np.meshgrid(np.arange(3), np.arange(3, 5000))
    graph = as_graph(np.stack([hubs.ravel(), leaves.ravel()]), kind="edge_index", symmetrize=True)
    parent = rng.permutation(np.arange(5000) // 2)
    expected = aggregate(graph, parent, backend="python")
    assert aggregate(graph, parent) == expected
    with merged_by_rows():
        assert aggregate(graph, parent) == expected


@pytest.mark.parametrize("leaves", [1000, 1023, 1024, 1100, 1500, 2047, 2048, 2100])
def test_rows_as_long_as_the_buckets_of_the_sort(leaves: int) -> None:
    """Which are a power of two: the longest rows for which they are not enlarged, and beyond."""
    ids = np.stack([np.zeros(leaves, int), np.arange(1, leaves + 1)])
    graph = as_graph(ids, kind="edge_index", symmetrize=True)
    parent = np.random.default_rng(0).permutation(leaves + 1)
    with merged_by_rows():
        assert aggregate(graph, parent) == aggregate(graph, parent, backend="python")


def test_long_rows_whose_columns_crowd_are_sorted_by_all_their_bits() -> None:
    """Many hubs, merged in one, share a few leaves; in the lower ten bits 1061 comes before 461."""
    n = 5000
    hubs, leaves = np.meshgrid(np.arange(40), [*range(500, 510), *range(1100, 1110)])
    graph = as_graph(
        np.stack([hubs.ravel(), leaves.ravel()]), kind="edge_index", num_nodes=n, symmetrize=True
    )
    parent = np.maximum(np.arange(n) - 39, 0)
    with merged_by_rows():
        assert aggregate(graph, parent) == aggregate(graph, parent, backend="python")


def _csr(pattern: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(pattern)
    return np.searchsorted(rows, np.arange(len(pattern) + 1)), columns


@given(graphs())
def test_components_are_kept_unless_isolated_nodes_pair(graph: Graph) -> None:
    for isolated in ("keep", "pair"):
        matching = match(graph, HeavyEdgeMatching(isolated=isolated))
        coarse, _ = contract(graph, matching)
        merged = np.count_nonzero(matching.kind == PairKind.ISOLATED) // 2
        before = connected_components(graph.to_scipy())[0] if graph.num_nodes else 0
        after = connected_components(coarse.to_scipy())[0] if coarse.num_nodes else 0
        assert after == before - merged
        assert isolated == "pair" or merged == 0


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ([0, 0], r"parent has shape \(2,\), expected \(3,\)"),
        ([0, 2, 2], "no node has parent 1; number the clusters without gaps"),
        ([0, -1, 0], r"parent\[1\] = -1 is negative"),
        ([0.0, 1.0, 1.0], "parent must hold integers"),
    ],
)
def test_bad_parents_are_refused(parent, message) -> None:
    with pytest.raises(ValueError, match=message):
        aggregate(Graph([0, 1, 3, 4], [1, 0, 2, 1]), parent)


def test_matching_of_another_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="matching is of 2 nodes, the graph has 3"):
        contract(Graph([0, 1, 3, 4], [1, 0, 2, 1]), match(Graph([0, 1, 2], [1, 0])))
