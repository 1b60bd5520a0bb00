"""A graph and its maps as objects of other libraries."""

from __future__ import annotations

import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given

from multiscale_gcn import Graph, as_graph, coarsen, to_networkx, to_pyg, to_torch, to_torch_sparse
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


@pytest.mark.parametrize("function", [to_networkx, to_torch, to_pyg, to_torch_sparse])
@pytest.mark.parametrize("value", [5, None, "a.obj", np.eye(2), [], nx.path_graph(2)])
def test_only_graphs_go_out(function: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"{function.__name__} takes a Graph.*; "):
        function(value)


@pytest.mark.parametrize("function", [to_torch, to_torch_sparse])
def test_types_and_devices_that_are_none(function: Any) -> None:
    graph = as_graph(nx.path_graph(3))
    dtypes: list[Any] = ["float32", np.float32, float, 5]
    devices: list[Any] = ["gpu", "cuda:99", object(), -7]
    for value in dtypes:
        with pytest.raises(TypeError, match=r"dtype = .* is none of torch; "):
            function(graph, dtype=value)
    for value in devices:
        with pytest.raises(ValueError, match=r"device = .* is none that torch has here; 'cpu'"):
            function(graph, device=value)


@pytest.mark.parametrize(
    ("weight", "dtype", "held"),
    [
        (0.5, torch.int64, "0"),
        (1e300, torch.float32, "inf"),
        (1e-300, torch.float32, "0.0"),
        (1e6, torch.float16, "inf"),
        (3.0, torch.bool, "True"),
    ],
)
def test_values_do_not_become_others(weight: float, dtype: torch.dtype, held: str) -> None:
    graph = as_graph([[0, 1], [1, 0]], kind="edge_index", weights=[weight, weight])
    for function in (to_torch, to_torch_sparse):
        with pytest.raises(ValueError, match=rf"holds .*, which {dtype} holds as {held}; take"):
            function(graph, dtype=dtype)
    assert to_torch(as_graph(nx.path_graph(2)), dtype=torch.int64).weights.tolist() == [1, 1]


def test_matrices_that_are_no_map_are_refused() -> None:
    with pytest.raises(ValueError, match="the matrix must be real numbers"):
        to_torch_sparse(sp.csr_array([[1j, 0]]))
    broken = sp.csr_array(np.eye(3))
    broken.indptr = np.array([0, 1, 10**6, 3])
    with pytest.raises(ValueError, match="indptr of the csr matrix does not fit"):
        to_torch_sparse(broken)
