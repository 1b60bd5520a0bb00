"""What users hold as a graph: tensors, Data, frames, meshes and files."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.testing import graphs

beta = pytest.mark.filterwarnings("ignore:Sparse ... tensor support is in beta:UserWarning")

DENSE = np.array([[0.0, 2, 0], [2, 0, 0.5], [0, 0.5, 1]])


lonely = pytest.mark.filterwarnings("ignore::multiscale_gcn.convert.UnreferencedNodes")


def edges(graph: Graph) -> set[tuple[int, int]]:
    return {(int(u), int(v)) for u, v in graph.edge_index().T if u <= v}


# Torch tensors


@beta
@given(graphs())
def test_sparse_tensors_of_every_layout(graph: Graph) -> None:
    dense = torch.tensor(graph.to_scipy().toarray())
    coo = dense.to_sparse_coo()
    layouts = [coo, coo.to(torch.float64).requires_grad_(), dense.to_sparse_csr()]
    if graph.num_nodes:
        layouts += [dense.to_sparse_csc(), dense.to_sparse_bsr((1, 1))]
    for tensor in layouts:
        assert as_graph(tensor, node_weights=graph.node_weights) == graph


def test_duplicates_of_an_uncoalesced_tensor_add_up() -> None:
    ids = torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0]])
    tensor = torch.sparse_coo_tensor(
        ids, torch.tensor([1.0, 2, 3, 4]), (3, 3), check_invariants=True
    )
    assert not tensor.is_coalesced()
    assert as_graph(tensor).to_scipy().toarray().tolist() == [[0, 5, 0], [5, 0, 0], [0, 0, 0]]


def test_numbers_that_numpy_lacks() -> None:
    tensor = torch.tensor(DENSE, dtype=torch.bfloat16)
    assert as_graph(tensor) == as_graph(tensor.to_sparse_coo()) == as_graph(DENSE)


def test_sparse_tensors_that_are_no_square_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3\); a graph needs a square one"):
        as_graph(torch.zeros(2, 3).to_sparse_coo())
    with pytest.raises(ValueError, match="1 sparse and 1 dense axes"):
        as_graph(torch.ones(3, 3).to_sparse(1))
    with pytest.raises(ValueError, match="not symmetric"):
        as_graph(torch.ones(3, 3).triu().to_sparse_coo())
    with pytest.raises(ValueError, match="weights does not go with"):
        as_graph(torch.eye(3).to_sparse_coo(), weights=[1.0])


# PyTorch Geometric


def test_data_of_pytorch_geometric() -> None:
    data_module = pytest.importorskip("torch_geometric.data", reason="optional: PyTorch Geometric")
    ids = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    data = data_module.Data(edge_index=ids, num_nodes=5, edge_attr=torch.tensor([2.0, 2, 3, 3]))
    assert as_graph(data) == as_graph(ids, num_nodes=5), "edge_attr is read only when asked for"
    weighted = as_graph(ids, num_nodes=5, weights=[2, 2, 3, 3])
    assert as_graph(data, weights="edge_attr") == weighted
    data.edge_attr = data.edge_attr[:, None]
    assert as_graph(data, weights="edge_attr") == weighted
    data.edge_weight = torch.tensor([7.0, 7, 8, 8])
    assert as_graph(data).weights.tolist() == [7, 7, 8, 8]
    assert as_graph(data, weights=torch.tensor([2.0, 2, 3, 3])) == weighted
    assert as_graph(data, num_nodes=7).num_nodes == 7
    data.edge_attr = torch.ones(4, 3)
    with pytest.raises(ValueError, match=r"'edge_attr' has shape \(4, 3\)"):
        as_graph(data, weights="edge_attr")
    with pytest.raises(ValueError, match="'length' is no attribute of the Data"):
        as_graph(data, weights="length")


def test_data_that_is_no_graph_is_refused() -> None:
    data_module = pytest.importorskip("torch_geometric.data", reason="optional: PyTorch Geometric")
    for data in (data_module.HeteroData(), data_module.Data(x=torch.ones(3, 1))):
        with pytest.raises(TypeError, match=f"cannot read a {type(data).__name__} as a graph"):
            as_graph(data)


@beta
@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled:UserWarning")
def test_data_with_a_sparse_adjacency() -> None:
    transforms = pytest.importorskip("torch_geometric.transforms", reason="optional")
    data_module = pytest.importorskip("torch_geometric.data")
    ids = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    data = data_module.Data(edge_index=ids, num_nodes=5)
    sparse = transforms.ToSparseTensor(layout=torch.sparse_csr)(data.clone())
    assert sparse.edge_index is None
    assert as_graph(sparse) == as_graph(data)


# Lists and frames of edges


@given(graphs())
def test_edge_list(graph: Graph) -> None:
    again = as_graph(
        graph.edge_index().T,
        kind="edge_list",
        weights=graph.weights,
        node_weights=graph.node_weights,
        num_nodes=graph.num_nodes,
    )
    assert again == graph


def test_edge_list_of_plain_tuples_and_bad_ones() -> None:
    graph = as_graph([(0, 1), (2, 1)], kind="edge_list", symmetrize=True)
    assert edges(graph) == {(0, 1), (1, 2)}
    with pytest.raises(ValueError, match=r"edge_list\[1, 0\] = 4 is not a node"):
        as_graph([(0, 1), (4, 1)], kind="edge_list", num_nodes=3)
    with pytest.raises(
        ValueError, match=r"an edge list must have shape \(E, 2\), or .* got \(2, 4\)"
    ):
        as_graph(np.zeros((2, 4), int), kind="edge_list")
    with pytest.raises(ValueError, match="weights = 'length' is a name"):
        as_graph([(0, 1), (1, 0)], kind="edge_list", weights="length")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library: str) -> None:
    frames = pytest.importorskip(library, reason="optional: a library of frames")
    columns = {"target": [1, 0, 2], "source": [0, 3, 1], "weight": [2.0, 3, 4], "hops": [1, 2, 1]}
    graph = as_graph(frames.DataFrame(columns), symmetrize=True, num_nodes=6)
    expected = np.zeros((6, 6))
    expected[[0, 3, 1], [1, 0, 2]] = [2, 3, 4]
    np.testing.assert_array_equal(graph.to_scipy().toarray(), expected + expected.T)
    by_hops = as_graph(frames.DataFrame(columns), weights="hops", symmetrize=True)
    assert by_hops.total_weight == 8
    del columns["weight"]
    assert set(as_graph(frames.DataFrame(columns), symmetrize=True).weights) == {1}
    empty = frames.DataFrame({"source": [], "target": []})
    assert as_graph(empty, num_nodes=3) == as_graph(nx.empty_graph(3))
    with pytest.raises(ValueError, match="no column 'source', only"):
        as_graph(frames.DataFrame({"begin": [0], "end": [1]}))
    with pytest.raises(ValueError, match="column 'source' must hold integer node ids"):
        as_graph(frames.DataFrame({"source": [0.5], "target": [1.0]}))
    with pytest.raises(ValueError, match=r"target\[1\] = -1 is not a node"):
        as_graph(frames.DataFrame({"source": [0, 1], "target": [1, -1]}))
    with pytest.raises(ValueError, match="not symmetric"):
        as_graph(frames.DataFrame({"source": [0], "target": [1]}))


def test_frames_that_may_miss_values() -> None:
    pandas = pytest.importorskip("pandas", reason="optional: a library of frames")
    frame = pandas.DataFrame({"source": [0, 1], "target": [1, 0]}, dtype="Int64")
    assert as_graph(frame) == as_graph(nx.path_graph(2))
    frame.loc[1, "target"] = pandas.NA
    with pytest.raises(ValueError, match="row 1 of column 'target' is missing; leave the row out"):
        as_graph(frame)


def _as_relation(columns: dict[str, list[Any]]) -> Any:
    duckdb = pytest.importorskip("duckdb", reason="optional: DuckDB")
    arrow = pytest.importorskip("pyarrow", reason="optional: Arrow")
    return duckdb.from_arrow(arrow.table(columns))


def _as_table(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pyarrow", reason="optional: Arrow").table(columns)


def _in_pieces(columns: dict[str, list[Any]]) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="optional: Arrow")
    table = arrow.table(columns)
    return arrow.concat_tables([table.slice(0, 1), table.slice(1)])


def _as_batch(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pyarrow", reason="optional: Arrow").record_batch(columns)


def _as_reader(columns: dict[str, list[Any]]) -> Any:
    return _as_table(columns).to_reader()


def _planned(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("polars", reason="optional: polars").LazyFrame(columns)


TABLES = [_as_table, _in_pieces, _as_batch, _as_reader, _as_relation, _planned]


@pytest.mark.parametrize("make", TABLES)
def test_tables_that_are_no_frames(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    numbers: dict[str, list[Any]] = {"source": [0, 1, 2], "target": [1, 2, 0], "w": [2.0, 3, 4]}
    expected = np.array([[0, 2, 4], [2, 0, 3], [4, 3, 0]])
    graph = as_graph(make(numbers), symmetrize=True)
    np.testing.assert_array_equal(graph.to_scipy().toarray(), expected)
    exact = numbers | {"w": [Decimal("2.5"), Decimal(3), Decimal("0.25")]}
    graph = as_graph(make(exact), symmetrize=True)
    assert sorted(set(graph.weights)) == [0.25, 2.5, 3]
    graph = as_graph(make({"from": ["b", "a"], "to": ["a", "c"]}), symmetrize=True)
    assert graph.names == ("a", "b", "c")
    assert set(graph.edge_index()[0].tolist()) == {0, 1, 2}
    with pytest.raises(ValueError, match="no column 'source', only"):
        as_graph(make({"begin": [0], "end": [1]}))
    with pytest.raises(ValueError, match="row 1 of column 'target' is missing"):
        as_graph(make({"source": [0, 1], "target": [1, None]}))


def test_one_column_is_no_table() -> None:
    arrow = pytest.importorskip("pyarrow", reason="optional: Arrow")
    with pytest.raises(ValueError, match=r"an array of shape \(3,\) is no graph"):
        as_graph(arrow.array([0, 1, 2]))


def test_a_frame_of_a_cluster_is_fetched() -> None:
    pandas = pytest.importorskip("pandas", reason="optional: a library of frames")
    frame = pandas.DataFrame({"source": [0, 1], "target": [1, 0]})
    far = SimpleNamespace(columns=["source"], dtypes=[("source", "bigint")], toPandas=lambda: frame)
    assert as_graph(far) == as_graph(nx.path_graph(2))


def test_networkx_weights_by_name() -> None:
    source = nx.Graph()
    source.add_edge("a", "b", length=3.0, weight=1.0)
    assert as_graph(source, weights="length").weights.tolist() == [3, 3]
    with pytest.raises(ValueError, match=r"span of edge \('a', 'b'\) is None, not a number"):
        as_graph(source, weights="span")
    with pytest.raises(ValueError, match="the name of an edge attribute"):
        as_graph(source, weights=[1.0])


# meshio


def polytope_edges(corners: np.ndarray) -> set[tuple[int, int]]:
    """Edges of a convex body: pairs of corners that share two facets, or more."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(corners)
    planes = np.unique(np.round(hull.equations, 9), axis=0)
    on = np.abs(corners @ planes[:, :-1].T + planes[:, -1]) < 1e-9
    dimension = corners.shape[1]
    return {
        (i, j)
        for i, j in combinations(range(len(corners)), 2)
        if (on[i] & on[j]).sum() >= dimension - 1
    }


CORNERS: dict[str, Any] = {
    "triangle": [[0, 0], [1, 0], [0, 1]],
    "quad": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "tetra": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "pyramid": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1]],
    "wedge": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]],
    "hexahedron": [
        *[[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]],
        *[[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]],
    ],
}


@pytest.mark.parametrize("kind", CORNERS)
def test_cells_have_the_edges_of_their_body(kind: str) -> None:
    meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
    corners = np.array(CORNERS[kind], dtype=float)
    mesh = meshio.Mesh(corners, [(kind, [range(len(corners))])])
    assert edges(as_graph(mesh)) == polytope_edges(corners)


@lonely
@pytest.mark.parametrize(
    ("kind", "linear"),
    [
        ("triangle6", "triangle"),
        ("quad8", "quad"),
        ("tetra10", "tetra"),
        ("hexahedron20", "hexahedron"),
    ],
)
def test_midside_nodes_stand_between_their_corners(kind: str, linear: str) -> None:
    meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
    mesh = meshio.Mesh(np.zeros((20, 3)), [(kind, [range(int(kind.lstrip(linear)))])])
    graph = as_graph(mesh)
    corners = len(CORNERS[linear])
    middles = range(corners, int(kind.lstrip(linear)))
    neighbours = [graph.indices[graph.indptr[m] : graph.indptr[m + 1]] for m in middles]
    assert {tuple(pair.tolist()) for pair in neighbours} == polytope_edges(
        np.array(CORNERS[linear], dtype=float)
    )
    assert graph.num_edges == 2 * len(middles)


@lonely
def test_mixed_cells_and_points_of_no_cell() -> None:
    meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
    cells = [
        ("line", [[0, 1], [1, 2]]),
        ("line3", [[2, 4, 3]]),
        ("vertex", [[5]]),
        ("polygon", [[5, 6, 7, 8, 9]]),
        ("triangle", [[0, 1, 2], [1, 0, 2]]),
        ("triangle", [[10, 10, 11]]),
    ]
    graph = as_graph(meshio.Mesh(np.zeros((13, 3)), cells))
    assert graph.num_nodes == 13
    assert set(graph.weights) == {1}
    assert edges(graph) == {
        *[(0, 1), (1, 2), (0, 2)],
        *[(2, 3), (3, 4)],
        *[(5, 6), (6, 7), (7, 8), (8, 9), (5, 9)],
        (10, 11),
    }


def test_cells_that_cannot_be_read_are_refused() -> None:
    meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
    with pytest.raises(ValueError, match=r"cells of kind 'quad9' .* triangle6, quad8"):
        as_graph(meshio.Mesh(np.zeros((9, 3)), [("quad9", [range(9)])]))
    with pytest.raises(ValueError, match=r"cells\[1\].data\[0, 2\] = 7 is not a node"):
        as_graph(meshio.Mesh(np.zeros((7, 3)), [("line", [[0, 1]]), ("triangle", [[0, 1, 7]])]))


# Files


OBJ = """
mtllib colours.mtl
o first
v 9 9 9
v 0 0 0
v 1 0 0 # a comment
v 1 1 0
v 0 1 0
v 0 0 0
vt 0 0
vt 1 1
vn 0 0 1
usemtl red
f 2/1/1 3/2/1 4/1/1
f 2/2/1 4/1/1 \\
  5/2/1
o second
v 5 5 5
v 6 5 5
v 6 6 5
v 7 7 7
usemtl blue
f -4//1 -3//1 -2//1 -1//1
v 8 8 8
l 6 7 8
"""


@lonely
def test_obj_keeps_every_vertex_whatever_hangs_on_it(tmp_path: Path) -> None:
    path = tmp_path / "two parts.obj"
    path.write_text(OBJ)
    graph = as_graph(path)
    assert graph.num_nodes == 11
    assert edges(graph) == {
        *[(1, 2), (2, 3), (1, 3), (3, 4), (1, 4)],
        *[(6, 7), (7, 8), (8, 9), (6, 9)],
        (5, 6),
    }


def test_obj_with_bad_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.obj"
    for text, message in (
        ("v 0 0 0\nf 1 b 1", r"line 2 of .*bad.obj is no face: 'f 1 b 1'"),
        ("v 0 0 0\nf 0 1 1", "vertices count from 1"),
        ("v 0 0 0\nv 0 0 0\nf 1 2 3", "= 2 is not a node: ids run from 0 to num_nodes - 1 = 1"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            as_graph(path)


@lonely
@pytest.mark.parametrize("suffix", ["ply", "off", "obj", "PLY"])
def test_files_keep_the_order_of_vertices(suffix: str, tmp_path: Path) -> None:
    """With two vertices at one position and one in no face, which processing would take away."""
    trimesh = pytest.importorskip("trimesh", reason="optional: reads PLY, OFF and STL")
    sphere = trimesh.creation.icosphere(subdivisions=2)
    order = np.random.default_rng(0).permutation(len(sphere.vertices) + 2)
    positions = np.concatenate([sphere.vertices, sphere.vertices[:1], [[7, 7, 7]]])[
        np.argsort(order)
    ]
    faces = order[sphere.faces]
    mesh = trimesh.Trimesh(positions, faces, process=False)
    path = tmp_path / f"mesh.{suffix}"
    content = mesh.export(file_type=suffix.lower())
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    graph = as_graph(str(path), node_weights=np.arange(1, len(order) + 1))
    assert graph == as_graph(faces, num_nodes=len(order), node_weights=np.arange(1, len(order) + 1))


@lonely
@pytest.mark.parametrize("suffix", ["vtk", "vtu", "msh", "mesh", "inp"])
def test_files_that_meshio_reads(suffix: str, tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
    points = np.random.default_rng(0).random((9, 3))
    cells = [("tetra", [[8, 1, 2, 3], [1, 2, 3, 4]]), ("triangle", [[5, 6, 7]])]
    path = tmp_path / f"mesh.{suffix}"
    meshio.Mesh(points, cells).write(path)
    graph = as_graph(path)
    assert edges(graph) == {
        *combinations((1, 2, 3, 8), 2),
        *combinations((1, 2, 3, 4), 2),
        *combinations((5, 6, 7), 2),
    }
    assert graph.num_nodes == 9


def test_stl_corners_at_one_position_are_one_node(tmp_path: Path) -> None:
    pytest.importorskip("trimesh", reason="optional: reads PLY, OFF and STL")
    faces = np.array([[0, 1, 2], [2, 1, 3], [4, 2, 3], [0, 2, 4]])
    positions = np.array([[9, 0, 0], [-1, 0, 0], [5, -0.0, 1], [5, 7, 1], [0, 0, 0.5]])
    path = tmp_path / "mesh.stl"
    triangles = positions[faces]
    path.write_bytes(
        bytes(80)
        + struct.pack("<I", len(faces))
        + b"".join(struct.pack("<12fH", 0, 0, 1, *triangle.ravel(), 0) for triangle in triangles)
    )
    assert as_graph(path) == as_graph(faces)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    pytest.importorskip("trimesh", reason="optional: reads PLY, OFF and STL")
    pytest.importorskip("meshio", reason="optional: meshes of many formats")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        as_graph(tmp_path / "missing.ply")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        as_graph(tmp_path)
    for name, message in (
        ("a.ply", "a.ply does not begin with a line 'ply'"),
        ("a.xyzzy", "suffix of .*a.xyzzy is none that is read: .csv.*meshio"),
        ("a.vtk", "meshio cannot read .*a.vtk"),
    ):
        path = tmp_path / name
        path.write_text("nonsense\n")
        with pytest.raises(ValueError, match=message):
            as_graph(path)
    with pytest.raises(ValueError, match="weights does not go with"):
        as_graph(path, weights=[1.0])


@pytest.mark.parametrize(
    ("library", "name", "remedy"),
    [
        ("meshio", "a.vtk", r"'multiscale-gcn\[mesh\]'"),
        ("pyarrow", "a.parquet", r"'multiscale-gcn\[tables\]'"),
    ],
)
def test_missing_library_says_what_to_install(library, name, remedy, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, f"{library}.parquet", None)
    (tmp_path / name).write_text("ply")
    with pytest.raises(ImportError, match=f"needs {library}: pip install {remedy}"):
        as_graph(tmp_path / name)
