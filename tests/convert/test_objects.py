"""Objects of other libraries, and what only looks like them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import networkx as nx
import numpy as np
import pytest
import torch

from multiscale_gcn import as_graph, coarsen, to_torch
from multiscale_gcn.convert import UnreferencedNodes, batch_of, drop_isolated, weld_map

GRAPH = nx.Graph()
GRAPH.add_nodes_from(range(5))
GRAPH.add_weighted_edges_from([(3, 1, 2.0), (0, 3, 0.5), (4, 4, 3.0)])


def test_igraph() -> None:
    igraph = pytest.importorskip("igraph", reason="optional: python-igraph")
    source = igraph.Graph(5, [(3, 1), (0, 3), (4, 4)])
    assert set(as_graph(source).weights) == {1}
    source.es["weight"] = [2.0, 0.5, 3.0]
    source.es["length"] = [1, 1, 1]
    assert as_graph(source) == as_graph(GRAPH)
    assert set(as_graph(source, weights="length").weights) == {1}
    source.vs["weight"] = [1, 2, 3, 4, 5]
    assert as_graph(source).node_weights.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match=r"'span' is no attribute of the edges"):
        as_graph(source, weights="span")
    directed = igraph.Graph(2, [(0, 1)], directed=True)
    with pytest.raises(ValueError, match=r"the graph is directed"):
        as_graph(directed)
    assert as_graph(directed, symmetrize="max") == as_graph(nx.path_graph(2))


def test_networkit() -> None:
    networkit = pytest.importorskip("networkit", reason="optional: networkit")
    source = networkit.Graph(6, weighted=True)
    for u, v, w in [(4, 1, 2.0), (0, 4, 0.5), (5, 5, 3.0)]:
        source.addEdge(u, v, w)
    source.removeNode(2)  # nodes keep their ids, and are numbered in their order
    assert as_graph(source) == as_graph(GRAPH)
    directed = networkit.Graph(2, directed=True)
    directed.addEdge(0, 1)
    with pytest.raises(ValueError, match=r"the graph is directed"):
        as_graph(directed)
    assert as_graph(directed, symmetrize="sum") == as_graph(nx.path_graph(2))


def test_rustworkx() -> None:
    rustworkx = pytest.importorskip("rustworkx", reason="optional: rustworkx")
    source = rustworkx.PyGraph()
    source.add_nodes_from(list("abcdef"))
    source.add_edges_from([(4, 1, 2.0), (0, 4, 0.5), (5, 5, 3.0)])
    source.remove_node(2)
    assert as_graph(source) == as_graph(GRAPH)
    plain = rustworkx.PyGraph()
    plain.add_nodes_from(range(3))
    plain.add_edges_from_no_data([(0, 1), (1, 2)])
    assert as_graph(plain) == as_graph(nx.path_graph(3))
    named = rustworkx.PyDiGraph()
    named.add_nodes_from(range(2))
    named.add_edge(0, 1, {"km": 4})
    with pytest.raises(ValueError, match=r"weight of edge .0, 1. is {'km': 4}, not a number"):
        as_graph(named)
    with pytest.raises(ValueError, match=r"the graph is directed"):
        as_graph(named, weights="km")
    assert as_graph(named, weights="km", symmetrize=True).weights.tolist() == [4, 4]


def test_tensors_of_a_graph_keep_its_weights() -> None:
    graph = as_graph(GRAPH, node_weights=[1, 2, 3, 4, 5])
    assert as_graph(to_torch(graph, dtype=torch.float64)) == graph


@pytest.mark.parametrize("value", [1 + 0j, np.complex128(2), "2", b"2", None, np.ma.masked,
                                   np.datetime64("2020-01-01"), np.timedelta64(3, "s"), [2.0],
                                   np.array([1.0, 2.0]), float("nan"), 10**400])  # fmt: skip
def test_weights_of_edges_that_are_no_real_numbers(value: Any) -> None:
    source = nx.Graph()
    source.add_edge("a", "b", weight=value)
    with pytest.raises(ValueError, match=r"\('a', 'b'\) is "):
        as_graph(source)


# PyTorch Geometric


def members(source: Any) -> list[int]:
    batch = batch_of(source)
    assert batch is not None
    return batch.tolist()


def pairs() -> Any:
    data = pytest.importorskip("torch_geometric.data", reason="optional: PyTorch Geometric")
    pair = data.Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    return data.Batch.from_data_list([pair, pair, pair])


def test_batches_say_their_members() -> None:
    batch = pairs()
    expected = [0, 0, 1, 1, 2, 2]
    assert members(batch) == expected
    only_ptr = SimpleNamespace(edge_index=batch.edge_index, ptr=torch.tensor([0, 2, 2, 6]))
    assert members(only_ptr) == [0, 0, 2, 2, 2, 2]
    plain = SimpleNamespace(edge_index=batch.edge_index, batch=expected)
    assert members(plain) == expected


def test_what_says_nothing_of_a_batch() -> None:
    pandas = pytest.importorskip("pandas", reason="optional: a library of frames")
    frame = pandas.DataFrame({"source": [0, 1], "target": [1, 0], "batch": [0, 0]})
    for source in (GRAPH, np.eye(3), as_graph(GRAPH), "a.obj", None, 5, frame, pairs()[0]):
        assert batch_of(source) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": torch.tensor([0, 1, 0])}, r"batch\[2\] = 0 is smaller than the one before"),
        ({"batch": torch.tensor([0.0, 1.0])}, "batch must hold integer"),
        ({"batch": torch.zeros(2, 2, dtype=torch.int64)}, "batch must have one axis"),
        ({"batch": "abc"}, "batch must hold integer|batch must have one axis"),
        ({"ptr": torch.tensor([1, 2])}, "must begin at 0"),
        ({"ptr": torch.tensor([0, 2, 1])}, r"ptr\[2\] = 1 is smaller"),
        ({"ptr": []}, "must begin at 0"),
    ],
)
def test_bad_batches_are_refused(values: dict[str, Any], message: str) -> None:
    source = SimpleNamespace(edge_index=torch.tensor([[0, 1], [1, 0]]), **values)
    with pytest.raises(ValueError, match=message):
        batch_of(source)


def test_data_of_faces_alone() -> None:
    data = pytest.importorskip("torch_geometric.data", reason="optional: PyTorch Geometric")
    face = torch.tensor([[0, 2], [1, 1], [2, 3]])
    expected = as_graph(face.T.contiguous(), kind="faces")
    assert as_graph(data.Data(pos=torch.zeros(4, 3), face=face)) == expected
    assert as_graph(data.Data(pos=torch.zeros(4, 3), face=face), weld=0).num_nodes == 1
    with pytest.warns(UnreferencedNodes, match=r"2 of 6 vertices"):
        assert as_graph(data.Data(pos=torch.zeros(6, 3), face=face)).num_nodes == 6
    with pytest.raises(ValueError, match=r"face must have shape \(3, F\), got \(2, 3\)"):
        as_graph(data.Data(pos=torch.zeros(4, 3), face=face.T.contiguous()))


def test_a_level_is_its_graph() -> None:
    hierarchy = coarsen(nx.grid_2d_graph(4, 4), levels=2)
    for level in hierarchy:
        assert as_graph(level) is level.graph
    assert coarsen(hierarchy[1], levels=1)[0].graph == hierarchy[1].graph
    assert as_graph(hierarchy[1], symmetrize="sum").total_weight > hierarchy[1].graph.total_weight


def test_triangulations_of_other_libraries() -> None:
    spatial = pytest.importorskip("scipy.spatial")
    xy = np.random.default_rng(0).random((12, 2))
    delaunay = spatial.Delaunay(xy)
    expected = as_graph(delaunay.simplices.astype(np.int64), kind="faces", num_nodes=12)
    assert as_graph(delaunay) == expected
    weighted = SimpleNamespace(vertices=np.c_[xy, np.zeros(12)], faces=delaunay.simplices)
    assert as_graph(delaunay, node_weights="area") == as_graph(weighted, node_weights="area")
    open3d = SimpleNamespace(vertices=np.c_[xy, np.zeros(12)], triangles=delaunay.simplices)
    assert as_graph(open3d) == expected
    tri = pytest.importorskip("matplotlib.tri", reason="optional: matplotlib")
    assert as_graph(tri.Triangulation(*xy.T, triangles=delaunay.simplices)) == expected
    ball = np.random.default_rng(1).normal(size=(9, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert as_graph(spatial.ConvexHull(ball)).num_edges == 3 * 9 - 6
    with pytest.raises(ValueError, match=r"simplices of the Delaunay have shape \(\d+, 4\), exp"):
        as_graph(spatial.Delaunay(ball))


class GraphOfDGL:
    """With the interface of DGL's homogeneous graphs."""

    is_homogeneous = True

    def __init__(self, sizes: list[int] | None = None) -> None:
        self.sizes = sizes or [4]
        self.ndata: dict[str, Any] = {}
        self.edata = {"w": torch.tensor([2.0, 3, 2, 3]), "e": torch.ones(4, 2)}

    def edges(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([0, 2, 1, 3]), torch.tensor([1, 3, 0, 2])

    def num_nodes(self) -> int:
        return 4

    number_of_nodes = num_nodes

    def batch_num_nodes(self) -> torch.Tensor:
        return torch.tensor(self.sizes)

    def adj(self) -> None:
        raise AssertionError("not needed")


def test_a_graph_of_dgl() -> None:
    graph = as_graph(GraphOfDGL())
    assert graph.num_nodes == 4
    assert graph.edge_index().tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
    assert as_graph(GraphOfDGL(), weights="w").weights.tolist() == [2, 2, 3, 3]
    with pytest.raises(ValueError, match=r"weights = 'x' is not in edata, only \['w', 'e'\]"):
        as_graph(GraphOfDGL(), weights="x")
    with pytest.raises(ValueError, match="weights"):
        as_graph(GraphOfDGL(), weights="e")
    assert batch_of(GraphOfDGL()) is None
    assert members(GraphOfDGL([2, 0, 2])) == [0, 0, 2, 2]
    hetero: Any = GraphOfDGL()
    hetero.is_homogeneous = False
    with pytest.raises(TypeError, match=r"several kinds of nodes.*dgl\.to_homogeneous"):
        as_graph(hetero)


def test_hetero_data_is_refused_with_a_reason() -> None:
    data = pytest.importorskip("torch_geometric.data", reason="optional: PyTorch Geometric")
    with pytest.raises(TypeError, match=r"several kinds of nodes.*to_homogeneous\(\)"):
        as_graph(data.HeteroData())


# Whatever is passed


def masked(values: Any, mask: Any) -> Any:
    return np.ma.masked_array(values, mask)


class Raising:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes today")


class Recursive(list):
    def __init__(self) -> None:
        super().__init__()
        self.append(self)


ANYTHING: list[Any] = [
    None, True, 5, 2.5, 1j, b"ab", bytearray(b"ab"), {}, {0: [1], 1: [0]}, {"a": 1}, set(), {1, 2},
    range(4), iter([]), object(), type, len, Ellipsis, Raising(), Recursive(), MagicMock(),
    [], [[]], [[], []], [[1], [0, 2], [1]], [["a", "b"]], [None], [[0, 2**70], [2**70, 0]],
    [[0, -(2**70)]], np.array(5), np.zeros((0, 0, 2)), np.array(["a"]), np.array([None]),
    np.array([["2020-01-01"]], "M8[D]"), np.zeros(2, [("u", int), ("v", int)]),
    np.zeros((2, 2), "c8"),
    masked([[0, 1], [1, 0]], [[0, 1], [0, 0]]), np.ma.masked,
    torch.empty(2, 2, device="meta"), torch.zeros(2, 2, dtype=torch.complex64), torch.Generator(),
    SimpleNamespace(edge_index=5), SimpleNamespace(edge_index="ab"), SimpleNamespace(adj_t=5),
    SimpleNamespace(edge_index=[[0], [1]], num_nodes="three"), SimpleNamespace(face=[[1]]),
    SimpleNamespace(edge_index=[[0, 1], [1, 0]], edge_weight="w"),
    SimpleNamespace(tocoo=1, shape=2),
    SimpleNamespace(vertices=5, faces=[[0, 1, 2]]), SimpleNamespace(vertices=[], faces="ab"),
    SimpleNamespace(points=5, cells=[], cells_dict={}), SimpleNamespace(columns=5, dtypes=5),
    SimpleNamespace(adj=1, number_of_nodes=2), SimpleNamespace(geometry={"a": 5}),
    SimpleNamespace(vcount=1, get_edgelist=2, es=3, vs=4), SimpleNamespace(geometry={}),
    SimpleNamespace(weighted_edge_list=1, node_indices=2), SimpleNamespace(detach=1, layout=2),
]  # fmt: skip


def check_outcome(source: Any, **options: Any) -> None:
    refusal: Exception | None = None
    try:
        as_graph(source, **options)
    except (ValueError, TypeError, FileNotFoundError) as error:  # a MagicMock is a path
        refusal = error
    if refusal is not None:
        assert type(refusal) in (ValueError, TypeError, FileNotFoundError), repr(refusal)
        assert any(sign in str(refusal) for sign in (";", ":", "must", "is none of")), str(refusal)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", ANYTHING, ids=range(len(ANYTHING)))
@pytest.mark.parametrize("kind", [None, "dense", "edge_index", "edge_list", "faces"])
def test_anything_is_read_or_refused_in_our_words(source: Any, kind: Any) -> None:
    for options in ({}, {"weights": source}, {"node_weights": source}, {"num_nodes": 3},
                    {"symmetrize": "max"}, {"weld": 0.5}):  # fmt: skip
        check_outcome(source, kind=kind, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", ANYTHING, ids=range(len(ANYTHING)))
def test_any_option_is_taken_or_refused_in_our_words(value: Any) -> None:
    ids = np.array([[0, 1], [1, 0]])
    for name in ("kind", "weights", "node_weights", "num_nodes", "symmetrize", "weld"):
        check_outcome(ids, **{"kind": "edge_index", name: value})


# Numbers


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ([[0, 10**8], [10**8, 0]], {}, "largest node id is 100000000.*say num_nodes"),
        ([[0, 2**31 - 1], [2**31 - 1, 0]], {}, "largest node id is 2147483647"),
        (np.array([[0, 2**64 - 1]] * 2, "u8"), {}, r"\[0, 1\] = 18446744073709551615 is not"),
        ([[0, 2**70], [2**70, 0]], {}, "beyond int64; .*numpy.unique"),
        ([[0, 1], [1, 0]], {"num_nodes": 2**60}, "does not fit into memory"),
        ([[0, 1], [1, 0]], {"num_nodes": -1}, "num_nodes = -1 must be at least 0"),
        ([[0, 1], [1, 0]], {"weights": masked([1, 1e6], [0, 1])},
         r"weights is a masked array, with 1 masked, the first at \[1\]; fill them"),
        ([[0, 1], [1, 0]], {"weights": [1j, 1]}, "weights must be real numbers, got dtype complex"),
        ([[0, 1], [1, 0]], {"weights": ["1", "2"]}, "weights must be real numbers, got text"),
        ([[0, 1], [1, 0]], {"node_weights": [1, 1j]}, "node_weights must be real numbers"),
        ([[0, 1], [1, 0]], {"node_weights": [1, 0]}, r"node_weights\[1\] = 0.0 must be positive"),
        ([[0, 1], [1, 0]], {"node_weights": masked([1, 2], [1, 0])}, "node_weights is"),
    ],
)  # fmt: skip
def test_numbers_that_are_refused(source: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_graph(source, kind="edge_index", **options)


def test_many_nodes_on_request_or_with_many_ids() -> None:
    ids = np.array([[0, 10**7 + 1], [10**7 + 1, 0]])
    assert as_graph(ids, kind="edge_index", num_nodes=10**7 + 2).num_nodes == 10**7 + 2


def test_masked_entries_of_a_dense_matrix_are_no_edges() -> None:
    dense = masked([[0, 1.0, 9], [1, 0, 2], [9, 2, 0]], [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
    assert as_graph(dense) == as_graph(dense.filled(0))
    nothing = masked([1.0, 2.0], [0, 0])
    assert as_graph([[0, 1], [1, 0]], kind="edge_index", weights=[1.0, 1]) == as_graph(
        masked([[0, 1], [1, 0]], False), kind="edge_index", weights=nothing * 0 + 1
    )


def test_negative_entries_of_a_matrix_hint_at_stiffness() -> None:
    laplacian = nx.laplacian_matrix(nx.path_graph(3)).astype(float)
    with pytest.raises(ValueError, match=r"stiffness or Laplacian matrix take abs\(\), or -L"):
        as_graph(laplacian)


# Edges with weights in three columns


def test_edges_with_weights_in_the_third_column() -> None:
    rows = np.array([[0, 1, 5], [1, 2, 7], [2, 3, 4], [3, 0, 6]])
    expected = as_graph(rows[:, :2], kind="edge_list", weights=rows[:, 2], symmetrize=True)
    for form in (rows, rows.astype(float), rows.tolist(), rows.astype("f4")):
        assert as_graph(form, kind="edge_list", symmetrize=True) == expected
    with pytest.raises(ValueError, match=r"whose third column holds them"):
        as_graph(rows, kind="edge_list", weights=[1] * 4)
    with pytest.raises(ValueError, match=r"edge_list\[1, 0\] = 0.5 is no whole number"):
        as_graph(np.array([[0, 1.0], [0.5, 1]]), kind="edge_list")
    with pytest.raises(ValueError, match=r"kind='edge_list' if its rows are edges with weights"):
        as_graph(rows.astype(float))
    both = np.concatenate([rows, rows[:, [1, 0, 2]]])
    with pytest.raises(ValueError, match=r"two ways; say kind='faces' or 'edge_list'"):
        as_graph(both)


def test_faces_of_four_corners() -> None:
    quads = np.array([[0, 1, 2, 3], [3, 2, 4, 5]])
    assert as_graph(quads, kind="faces").num_edges == 7
    with pytest.raises(ValueError, match=r"say kind='faces' if its rows are faces"):
        as_graph(np.array([[0, 1, 2, 3]] * 3))


def test_lists_of_neighbours_are_named_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"as lists of neighbours do; networkx.from_dict_of_lists"):
        as_graph([[1], [0, 2], [1]])
    with pytest.raises(TypeError, match=r"cannot read a dict as a graph.*from_dict_of_lists"):
        as_graph({0: [1], 1: [0]})


# Isolated nodes and vertices at one position


def test_gaps_are_told_unless_the_number_of_nodes_is_said() -> None:
    ids = [[1, 4], [4, 1]]
    with pytest.warns(UnreferencedNodes, match=r"3 of 5 nodes stand in no edge, the first is 0; "):
        graph = as_graph(ids, kind="edge_index")
    assert graph == as_graph(ids, kind="edge_index", num_nodes=5)
    smaller, kept = drop_isolated(graph)
    assert smaller == as_graph(nx.path_graph(2))
    assert kept.tolist() == [1, 4]
    with pytest.raises(TypeError, match=r"takes a Graph, got list"):
        drop_isolated(ids)  # type: ignore[arg-type]


def test_dropping_keeps_loops_weights_and_order() -> None:
    graph = as_graph(GRAPH, node_weights=[1, 2, 3, 4, 5])
    smaller, kept = drop_isolated(graph)
    assert kept.tolist() == [0, 1, 3, 4]
    assert smaller.node_weights.tolist() == [1, 2, 4, 5]
    expected = graph.to_scipy().toarray()[np.ix_(kept, kept)]
    np.testing.assert_array_equal(smaller.to_scipy().toarray(), expected)
    assert drop_isolated(as_graph(nx.empty_graph(3)))[0].num_nodes == 0


def test_vertices_at_one_position_are_welded() -> None:
    trimesh = pytest.importorskip("trimesh", reason="optional: has meshes")
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, -0.0], [0, 1, 1e-4], [1, 1, 0]])
    mesh = trimesh.Trimesh(positions, [[0, 1, 2], [3, 5, 4]], process=False)
    assert as_graph(mesh).num_nodes == 6
    assert as_graph(mesh, weld=0) == as_graph([[0, 1, 2], [1, 4, 3]], kind="faces")
    assert as_graph(mesh, weld=1e-3) == as_graph([[0, 1, 2], [1, 3, 2]], kind="faces")
    assert weld_map(positions, 1e-3).tolist() == [0, 1, 2, 1, 2, 3]
    with pytest.raises(ValueError, match=r"joins each vertex with .*smaller distance"):
        weld_map(np.random.default_rng(0).random((500, 3)), 10.0)
    with pytest.raises(ValueError, match=r"positions\[1\] = \[nan, 0.0\] is no position"):
        weld_map([[0.0, 0.0], [np.nan, 0.0]])
    values: list[Any] = [-1, "0", True, np.nan, np.inf, 10**400]
    for value in values:
        with pytest.raises(ValueError, match=r"weld = .* must be (a number|at least 0 and finite)"):
            as_graph(mesh, weld=value)
    with pytest.raises(ValueError, match=r"weld does not go with this kind of source, faces"):
        as_graph([[0, 1, 2]], kind="faces", weld=0)
