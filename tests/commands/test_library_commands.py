"""The command line of the library, as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import trimesh

from multiscale_gcn import Hierarchy, as_graph, coarsen
from multiscale_gcn.__main__ import main

ROADS = "from,to,km\nUlm,Kiel,3\nKiel,Bremen,1.5\nBremen,Ulm,2\nRom,Pisa,4\n"


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    path = tmp_path / "roads.csv"
    path.write_text(ROADS)
    return path


@pytest.fixture
def sphere(tmp_path: Path) -> Path:
    path = tmp_path / "sphere.ply"
    trimesh.creation.icosphere(subdivisions=2).export(path)
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 2
    return capsys.readouterr().err


def test_info_says_which_backends_run_and_why_not(capsys) -> None:
    text = told(capsys, "info")
    assert "numba            can run" in text
    assert "cupy             can" in text
    assert f"numpy            {np.__version__}" in text


def test_coarsen_writes_what_is_asked_for(capsys, roads: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="optional: tables")
    out, table, picture = (tmp_path / name for name in ("o.npz", "t.csv", "p.png"))
    text = told(
        capsys, "coarsen", roads, "--weights", "km", "--sizes", 3, 2,
        "-o", out, "--table", table, "--picture", picture,
    )  # fmt: skip
    hierarchy = coarsen(as_graph(roads, weights="km", symmetrize=True), sizes=[3, 2])
    assert repr(hierarchy) in text
    assert hierarchy.fingerprint in text
    assert Hierarchy.load(out).fingerprint == hierarchy.fingerprint
    frame = pandas.read_csv(table, index_col="node")
    assert frame.equals(hierarchy.to_frame())
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_mesh_is_drawn_as_a_surface(capsys, sphere: Path, tmp_path: Path) -> None:
    picture = tmp_path / "sphere.svg"
    told(capsys, "coarsen", sphere, "--levels", 3, "--picture", picture)
    assert "81 of 162 nodes" in picture.read_text() or "<svg" in picture.read_text()
    assert "sphere" not in refused(capsys, "coarsen", sphere, "--levels", 2, "--method", "what")


def test_compare_prints_a_line_for_each_method(capsys, sphere: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bars.png"
    arguments = ("--sizes", 40, "--methods", "heavy_edge", "k_mis", "--picture", picture)
    text = told(capsys, "compare", sphere, *arguments)
    assert text.count("heavy_edge") == text.count("k_mis") == 1
    assert picture.stat().st_size > 1000


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".mtx", ".npz", ".graphml", ".gml"])
def test_what_is_converted_is_read_again(capsys, suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="optional: Parquet files")
    graph = nx.les_miserables_graph()
    nx.write_graphml(graph, tmp_path / "in.graphml")
    out = tmp_path / f"out{suffix}"
    told(capsys, "convert", tmp_path / "in.graphml", "-o", out)
    again = as_graph(out, symmetrize=True)
    if again.names is None:  # a matrix
        assert again == as_graph(nx.convert_node_labels_to_integers(graph))
    else:
        order = {name: at for at, name in enumerate(again.names)}
        before = as_graph(nx.convert_node_labels_to_integers(graph)).to_scipy().toarray()
        at = [order[name] for name in graph]
        np.testing.assert_array_equal(again.to_scipy().toarray()[np.ix_(at, at)], before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("coarsen", "nowhere.csv", "--sizes", "3"), "there is no file 'nowhere.csv'"),
        (("coarsen", "roads.csv", "--sizes", "30"), "30"),
        (("coarsen", "roads.csv"), "sizes"),
        (
            ("coarsen", ".", "--sizes", "3"),
            "no file '.'; it is a folder: name a file in it",
        ),
        (("coarsen", "roads.csv", "--sizes", "3", "--weights", "miles"), "no column 'miles'"),
        (("coarsen", "roads.csv", "--levels", "1", "--backend", "what"), "backend = 'what'"),
        (
            ("coarsen", "roads.csv", "--sizes", "1", "--method", "defferrard"),
            "does not merge components",
        ),
        (("convert", "roads.csv", "-o", "roads.doc"), "no suffix that is written"),
        (("compare", "roads.csv", "--sizes", "0"), "0"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, capsys, roads, monkeypatch) -> None:
    monkeypatch.chdir(roads.parent)
    text = refused(capsys, *arguments)
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert message in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("coarsen", "--levels", "1", "-o", "no/o.npz"), "there is no folder no; make it"),
        (("coarsen", "--levels", "1", "-o", "o.csv"), "--out o.csv ends in .csv, and what is"),
        (("coarsen", "--levels", "1", "--table", "t.xlsx"), "--table t.xlsx ends in .xlsx"),
        (("coarsen", "--levels", "1", "--table", "."), ". is a folder"),
        (("coarsen", "--levels", "1", "--picture", "p.mp4"), "--picture p.mp4 ends in .mp4"),
        (("coarsen", "--levels", "1", "--picture", "no/p.html"), "there is no folder no"),
        (("compare", "--sizes", "2", "--picture", "p.html"), "--picture p.html ends in .html"),
        (("convert", "-o", "no/a.csv"), "there is no folder no"),
        (("coarsen",), "say how far to coarsen: --sizes 1000 100, --levels 3 or --min-nodes"),
    ],
)
def test_a_wrong_destination_is_told_before_the_work(
    arguments, message, capsys, tmp_path, monkeypatch
) -> None:
    """The graph is not even read: there is none."""
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, arguments[0], "huge.csv", *arguments[1:])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "name", "library", "extra"),
    [
        ("--table", "t.csv", "pandas", "frames"),
        ("--picture", "p.png", "matplotlib", "plot"),
        ("--picture", "p.html", "plotly", "plot"),
    ],
)
def test_a_missing_library_is_told_before_the_work(
    option, name, library, extra, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    text = refused(capsys, "coarsen", "huge.csv", "--levels", "1", option, name)
    assert library in text
    assert f"[{extra}]" in text


def test_nothing_is_left_of_a_file_that_cannot_be_written(capsys, roads, tmp_path) -> None:
    out = tmp_path / "missing" / "o.npz"
    assert "missing" in refused(capsys, "coarsen", roads, "--sizes", 3, "-o", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["roads.csv"]


def test_without_tyro_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['tyro'] = None; import multiscale_gcn.__main__ as m; m.main([])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == "error: the command line needs tyro: pip install 'multiscale-gcn[cli]'\n"
