"""What is said where an optional library is missing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from multiscale_gcn.checks.libraries import library

NEEDS = {
    "import multiscale_gcn.nn": ("torch", "multiscale_gcn.nn", "torch"),
    "import multiscale_gcn.ops": ("torch", "multiscale_gcn.ops", "torch"),
    "import multiscale_gcn.pyg": ("torch", "multiscale_gcn.pyg", "pyg"),
    "import multiscale_gcn.pyg as pyg": ("torch_geometric", "multiscale_gcn.pyg", "pyg"),
    "m.to_torch(graph)": ("torch", "to_torch", "torch"),
    "m.to_torch_sparse(graph)": ("torch", "to_torch_sparse", "torch"),
    "m.to_pyg(graph)": ("torch", "to_pyg", "pyg"),
    "m.to_pyamg(hierarchy)": ("pyamg", "to_pyamg", "amg"),
    "m.plot_hierarchy(hierarchy)": ("matplotlib", "plot_hierarchy", "plot"),
    "m.plot_comparison(m.compare(graph, [m.HeavyEdgeMatching()], sizes=[1]))": (
        "matplotlib", "plot_comparison", "plot",
    ),
    "hierarchy.to_frame()": ("pandas", "to_frame", "frames"),
    "from multiscale_gcn.testing import graphs": (
        "hypothesis", "multiscale_gcn.testing", "testing",
    ),
    "m.as_graph('some.parquet')": ("pyarrow", "reading .parquet files", "tables"),
    "m.as_graph('some.vtk')": ("meshio", "reading .vtk files", "mesh"),
}  # fmt: skip


@pytest.mark.parametrize("statement", NEEDS)
def test_the_line_that_installs_it_is_all_that_is_said(statement: str, tmp_path) -> None:
    name, what, extra = NEEDS[statement]
    for file in ("some.parquet", "some.vtk"):
        (tmp_path / file).write_bytes(b"not read")
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
import multiscale_gcn as m
graph = m.Graph([0, 1, 2], [1, 0])
hierarchy = m.coarsen(graph, sizes=[1])
try:
    {statement}
except ImportError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert run.stdout == f"{what} needs {name}: pip install 'multiscale-gcn[{extra}]'\n"


def test_what_an_installed_library_lacks_is_told_as_it_is(tmp_path, monkeypatch) -> None:
    (tmp_path / "half_there.py").write_text("import nowhere_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=re.escape("No module named 'nowhere_at_all'")):
        library("half_there", "a test", "half")
