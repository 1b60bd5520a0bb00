"""What nodes are called, from the source to the answers."""

from __future__ import annotations

import pickle
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Graph, Hierarchy, as_graph, coarsen, round_weights
from multiscale_gcn.convert import drop_isolated

ROADS = [("Ulm", "Kiel", 3.0), ("Kiel", "Bremen", 1.5), ("Bremen", "Ulm", 2.0)]
NAMES = st.recursive(
    st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3).map(tuple)
)


def test_networkx_keeps_its_order_and_its_names() -> None:
    roads = nx.Graph()
    roads.add_weighted_edges_from(ROADS)
    assert as_graph(roads).names == ("Ulm", "Kiel", "Bremen")
    assert as_graph(nx.grid_2d_graph(2, 2)).names == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert as_graph(nx.path_graph(3)).names is None, "the order says as much"
    assert as_graph(nx.Graph([(1, 0)])).names == (1, 0)
    assert as_graph(nx.Graph([(0.5, 1.5)])).names is None, "no names that a file could hold"


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("pair", [("source", "target"), ("From", "To"), ("src", "dst"), ("u", "v")])
def test_texts_in_a_frame_are_names(library: str, pair: tuple[str, str]) -> None:
    frames = pytest.importorskip(library, reason="optional: a library of frames")
    begin, end, weight = zip(*ROADS, strict=True)
    frame = frames.DataFrame({pair[0]: begin, "W": weight, pair[1]: end})
    graph = as_graph(frame, symmetrize=True)
    assert graph.names == ("Bremen", "Kiel", "Ulm"), "in the order of texts, whatever the rows"
    expected = [[0, 1.5, 2], [1.5, 0, 3], [2, 3, 0]]
    np.testing.assert_array_equal(graph.to_scipy().toarray(), expected)
    with pytest.raises(ValueError, match="num_nodes = 3 does not go with columns of names"):
        as_graph(frame, symmetrize=True, num_nodes=3)


@pytest.mark.parametrize("missing", [None, "", 3])
def test_a_missing_name_is_told_with_its_row(missing: object) -> None:
    pandas = pytest.importorskip("pandas", reason="optional: a library of frames")
    columns = {"source": ["a", "b"], "target": np.array(["b", missing], dtype=object)}
    with pytest.raises(ValueError, match=r"row 1 of column 'target' is .*; give a text there too"):
        as_graph(pandas.DataFrame(columns), symmetrize=True)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.csv", "source,target,weight\nUlm,Kiel,3\nKiel,Bremen,1.5\nBremen,Ulm,2\n"),
        ("a.csv", "weight;to;from\n3;Ulm;Kiel\n1.5;Kiel;Bremen\n2;Bremen;Ulm\n"),
        ("a.tsv", "u\tv\tw\nUlm\tKiel\t3\nKiel\tBremen\t1.5\nBremen\tUlm\t2\n"),
        ("a.txt", "source target weight\nUlm Kiel 3\nKiel Bremen 1.5\nBremen Ulm 2\n"),
        ("a.csv", 'source,target,weight\n"Ulm",Kiel,3\nKiel,Bremen,1.5\nBremen,"Ulm",2\n'),
    ],
)
def test_texts_in_a_list_are_names(file: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text(text)
    graph = as_graph(path, symmetrize=True)
    assert graph.names == ("Bremen", "Kiel", "Ulm")
    assert graph.weights.tolist() == [1.5, 2, 1.5, 3, 2, 3]
    with pytest.raises(ValueError, match="num_nodes = 5 does not go with the names of nodes in"):
        as_graph(path, symmetrize=True, num_nodes=5)


def test_a_name_in_quotes_may_hold_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('source,target\n"Halle, Saale",Leipzig\n')
    assert as_graph(path, symmetrize=True).names == ("Halle, Saale", "Leipzig")


def test_parquet_and_igraph_have_names(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="optional: a library of frames")
    pytest.importorskip("pyarrow", reason="optional: Parquet files")
    begin, end, weight = zip(*ROADS, strict=True)
    frame = pandas.DataFrame({"source": begin, "target": end, "weight": weight})
    frame.to_parquet(tmp_path / "roads.parquet")
    assert as_graph(tmp_path / "roads.parquet", symmetrize=True).names == ("Bremen", "Kiel", "Ulm")
    igraph = pytest.importorskip("igraph", reason="optional: its graphs")
    graph = igraph.Graph.TupleList(ROADS, weights=True)
    assert as_graph(graph).names == ("Ulm", "Kiel", "Bremen")


def test_answers_by_name() -> None:
    pytest.importorskip("pandas", reason="optional: a library of frames")
    roads = nx.Graph()
    roads.add_weighted_edges_from([*ROADS, ("Rom", "Neapel", 1.0), ("Rom", "Pisa", 5.0)])
    hierarchy = coarsen(roads, sizes=[4, 2])
    assert set(hierarchy.members("Ulm")) == {"Ulm", "Kiel", "Bremen"}
    assert set(hierarchy.members("Pisa", 0)) == {"Pisa"}
    frame = hierarchy.to_frame()
    assert list(frame.index) == list(roads)
    parent = hierarchy.parent(0, hierarchy.level(4).index)
    assert frame[f"level {hierarchy.level(4).index}"].tolist() == parent.tolist()
    with pytest.raises(
        ValueError, match=r"node = 'Rome' is no node; they are called 'Ulm', 'Kiel'"
    ):
        hierarchy.members("Rome")
    with pytest.raises(IndexError, match="level 9 does not exist"):
        hierarchy.members("Rom", 9)


def test_nodes_without_names_go_by_number() -> None:
    pytest.importorskip("pandas", reason="optional: a library of frames")
    hierarchy = coarsen(nx.path_graph(6), levels=1)
    assert hierarchy.members(0) == (0, 1)
    assert hierarchy.to_frame()["level 1"].tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="node = 6"):
        hierarchy.members(6)
    with pytest.raises(ValueError, match="node = 'a'"):
        hierarchy.members("a")


def test_names_change_nothing_that_is_computed() -> None:
    graph = nx.les_miserables_graph()
    named, plain = as_graph(graph), as_graph(nx.convert_node_labels_to_integers(graph))
    assert named.names is not None
    assert named == plain
    assert coarsen(named, levels=3).fingerprint == coarsen(plain, levels=3).fingerprint


def test_names_stay_with_their_nodes() -> None:
    graph = Graph([0, 1, 1, 2], [2, 0], names=["a", "b", "c"])
    assert round_weights(graph)[0].names == ("a", "b", "c")
    assert pickle.loads(pickle.dumps(graph)).names == ("a", "b", "c")
    assert drop_isolated(graph)[0].names == ("a", "c")
    two = nx.union(nx.path_graph(["a", "b"]), nx.path_graph(["c", "d", "e"]))
    first, second = coarsen(two, levels=1, batch=[0, 0, 1, 1, 1]).members()
    assert (first[0].graph.names, second[0].graph.names) == (("a", "b"), ("c", "d", "e"))


@given(names=st.lists(NAMES, max_size=6, unique=True))
def test_names_are_saved(names: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    n = len(names)
    path = tmp_path_factory.mktemp("named") / "saved.npz"
    hierarchy = coarsen(Graph(np.zeros(n + 1, int), [], names=names), levels=1)
    hierarchy.save(path)
    again = Hierarchy.load(path)
    assert again[0].graph.names == tuple(names)
    assert again.fingerprint == hierarchy.fingerprint


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["a"], ValueError, "names has 1 entries, expected 2"),
        (["a", "b", "c"], ValueError, "names has more than 2 entries"),
        (["a", "a"], ValueError, r"names\[1\] = 'a' is the name of node 0 too"),
        (["a", 0.5], TypeError, r"names\[1\] = 0.5 must be a text"),
        (["a", ("b", None)], TypeError, r"names\[1\] = \('b', None\) must be a text"),
        (3, ValueError, "names = 3 must be a list"),
    ],
)
def test_names_that_are_none(names, error, message) -> None:
    with pytest.raises(error, match=message):
        Graph([0, 1, 2], [1, 0], names=names)
