"""Files of graphs, matrices and lists of edges."""

from __future__ import annotations

import gzip
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from file_samples import matrix
from hypothesis import HealthCheck, given, settings

from multiscale_gcn import Graph, as_graph, coarsen
from multiscale_gcn.convert import UnreferencedNodes
from multiscale_gcn.testing import graphs

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# METIS


@in_one_folder
@given(graphs())
def test_metis_round_trip(tmp_path: Path, graph: Graph) -> None:
    """With whole weights and without loops, as the format has them."""
    matrix = graph.to_scipy().tolil()
    matrix.setdiag(0)
    graph = as_graph(matrix.tocsr().sign() * 1.0)
    weights = np.arange(1, graph.num_nodes + 1)
    lines = [f"% weights of nodes and edges\n{graph.num_nodes} {graph.num_edges} 11"]
    for u in range(graph.num_nodes):
        ids = graph.indices[graph.indptr[u] : graph.indptr[u + 1]]
        lines.append(" ".join([str(weights[u]), *(f"{v + 1} {u + v + 1}" for v in ids)]))
    path = written(tmp_path / "a.graph", "\n".join(lines) + "\n")
    values = (graph.rows() + graph.indices + 1).astype(float)
    assert as_graph(path) == Graph(graph.indptr, graph.indices, values, weights)


@pytest.mark.parametrize(
    "text",
    [
        "3 2\n2\n1 3\n2\n",
        "%c\n3 2 0\n2\n%c\n1 3\n2",
        "3 2 1\n2 1\n1 1 3 1\n2 1\n",
        "3 2 10\n1 2\n1 1 3\n1 2\n",
        "3 2 010 1\n1 2\n1 1 3\n1 2\n",
        "3 2 100\n7 2\n7 1 3\n7 2\n",
        "3 2 111\n7 1 2 1\n7 1 1 1 3 1\n7 1 2 1\n\n",
    ],
)
def test_formats_of_metis(text: str, tmp_path: Path) -> None:
    assert as_graph(written(tmp_path / "a.graph", text)) == as_graph(nx.path_graph(3))


def test_empty_lines_of_metis_are_nodes_without_edges(tmp_path: Path) -> None:
    graph = as_graph(written(tmp_path / "a.graph", "4 1\n\n4\n\n2\n"))
    assert graph.num_nodes == 4
    assert graph.edge_index().tolist() == [[1, 3], [3, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3 2\n2\n1 3\n", "ends at line 4, after 2 of 3 nodes|ends at line 3, after 2 of 3 nodes"),
        ("3 3\n2\n1 3\n2\n", "lists 2 edges, and 3 in its header"),
        ("3 2\n2\n1 4\n2\n", "= 3 is not a node"),
        ("3 2\n2\n1 x\n2\n", "line 3 of .* holds 'x'"),
        ("3 2\n2\n1 3\n2\n2\n", "line 5 of .* stands after the 3 nodes"),
        ("3 2 1\n2 1\n1 1 3\n2 1\n", "line 3 of .* is no node: .* neighbours with the weights"),
        ("3 2 2\n", "has the format 002"),
        ("3 2 10 2\n", "has 2 weights for a node"),
        ("three\n", "is no line of counts"),
        ("", "holds no line of counts"),
        ("3 2\n2\n1 1\n2\n", "lists .* edges|not symmetric"),
    ],
)
def test_bad_metis_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        as_graph(written(tmp_path / "a.graph", text))


# Matrices


@in_one_folder
@given(graphs(min_nodes=1))
def test_matrix_market_and_npz(tmp_path: Path, graph: Graph) -> None:
    for symmetry in ("general", "symmetric"):
        scipy.io.mmwrite(tmp_path / "a.mtx", graph.to_scipy(), symmetry=symmetry, precision=17)
        assert as_graph(tmp_path / "a.mtx", node_weights=graph.node_weights) == graph
    for form in ("csr", "csc", "coo", "bsr"):
        sp.save_npz(tmp_path / "a.npz", graph.to_scipy().asformat(form))
        assert as_graph(tmp_path / "a.npz", node_weights=graph.node_weights) == graph


def test_matrix_market_of_other_sorts(tmp_path: Path) -> None:
    expected = as_graph(matrix())
    scipy.io.mmwrite(tmp_path / "a.mtx", matrix().toarray())
    assert as_graph(tmp_path / "a.mtx") == expected
    scipy.io.mmwrite(tmp_path / "a.mtx", matrix(), field="pattern")
    assert as_graph(tmp_path / "a.mtx") == expected
    scipy.io.mmwrite(tmp_path / "a.mtx", matrix() * 1j)
    with pytest.raises(
        ValueError, match=r"says that entries are complex: .*; weights must be real"
    ):
        as_graph(tmp_path / "a.mtx")
    scipy.io.mmwrite(tmp_path / "a.mtx", matrix().toarray(), symmetry="symmetric")
    assert as_graph(tmp_path / "a.mtx") == expected
    scipy.io.mmwrite(tmp_path / "a.mtx", sp.triu(matrix()), symmetry="general")
    with pytest.raises(ValueError, match=r"not symmetric"):
        as_graph(tmp_path / "a.mtx")
    assert as_graph(tmp_path / "a.mtx", symmetrize=True) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("matrix coordinate real general\n2 2 1\n1 3 1\n", r"\[1, 0\] = 2 is not a node"),
        ("matrix coordinate real general\n2 2 2\n1 2 1\n", "ends at line 3, after 1 of 2 entries"),
        ("matrix coordinate real general\n2 2 1\n1 2 1\n2 1 1\n", "line 4 .* after the 1 entries"),
        (
            "matrix coordinate real general\n2 2 1\n1 2\n",
            "line 3 of .* has 2 fields: .*; an entry takes 3",
        ),
        ("matrix coordinate real general\n2 2 1\n1 x 1\n", "line 3 of .* holds 'x'"),
        ("matrix coordinate real general\n2 3 1\n1 2 1\n", r"shape \(2, 3\); a graph needs"),
        ("matrix coordinate real skew-symmetric\n2 2 1\n2 1 1\n", "matrix is skew-symmetric: "),
        ("matrix array pattern general\n1 1\n1\n", "entries are pattern"),
        ("vector coordinate real general\n2 2 1\n1 2 1\n", "no first line of a Matrix Market"),
        ("matrix coordinate real general\n2 2\n1 2 1\n", "line 2 of .* is no line of counts"),
        ("matrix coordinate real general\n", "ends before its counts"),
    ],
)
def test_bad_matrix_market_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        as_graph(written(tmp_path / "a.mtx", f"%%MatrixMarket {text}"))


def test_archives_that_are_no_matrix_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, edges=np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"holds edges, and no matrix of scipy.sparse.save_npz"):
        as_graph(path)
    coarsen(nx.path_graph(4), levels=1).save(path)
    with pytest.raises(ValueError, match=r"a hierarchy is read by Hierarchy.load"):
        as_graph(path)
    np.savez(path, format=np.array([object()]), shape=[2, 2], data=[1])
    with pytest.raises(ValueError, match=r"holds pickled objects, which are not read"):
        as_graph(path)


def test_pointers_beyond_the_entries_are_refused() -> None:
    for form in ("csr", "csc", "bsr"):
        broken = matrix().asformat(form)
        broken.indptr = broken.indptr.copy()
        broken.indptr[2] = 10**6
        with pytest.raises(ValueError, match=f"indptr of the {form} matrix does not fit"):
            as_graph(broken)
        broken = matrix().asformat(form)
        broken.indices = broken.indices.copy()
        broken.indices[3] = 77
        with pytest.raises(ValueError, match=f"column 77 of the {form} matrix lies outside"):
            as_graph(broken)


# Lists of edges


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "# from to\n0 1\n1 2\n"),
        ("a.txt", "% from to\n0 1 1.0\n\n1 2 1e0 # last"),
        ("a.edgelist", "0\t1\n1\t2\n"),
        ("a.edges", "0, 1\n1, 2\n"),
        ("a.csv", "source,target\n0,1\n1,2\n"),
        ("a.csv", '"target";"hops";"source"\n0;7;1\n1;7;2\n'),
        ("a.csv", "0,1,1\r\n1,2,1\r\n"),
        ("a.tsv", "weight\tsource\ttarget\n1\t0\t1\n1\t1\t2\n"),
        ("a.csv", "\ufeffsource,target\n0,1\n1,2\n"),
        ("a.edgelist", "0 1 {}\n1 2 {}\n"),
    ],
)
def test_lists_of_edges(name: str, text: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, text)
    assert as_graph(path, symmetrize=True) == as_graph(nx.path_graph(3))
    assert as_graph(path, symmetrize=True, num_nodes=7).num_nodes == 7


def test_weights_of_lists_by_name_and_array(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "source,target,weight,km\n0,1,2,3\n1,0,2,3\n")
    assert as_graph(path).weights.tolist() == [2, 2]
    assert as_graph(path, weights="km").weights.tolist() == [3, 3]
    assert as_graph(path, weights=[5, 5]).weights.tolist() == [5, 5]
    path = written(tmp_path / "a.txt", "0 1\n1 0\n")
    assert as_graph(path, weights=[5, 5]).weights.tolist() == [5, 5]
    with pytest.raises(ValueError, match=r"names no column 'km'"):
        as_graph(path, weights="km")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "0 1\n1\n", "line 2 of .* has 1 fields, not 2"),
        ("a.txt", "0 1\n1 x\n", "line 2 of .* holds 'x', which is no number"),
        ("a.txt", "0 1\n1 0.5\n", r"lines|is no whole number"),
        ("a.txt", "0 1 2 3\n", "line 1 of .* is no edge: .*two ids, and a weight"),
        ("a.txt", "0 1\n-1 0\n", "= -1 is not a node"),
        ("a.txt", "ann bob\n", "names no column 'source'.*write a line source,target above"),
        ("a.edgelist", "0 1 {'weight': 3}\n", "names no column 'source'.*read_edgelist"),
        ("a.edgelist", "0 1 {}\n1 2 {'weight': 3}\n", "names no column 'source'.*read_edgelist"),
        ("a.csv", f"source,target\n{2**53},1\n", f"= {2**53} is too large for a node id: .*texts"),
        ("a.csv", "source,target\n5000000001,1\n", "would make as many nodes .* give them as text"),
        ("a.csv", "a,b\n0,1\n", "line 1 of .* names no column 'source': 'a,b'; rename"),
        ("a.csv", "source,target\n0,bob\n", "line 2 of .* holds 'bob'"),
        ("a.csv", "source,target,target\n0,1,2\n", "line 1 of .* names 'target' twice"),
        ("a.csv", "source,target,weight\nann,bob,x\n", "line 2 of .* holds 'x'"),
        ("a.csv", "source,target\nann,\n", "line 2 of .* has an empty field 2"),
        ("a.csv", "source,target\n0,\n", "line 2 of .* has an empty field 2"),
        ("a.csv", "source,target,weight\n0,1,-1\n", "weight of .0, 1. is -1"),
        ("a.csv", "# nothing\n", "holds no text"),
        ("a.csv", "source,target\n", "holds no edges; say num_nodes"),
    ],
)
def test_bad_lists_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        as_graph(written(tmp_path / name, text), symmetrize=True)


def test_an_edge_list_that_networkx_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.edgelist"
    nx.write_edgelist(nx.path_graph(3), path)
    assert as_graph(path, symmetrize=True) == as_graph(nx.path_graph(3))


def test_names_in_another_encoding_are_refused(tmp_path: Path) -> None:
    """Read as well as may be, two names that differ in one letter would be one."""
    path = tmp_path / "a.csv"
    text = "source,target\nBonn,Kiel\nK\u00f6ln,K\u00e4ln\n"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"line 3 of .* has a name that is not in UTF-8.*; save"):
        as_graph(path, symmetrize=True)
    path.write_bytes(text.encode())
    assert as_graph(path, symmetrize=True).num_nodes == 4
    path.write_bytes("# K\u00f6ln\nsource,target\n0,1\n".encode("latin-1"))
    assert as_graph(path, symmetrize=True).num_nodes == 2


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("a.npz.gz", "gunzip a.npz.gz"), ("a.PLY.BZ2", "bunzip2"), ("a.zip", "unzip a.zip")],
)
def test_packed_files_are_named(name: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"is packed; unpack it first: {remedy}"):
        as_graph(written(tmp_path / name, "\x1f\x8b"))


def test_gaps_in_ids_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "1 2\n2 3\n")
    with pytest.warns(UnreferencedNodes, match=r"1 of 4 nodes .* is 0 \(do the ids count from 1"):
        as_graph(path, symmetrize=True)
    as_graph(path, symmetrize=True, num_nodes=4)


def test_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="optional: a library of frames")
    pytest.importorskip("pyarrow", reason="optional: reads Parquet")
    frame = pandas.DataFrame({"target": [1, 0], "source": [0, 1], "weight": [2.0, 2], "km": [3, 3]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert as_graph(tmp_path / "a.parquet") == as_graph(frame)
    assert as_graph(tmp_path / "a.parquet", weights="km").weights.tolist() == [3, 3]
    content = (tmp_path / "a.parquet").read_bytes()
    for length in range(0, len(content), 97):
        (tmp_path / "a.parquet").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"pyarrow cannot read"):
            as_graph(tmp_path / "a.parquet")


# networkx


@pytest.mark.parametrize("suffix", ["graphml", "gml", "gexf"])
def test_files_of_networkx(suffix: str, tmp_path: Path) -> None:
    source = nx.Graph()
    source.add_nodes_from(range(4))
    source.add_edge(3, 1, weight=2.5, length=4.0)
    source.add_edge(0, 2, weight=1.0, length=5.0)
    path = tmp_path / f"a.{suffix}"
    getattr(nx, f"write_{suffix}")(source, path)
    assert as_graph(path) == as_graph(source)
    assert as_graph(path, weights="length") == as_graph(source, weights="length")
    getattr(nx, f"write_{suffix}")(nx.DiGraph([(0, 1), (1, 2)]), path)
    with pytest.raises(ValueError, match=r"the graph is directed"):
        as_graph(path)
    assert as_graph(path, symmetrize="max") == as_graph(nx.path_graph(3))


# Paths


def test_paths_that_lead_to_no_file() -> None:
    for path in ("missing.obj", "", "\0", "x" * 5000, "/"):
        with pytest.raises(FileNotFoundError, match=r"there is no file"):
            as_graph(path)


def test_options_that_mean_nothing_for_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.obj", "v 0 0 0\n" * 3 + "f 1 2 3\n")
    for options in ({"weights": [1]}, {"num_nodes": 3}, {"symmetrize": True}):
        with pytest.raises(ValueError, match=r"does not go with this kind of source, a .obj file"):
            as_graph(path, **options)
    with pytest.raises(ValueError, match=r"kind = 'dense' does not go with .* a .obj file"):
        as_graph(path, kind="dense")
    assert as_graph(path, kind="faces") == as_graph(path)
    with pytest.raises(ValueError, match=r"weld does not go with this kind of source, a .txt file"):
        as_graph(written(tmp_path / "a.txt", "0 1\n1 0\n"), weld=0)


def test_unknown_suffixes_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("meshio", reason="optional: meshes of many formats")
    for name in ("a.stl.gz", "a.vtu.gz", "a.txt.gz.gz", "a.tar.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"solid"))
        with pytest.raises(ValueError, match=f"{name} is packed; unpack it first: gunzip"):
            as_graph(tmp_path / name)
    with pytest.raises(ValueError, match=r"suffix of .*a\.nothing is none that is read: \.csv"):
        as_graph(written(tmp_path / "a.nothing", "0 1"))
