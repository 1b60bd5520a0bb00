import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
import trimesh
from hypothesis import given

from multiscale_gcn import Graph, as_graph, to_networkx
from multiscale_gcn.testing import graphs

DENSE = np.array([[0.0, 2, 0], [2, 0, 0.5], [0, 0.5, 1]])


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
def test_every_scipy_format_gives_the_same_graph(form: str, kind: type) -> None:
    assert as_graph(kind(DENSE).asformat(form)) == as_graph(DENSE)


def test_dense_and_torch_give_the_same_graph() -> None:
    graph = as_graph(DENSE)
    np.testing.assert_array_equal(graph.to_scipy().toarray(), DENSE)
    assert as_graph(torch.tensor(DENSE)) == graph
    assert as_graph(DENSE > 0) == as_graph((DENSE > 0).astype(float))


def test_networkx_keeps_order_weights_and_self_loops() -> None:
    source = nx.Graph()
    source.add_node("z", weight=3.0)
    source.add_weighted_edges_from([("b", "z", 2.0), ("a", "a", 4.0)])
    graph = as_graph(source)
    np.testing.assert_array_equal(graph.to_scipy().toarray(), [[0, 2, 0], [2, 0, 0], [0, 0, 4]])
    assert graph.node_weights.tolist() == [3, 1, 1]


def test_parallel_edges_of_a_multigraph_add_up() -> None:
    source = nx.MultiGraph([(0, 1), (1, 0), (0, 1), (2, 2), (2, 2)])
    assert as_graph(source).to_scipy().toarray().tolist() == [[0, 3, 0], [3, 0, 0], [0, 0, 2]]


@given(graphs())
def test_networkx_and_scipy_round_trips(graph: Graph) -> None:
    assert as_graph(to_networkx(graph)) == graph
    assert as_graph(graph.to_scipy(), node_weights=graph.node_weights) == graph
    again = as_graph(
        graph.edge_index(),
        kind="edge_index",
        weights=graph.weights,
        node_weights=graph.node_weights,
        num_nodes=graph.num_nodes,
    )
    assert again == graph


def test_edge_index_with_weights_from_torch_and_from_an_object() -> None:
    class Data:
        edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        edge_weight = torch.tensor([2.0, 2.0, 3.0, 3.0])
        num_nodes = 5

    graph = as_graph(Data())
    assert graph.num_nodes == 5
    assert graph == as_graph(Data.edge_index, weights=Data.edge_weight, num_nodes=5)
    assert graph.weights.tolist() == [2, 2, 3, 3]


def test_duplicates_add_up_and_zeros_are_no_edges() -> None:
    ids = np.array([[0, 1, 0, 1, 1, 2], [1, 0, 1, 0, 2, 1]])
    graph = as_graph(ids, weights=[1, 1, 2, 2, 0, 0])
    assert graph.to_scipy().toarray().tolist() == [[0, 3, 0], [3, 0, 0], [0, 0, 0]]


def test_symmetrize_mirrors_what_stands_once_and_nothing_else() -> None:
    ids = np.array([[0, 1, 1, 3], [1, 0, 2, 3]])
    graph = as_graph(ids, weights=[2, 2, 5, 7], symmetrize=True)
    expected = np.zeros((4, 4))
    expected[[0, 1, 1, 2, 3], [1, 0, 2, 1, 3]] = [2, 2, 5, 5, 7]
    np.testing.assert_array_equal(graph.to_scipy().toarray(), expected)
    assert as_graph(sp.triu(sp.csr_array(DENSE)), symmetrize=True) == as_graph(DENSE)
    with pytest.raises(ValueError, match=r"weights of \(0, 1\) and \(1, 0\) differ"):
        as_graph(np.array([[0, 1], [2, 0.0]]), symmetrize=True)


def test_faces_and_meshes() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=1)
    graph = as_graph(mesh)
    assert graph.num_nodes == len(mesh.vertices)
    assert graph.num_edges == len(mesh.edges_unique)
    assert set(graph.weights) == {1.0}
    assert as_graph(np.asarray(mesh.faces)) == graph
    assert as_graph(np.array([[0, 1, 1]] * 2), kind="faces", num_nodes=4).num_edges == 1


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (np.array([[0, 1], [1, 0]]), {}, ValueError, r"two ways; say kind='dense' or 'edge_index'"),
        (np.zeros((3, 3), int), {}, ValueError, "kind='dense' or 'faces'"),
        (np.zeros((2, 3), int), {}, ValueError, "kind='edge_index' or 'faces'"),
        (np.zeros((9, 2), int), {}, ValueError, "say kind='edge_list' if"),
        (np.zeros((2, 9)), {}, ValueError, "node ids must be integers"),
        (np.zeros((2, 9)), {"kind": "edge_index"}, ValueError, "edge_index must hold integer"),
        (np.zeros(9), {}, ValueError, r"shape \(9,\) is no graph"),
        (np.zeros((3, 3, 3)), {}, ValueError, r"shape \(3, 3, 3\) is no graph"),
        (np.array([[0, 1, 4], [1, 0, 4]]), {"kind": "edge_index", "num_nodes": 3}, ValueError,
         r"edge_index\[0, 2\] = 4 is not a node: ids run from 0 to num_nodes - 1 = 2"),
        (np.array([[0, -1, 1, 0], [-1, 0, 0, 1]]), {}, ValueError, r"edge_index\[0, 1\] = -1"),
        (np.array([[0, 1, 2, 3], [1, 2, 3, 0]]), {}, ValueError, "not symmetric.*symmetrize=True"),
        (np.array([[0, np.nan], [np.nan, 0]]), {}, ValueError, r"weight of \(0, 1\) is nan"),
        (np.array([[0, np.inf], [np.inf, 0]]), {}, ValueError, r"weight of \(0, 1\) is inf"),
        (np.array([[0, -1.0], [-1, 0]]), {}, ValueError, r"weight of \(0, 1\) is -1.0"),
        (sp.coo_array((np.zeros(2), ([0, 1], [1, 0])), shape=(2, 2)), {}, ValueError,
         "every weight is zero"),
        (sp.csr_array((2, 3)), {}, ValueError, r"shape \(2, 3\); a graph needs a square one"),
        (sp.csr_array(DENSE * 1j), {}, ValueError, "weights must be real numbers"),
        (np.array([[0, 1e308], [1e308, 0]]).repeat(2, 0).repeat(2, 1), {"weights": [1]}, ValueError,
         "weights does not go with this kind of source"),
        (np.array([[0, 1, 1, 0], [1, 0, 0, 1]]), {"weights": [1e308] * 4}, ValueError,
         "add up to infinity"),
        (np.array([[0, 1, 1, 0], [1, 0, 0, 1]]), {"weights": [1, 2]}, ValueError,
         r"weights has shape \(2,\), expected \(4,\)"),
        (nx.DiGraph([(0, 1)]), {}, ValueError, "the graph is directed.*symmetrize=True"),
        ("graph.txt", {}, FileNotFoundError, "there is no file 'graph.txt'"),
        (object(), {}, TypeError, "cannot read a object as a graph"),
        (DENSE.astype(object), {}, TypeError, "array of dtype object as a graph; cast it"),
        (np.array([[0, 2**40], [2**40, 0]]), {"kind": "edge_index"}, ValueError,
         "largest node id is 1099511627776.*return_inverse=True"),
        (np.zeros((2, 4), int), {"kind": "list"}, ValueError, "kind = 'list' is none of"),
    ],
)  # fmt: skip
def test_bad_sources_are_refused(source, options, error, message) -> None:
    with pytest.raises(error, match=message):
        as_graph(source, **options)


def test_node_weights_are_read_from_every_tensor() -> None:
    expected = as_graph(DENSE, node_weights=[1, 2, 3])
    tensor = torch.tensor([1.0, 2, 3])
    for node_weights in (tensor.requires_grad_(), tensor.bfloat16(), tensor.detach().int()):
        assert as_graph(DENSE, node_weights=node_weights) == expected
        assert as_graph(expected, node_weights=node_weights) == expected


def test_weight_that_is_no_number_names_the_edge() -> None:
    source = nx.Graph()
    source.add_edge("a", "b", weight="heavy")
    with pytest.raises(ValueError, match=r"edge \('a', 'b'\) is 'heavy', not a number"):
        as_graph(source)
    source.add_edge("a", "b", weight=10**400)
    with pytest.raises(ValueError, match=r"edge \('a', 'b'\) is 1000*, not a number"):
        as_graph(source)


def test_graphs_without_edges() -> None:
    assert as_graph(nx.empty_graph(3)).num_nodes == 3
    assert as_graph(sp.csr_array((4, 4))).num_nodes == 4
    assert as_graph(np.zeros((5, 5))).num_nodes == 5
    assert as_graph(np.empty((2, 0), dtype=int), num_nodes=6).num_nodes == 6
    assert as_graph(np.empty((0, 3), dtype=int), num_nodes=7).num_nodes == 7
    assert as_graph(np.eye(3)).num_edges == 0
    assert as_graph([], kind="edge_list", num_nodes=4).num_nodes == 4
    assert as_graph([], kind="faces", num_nodes=4).num_nodes == 4
