"""Files that meshio reads: as meshio reads them, and never without an end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_samples import read

from multiscale_gcn import as_graph
from multiscale_gcn.convert.files import meshio_files

meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")

GENERATOR = np.random.default_rng(0)
POINTS = GENERATOR.random((9, 3)).round(2)
POINTS[5] = POINTS[0]
CELLS = [("tetra", [[8, 1, 2, 3], [1, 2, 3, 4]]), ("triangle", [[5, 6, 7], [0, 7, 8]])]
POLYHEDRA = [
    ("polyhedron4", [[[0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 2, 3]]]),
    ("polyhedron6", [[[0, 1, 2], [0, 1, 4], [1, 2, 4], [0, 2, 5, 4], [0, 5, 4]]]),
]
ENDLESS = {
    "a.msh": b"(1",
    "a.node": b"",
    "a.bdf": b"BEGIN BULK",
    "a.mdpa": b"Begin Nodes\n1 0 0 0\n",
    "a.tec": b'VARIABLES = "X", "Y"\nZONE NODES = 9, ELEMENTS = 2,\n'
    b"DATAPACKING = BLOCK, ZONETYPE = FETRIANGLE\n0",
}
"""Files of which meshio's readers never come to the end."""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshio_files, "SECONDS", 2.0)


@pytest.mark.filterwarnings("ignore::multiscale_gcn.convert.UnreferencedNodes")
@pytest.mark.parametrize(
    ("suffix", "cells"),
    [
        *((suffix, CELLS) for suffix in ("vtk", "vtu", "bdf", "mdpa", "mesh", "avs", "vol.gz")),
        *((suffix, CELLS[:1]) for suffix in ("tec", "node", "ele", "xml")),
        ("vtu", POLYHEDRA),
    ],
)
def test_files_are_what_meshio_reads_of_them(suffix: str, cells: Any, tmp_path: Path) -> None:
    path = tmp_path / f"a [1].{suffix}"
    meshio.Mesh(POINTS, cells).write(path)
    mesh = meshio.read(path)
    assert as_graph(path) == as_graph(mesh)
    assert as_graph(path).num_edges > 5
    assert as_graph(path, weld=0) == as_graph(mesh, weld=0)
    assert as_graph(path, weld=0).num_nodes == 8


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", ENDLESS)
def test_reading_ends(name: str, tmp_path: Path) -> None:
    found = read(name, ENDLESS[name], tmp_path)
    size = len(ENDLESS[name])
    assert isinstance(found, str)
    assert f"meshio has not read the {size} bytes of {tmp_path / name} after 2 seconds" in found
    assert "as_graph also takes the mesh that meshio.read(path) gives" in found


def test_large_files_have_more_time_and_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[float, int]] = []

    def run(command: list[str], *, timeout: float, **_: Any) -> None:
        asked.append((timeout, int(command[-1])))
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "a.xdmf").write_bytes(b"")
    (tmp_path / "b.h5").write_bytes(bytes(4 * 10**6))
    assert "after 30 seconds" in str(read("a.xdmf", b"", tmp_path))
    (tmp_path / "a.h5").write_bytes(bytes(4 * 10**6))  # where the numbers are
    assert "after 50 seconds" in str(read("a.xdmf", b"", tmp_path))
    (seconds, most), (more_seconds, more) = asked
    assert (more_seconds - seconds, more - most) == (20, 4 * 10**8)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else holds a process to its memory")
def test_a_file_takes_no_more_memory_than_it_accounts_for(tmp_path: Path) -> None:
    text = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n99999999999\n1 0 0 0\n"
    found = read("a.msh", text.encode(), tmp_path)
    assert "asks for more memory than files of its size need" in str(found)


def test_what_meshio_says_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = read("a.vtk", b"text\n", tmp_path)
    assert "meshio cannot read" in str(found)
    assert "Illegal VTK header" in str(found)
    assert capfd.readouterr() == ("", "")


ANOTHER = """
from types import SimpleNamespace
import numpy as np

def read(path):
    {}
    line = SimpleNamespace(type="line", data=np.array([[0, 1]]))
    return SimpleNamespace(points=np.zeros((2, 3)), cells=[line])
"""


@pytest.fixture
def with_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A file, and another meshio, which the process finds where this one would."""

    def prepare(body: str) -> Path:
        (tmp_path / "meshio.py").write_text(ANOTHER.format(body))
        (tmp_path / "a.vtk").touch()
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path / "a.vtk"

    return prepare


def test_what_it_warns_of_is_told(
    with_another: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    path = with_another("print('Warning: half of it')")
    assert as_graph(path) == as_graph([[0, 1]], kind="edge_list", symmetrize=True)
    assert capfd.readouterr() == ("", "Warning: half of it\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os.abort()", r"broke down over .*a.vtk \(it ended with"),
        ("raise MemoryError", "asks for more memory"),
        ("raise KeyError('x' * 10**6)", r"cannot read .* \(KeyError: 'xxx"),
        ("raise KeyboardInterrupt", r"broke down over .*a.vtk \(KeyboardInterrupt\); look whether"),
    ],
)
def test_whatever_befalls_the_reader_is_told(
    body: str, message: str, with_another: Callable[[str], Path]
) -> None:
    path = with_another(body)
    with pytest.raises(ValueError, match=message) as caught:
        as_graph(path)
    assert len(str(caught.value)) < 2000


def test_without_an_interpreter_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    found = read("a.vtk", b"", tmp_path)
    assert "none can be started (No such file or directory); as_graph also takes" in str(found)


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
def test_scripts_without_a_guard_and_daemons_read_files(tmp_path: Path) -> None:
    path, script = tmp_path / "a.vtk", tmp_path / "script.py"
    meshio.Mesh(POINTS, CELLS).write(path)
    script.write_text(
        "import multiprocessing, sys\n"
        "from multiscale_gcn import as_graph\n"
        "def tell():\n"
        "    print(as_graph(sys.argv[1]), flush=True)\n"
        "tell()\n"
        "process = multiprocessing.get_context('fork').Process(target=tell, daemon=True)\n"
        "process.start()\n"
        "process.join()\n"
        "sys.exit(process.exitcode)\n"
    )
    run = subprocess.run(
        [sys.executable, script, path], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert run.stdout == f"{as_graph(path)}\n" * 2
