"""Files of edges to the finest level: the graph in memory, or the row that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import Constraints, EdgeFiles, Graph, Hierarchy, as_graph, coarsen
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.hierarchy.stored import StoredLevel
from multiscale_gcn.outofcore.finest import read_finest
from multiscale_gcn.outofcore.progress import Progress

WHY = "the extra outofcore is not installed"
pytest.importorskip("duckdb", reason=WHY)
pa = pytest.importorskip("pyarrow", reason=WHY)
csv, feather, parquet = (
    pytest.importorskip(f"pyarrow.{name}", reason=WHY) for name in ("csv", "feather", "parquet")
)

WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "parquet": lambda table, path: parquet.write_table(table, path, row_group_size=7),
    "csv": lambda table, path: csv.write_csv(table, path),
    "arrow": lambda table, path: feather.write_feather(table, path, compression="uncompressed"),
}


def written(folder: Path, suffix: str = "parquet", **columns: Any) -> Path:
    path = folder / f"edges.{suffix}"
    WRITERS[suffix](pa.table(columns), path)
    return path


def finest(source: EdgeFiles, folder: Path, entries: int | None = None) -> StoredLevel:
    return read_finest(
        source, folder / "level-000", 10**8, lambda n: Constraints(), {}, Progress(False), entries
    )


@st.composite
def edge_lists(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray]:
    """Any rows, loops and duplicates among them; their sums are exact."""
    n = draw(st.integers(1, 12))
    node = st.integers(0, n - 1)
    pairs = draw(st.lists(st.tuples(node, node), min_size=1, max_size=30))
    weights = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0]), min_size=len(pairs),
                            max_size=len(pairs)))  # fmt: skip
    weights[0] = 1.0
    return n, np.array(pairs).T, np.array(weights)


@settings(max_examples=25)
@given(
    edge_lists(),
    st.sampled_from(["max", "mean", "sum"]),
    st.sampled_from([*WRITERS]),
    st.integers(1, 9),
)
def test_any_rows_are_read_as_in_memory(
    drawn: tuple[int, np.ndarray, np.ndarray], how: Any, suffix: str, entries: int
) -> None:
    n, ids, weights = drawn
    expected, rounding = round_weights(
        as_graph(ids, kind="edge_index", weights=weights, num_nodes=n, symmetrize=how)
    )
    with TemporaryDirectory() as name:
        path = written(Path(name), suffix, u=ids[0], v=ids[1], w=weights)
        level = finest(EdgeFiles(path, num_nodes=n, symmetrize=how), Path(name), entries)
        assert level.graph == expected
        assert level.graph.quantum == expected.quantum
        assert level.meta.rounding == rounding


def both_ways(ids: np.ndarray) -> np.ndarray:
    return np.concatenate([ids, ids[::-1]], axis=1)


TRIANGLES = np.array([[0, 0, 1, 3, 3, 4], [1, 2, 2, 4, 5, 5]])


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("ids", [TRIANGLES, TRIANGLES[::-1], both_ways(TRIANGLES)])
def test_edges_stand_once_or_in_both_directions(
    suffix: str, ids: np.ndarray, tmp_path: Path
) -> None:
    order = np.random.default_rng(3).permutation(ids.shape[1])
    path = written(tmp_path, suffix, u=ids[0][order], v=ids[1][order])
    expected = as_graph(TRIANGLES, kind="edge_index", symmetrize=True)
    assert finest(EdgeFiles(path), tmp_path, 3).graph == expected


def test_a_missing_reverse_edge_is_named_with_its_row(tmp_path: Path) -> None:
    ids = both_ways(TRIANGLES)[:, :-1]  # without (5, 4)
    path = written(tmp_path, u=ids[0], v=ids[1])
    with pytest.raises(ValueError, match=r"row 5 of .*edge \(4, 5\): its reverse edge is missing"):
        finest(EdgeFiles(path), tmp_path, 3)
    mirrored = finest(EdgeFiles(path, symmetrize=True), tmp_path, 3)
    assert mirrored.graph == as_graph(TRIANGLES, kind="edge_index", symmetrize=True)


def test_two_weights_of_one_edge_are_named_with_their_row(tmp_path: Path) -> None:
    path = written(tmp_path, u=[0, 1, 1, 2], v=[1, 0, 2, 1], w=[1.0, 1.0, 2.0, 3.0])
    for how in (None, True):
        with pytest.raises(ValueError, match=r"row 2 of .*edge \(1, 2\): .*different weights"):
            finest(EdgeFiles(path, symmetrize=how), tmp_path)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, None])
def test_a_weight_that_is_none_is_named_with_its_row(
    bad: float | None, suffix: str, tmp_path: Path
) -> None:
    weights: list[float | None] = [1.0] * 2000
    weights[1234] = bad
    path = written(tmp_path, suffix, u=np.arange(2000), v=np.arange(2000) + 1, w=weights)
    with pytest.raises(ValueError, match=r"row 1234 of .*1235"):
        coarsen(path, levels=1, out=tmp_path / "levels", memory="1MB")
    assert not list((tmp_path / "levels").iterdir())


@pytest.mark.parametrize("bad", [-1, None])
def test_an_end_that_is_none_is_named_with_its_row(bad: int | None, tmp_path: Path) -> None:
    path = written(tmp_path, u=[0, 1, bad], v=[1, 2, 0])
    with pytest.raises(ValueError, match="row 2 of"):
        coarsen(path, levels=1, out=tmp_path / "levels")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"u": [0], "x": [1]}, "needs u and v"),
        ({"u": [0.5], "v": [1.0]}, "integers or texts"),
        ({"u": [0], "v": ["a"]}, "integers or texts"),
        ({"u": ["a", ""], "v": ["b", "c"]}, "row 1 of"),
        ({"u": [0], "v": [1], "w": ["heavy"]}, "weights are numbers"),
        ({"u": [0], "v": [1], "w": [0.0]}, "every weight"),
        ({"u": [0], "v": [10**9]}, "renumber"),
        ({"u": [0], "v": [2**62]}, "renumber"),
        ({"u": [0, 0], "v": [1, 1], "w": [1.7e308, 1.7e308]}, "row 0 of .*add up to infinity"),
    ],
)
def test_files_that_hold_no_graph_are_refused(
    columns: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, **columns)
    with pytest.raises(ValueError, match=words):
        coarsen(path, levels=1, out=tmp_path / "levels")
    assert not list((tmp_path / "levels").iterdir())


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    for path, words in (("a.parquet", "cannot be read as parquet"), ("b.parquet", "is no file")):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            coarsen(tmp_path / path, levels=1, out=tmp_path / "levels")
    (tmp_path / "both").mkdir()
    for name in ("a.csv", "b.parquet"):
        (tmp_path / "both" / name).write_text("u,v\n0,1\n")
    with pytest.raises(ValueError, match="several formats"):
        EdgeFiles(tmp_path / "both")
    (tmp_path / "both" / "c.xlsx").write_text("")
    with pytest.raises(ValueError, match="suffixes"):
        EdgeFiles(tmp_path / "both")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "edges").mkdir()
    for part, columns in (("b", ([2, 0], [3, 4])), ("a", ([0, 1], [1, 2]))):
        u, v = columns
        table = pa.table({"source": u, "target": v, "weight": [3, 4]})
        parquet.write_table(table, tmp_path / "edges" / f"{part}.parquet")
    (tmp_path / "edges" / "_SUCCESS").write_text("")
    expected = as_graph(
        np.array([[0, 1, 2, 0], [1, 2, 3, 4]]), kind="edge_index", weights=[3, 4, 3, 4],
        symmetrize=True,
    )  # fmt: skip
    assert finest(EdgeFiles(tmp_path / "edges"), tmp_path).graph == expected


def test_csv_needs_no_line_of_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,1,2.5\n1,2,1.5\n")
    (tmp_path / "b.csv").write_text("u,v,w\n0,1,2.5\n1,2,1.5\n")
    graphs = [finest(EdgeFiles(tmp_path / f"{name}.csv"), tmp_path).graph for name in "ab"]
    assert graphs[0] == graphs[1]
    assert graphs[0].weights.tolist() == [2.5, 2.5, 1.5, 1.5]


@pytest.mark.parametrize("weighted", [True, False])
def test_names_are_numbered_in_their_order(weighted: bool, tmp_path: Path) -> None:
    names = np.array(["zoë", "ann", "bob", "Bob", "ann", "bob"])
    u, v = names[:3], names[3:]
    columns: dict[str, Any] = {"Src": u, "dst": v, **({"W": [1, 2, 3]} if weighted else {})}
    path = written(tmp_path, **columns)
    level = finest(EdgeFiles(path, symmetrize=True), tmp_path)
    known, ids = np.unique(names, return_inverse=True)
    expected = as_graph(
        ids.reshape(2, 3), kind="edge_index", weights=columns.get("W"), symmetrize=True
    )
    assert level.graph == expected
    table = parquet.read_table(level.folder / "nodes" / "ids.parquet")
    assert table.to_pydict() == {"id": known.tolist(), "node": [*range(len(known))]}


def test_numbers_may_be_names(tmp_path: Path) -> None:
    path = written(tmp_path, u=[10**15, 7], v=[7, 2**62])
    nodes = tmp_path / "nodes.csv"
    nodes.write_text(f"id,weight\n{2**62},5\n7,2\n9,1\n{10**15},3\n")
    source = EdgeFiles(path, nodes=nodes, renumber=True)
    level = finest(source, tmp_path)
    assert level.graph.node_weights.tolist() == [2, 1, 3, 5]
    assert level.graph.indices.tolist() == [2, 3, 0, 0]


def test_node_weights_stand_beside(tmp_path: Path) -> None:
    path = written(tmp_path, u=[0, 1], v=[1, 2])
    nodes = tmp_path / "nodes.csv"
    nodes.write_text("id,weight\n2,5\n0,2\n3,1\n1,3\n")
    by_file = finest(EdgeFiles(path, nodes=nodes), tmp_path).graph
    by_array = finest(EdgeFiles(path, node_weights=[2, 3, 5, 1], num_nodes=4), tmp_path).graph
    assert by_file == by_array
    assert by_file.node_weights.tolist() == [2, 3, 5, 1]
    for text, words in (
        ("id,weight\n0,1\n1,1\n1,1\n", "1 stands 2 times"),
        ("id,weight\n0,1\n1,0\n2,1\n", "row 1 of .*the node 1 weighs 0"),
        ("id,weight\n0,1\n1,1\n", r"row 1 of .*edge \(1, 2\)"),
        ("id,weight\n0,1\n5,1\n2,1\n", "run from 0 to 5"),
        ("name,weight\n0,1\n", "needs id"),
        ("id,weight\na,1\n", "same type"),
    ):
        nodes.write_text(text)
        with pytest.raises(ValueError, match=words):
            finest(EdgeFiles(path, nodes=nodes), tmp_path)


def test_weights_that_are_not_exact_are_rounded_as_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    u, v = np.arange(300), np.arange(300) + 1
    weights = rng.random(300) * 10.0 ** rng.integers(-3, 4, 300)
    path = written(tmp_path, u=u, v=v, w=weights)
    expected = coarsen(
        as_graph(np.stack([u, v]), kind="edge_index", weights=weights, symmetrize=True), levels=3
    )
    found = coarsen(path, levels=3, out=tmp_path / "levels")
    assert found.rounding == expected.rounding
    assert found.rounding.edge_weights > 0
    assert found.fingerprint == expected.fingerprint


def test_what_rounding_did_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Integers whose sums pass 2**53 together."""
    weights = [2**52 + 1, 2**52 + 3, 2**52 + 4]
    path = written(tmp_path, u=[0, 1, 2], v=[1, 2, 3], w=weights)
    found = coarsen(path, levels=1, out=tmp_path / "levels", progress=True)
    assert "rounding changed 4 entries" in capfd.readouterr().err
    assert found.rounding.edge_weights == 4
    assert found.rounding.largest_relative_change == pytest.approx(3 / 2**52, rel=1)
    edges = np.array([[0, 1, 2], [1, 2, 3]])
    memory = as_graph(edges, kind="edge_index", weights=weights, symmetrize=True)
    assert found.fingerprint == coarsen(memory, levels=1).fingerprint


def test_rows_of_one_edge_are_added_up_in_the_order_of_the_files(tmp_path: Path) -> None:
    """DuckDB streams rows in another order, in silence, unless told to keep it."""
    rng = np.random.default_rng(5)
    count = 400_000  # several of its units, on several threads
    u = rng.integers(0, 3, count)
    weights = rng.random(count)
    path = tmp_path / "edges.parquet"
    parquet.write_table(pa.table({"u": u, "v": u + 1, "w": weights}), path, row_group_size=50_000)
    expected = [0.0, 0.0, 0.0]
    for node, weight in zip(u.tolist(), weights.tolist(), strict=True):
        expected[node] += weight
    level = finest(EdgeFiles(path), tmp_path)
    in_memory, _ = round_weights(
        as_graph(
            np.array([[0, 1, 2], [1, 2, 3]]), kind="edge_index", weights=expected, symmetrize=True
        )
    )
    assert level.graph == in_memory


def test_an_example_from_files_to_levels(tmp_path: Path) -> None:
    path = written(tmp_path, u=np.arange(999), v=np.arange(999) + 1)
    found = coarsen(path, sizes=[300, 77], memory="1 MiB", out=tmp_path / "levels")
    expected = coarsen(
        as_graph(np.stack([np.arange(999), np.arange(999) + 1]), kind="edge_index",
                 symmetrize=True), sizes=[300, 77],
    )  # fmt: skip
    assert isinstance(found, Hierarchy)
    assert found.fingerprint == expected.fingerprint
    assert Hierarchy.load(tmp_path / "levels").fingerprint == expected.fingerprint
    assert isinstance(found[0].graph, Graph)
