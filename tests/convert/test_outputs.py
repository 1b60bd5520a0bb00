"""A graph and its maps as objects of other libraries."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given

from multiscale_gcn import Graph, as_graph, coarsen, to_pyg, to_torch, to_torch_sparse
from multiscale_gcn.testing import graphs


@given(graphs())
def test_to_torch_holds_the_graph(graph: Graph) -> None:
    tensors = to_torch(graph, dtype=torch.float64, device="cpu")
    np.testing.assert_array_equal(tensors.edge_index, graph.edge_index())
    again = Graph(*(tensor.numpy() for tensor in tensors))
    assert again == graph
    assert (
        as_graph(
            tensors.edge_index,
            kind="edge_index",
            weights=tensors.weights,
            node_weights=tensors.node_weights,
            num_nodes=graph.num_nodes,
        )
        == graph
    )


def test_tensors_are_copies_of_the_default_type() -> None:
    graph = as_graph(nx.path_graph(3))
    tensors = to_torch(graph)
    assert tensors.weights.dtype == tensors.node_weights.dtype == torch.float32
    assert tensors.indptr.dtype == tensors.indices.dtype == torch.int64
    tensors.weights.zero_()
    tensors.indices.zero_()
    assert graph == as_graph(nx.path_graph(3))
    assert {tensor.device.type for tensor in to_torch(graph, device="meta")} == {"meta"}
    assert to_torch(graph, device="meta").edge_index.shape == (2, 4)


@given(graphs(min_nodes=1))
def test_sparse_tensors_multiply_like_the_matrices(graph: Graph) -> None:
    hierarchy = coarsen(graph, min_nodes=1)
    x = np.random.default_rng(0).normal(size=(graph.num_nodes, 3))
    for matrix in (
        hierarchy.restriction(0, -1, "mean"),
        hierarchy.prolongation(-1, 0).T,  # csc, and not sorted by rows
        graph,
    ):
        tensor = to_torch_sparse(matrix, dtype=torch.float64)
        assert tensor.is_coalesced()
        expected = graph.to_scipy() if isinstance(matrix, Graph) else matrix
        np.testing.assert_array_equal(tensor.to_dense(), expected.toarray())
        np.testing.assert_allclose(tensor @ torch.tensor(x), expected @ x, rtol=1e-12, atol=1e-9)


def test_sparse_tensors_are_valid_and_leave_the_matrix_alone() -> None:
    matrix = coarsen(nx.grid_2d_graph(5, 5), sizes=[7]).restriction(0, -1)
    matrix.indices = matrix.indices[::-1].copy()  # not sorted any more
    matrix.has_sorted_indices = False
    before = matrix.indices.copy()
    with torch.sparse.check_sparse_tensor_invariants():
        tensor = to_torch_sparse(matrix)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.to_dense(), matrix.toarray().astype(np.float32))
    np.testing.assert_array_equal(matrix.indices, before)
    torch._validate_sparse_coo_tensor_args(
        tensor.indices(), tensor.values(), tensor.shape, is_coalesced=True
    )


@given(graphs())
def test_pyg_round_trip(graph: Graph) -> None:
    pytest.importorskip("torch_geometric.data", reason="optional: PyTorch Geometric")
    data = to_pyg(graph, dtype=torch.float64)
    assert data.num_nodes == graph.num_nodes
    assert data.validate()
    assert data.is_undirected()
    assert as_graph(data) == graph


def test_pyg_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(ImportError, match=r"pip install 'multiscale-gcn\[pyg\]'"):
        to_pyg(as_graph(nx.path_graph(3)))
