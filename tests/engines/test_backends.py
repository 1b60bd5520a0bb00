"""The registry of backends, and the tests that each inherits."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiscale_gcn import as_graph, backends, coarsen, match
from multiscale_gcn.testing import BackendTests

PACKAGE = Path(backends.__file__).parent


class TestPython(BackendTests):
    backend = "python"


class TestNumba(BackendTests):
    backend = "numba"


@pytest.mark.gpu
class TestCupy(BackendTests):
    backend = "cupy"


def test_every_file_is_a_backend() -> None:
    names = backends.backend_names()
    assert {"cupy", "numba", "python"} <= set(names)
    with pytest.raises(ValueError, match=re.escape(f"'nunba' is none of {('auto', *names)}")):
        match(as_graph([[0.0]]), backend="nunba")


def test_the_specification_needs_no_numba() -> None:
    statements = """
import sys
sys.modules["numba"] = None
from multiscale_gcn import Graph, DefferrardMatching, coarsen
path = Graph([0, 1, 3, 5, 6], [1, 0, 2, 1, 3, 2])
print(coarsen(path, sizes=[2], backend="python").parent(0, 1).tolist())
print(coarsen(path, levels=1, method=DefferrardMatching(), backend="python").sizes)
"""
    run = subprocess.run([sys.executable, "-c", statements], capture_output=True, text=True)
    assert run.stdout.splitlines() == ["[0, 0, 1, 1]", "(4, 2)"], run.stderr


def test_the_first_small_graphs_of_a_process_wait_for_no_compiled_code() -> None:
    statements = """
import sys
from multiscale_gcn import backends, coarsen
import networkx as nx
loaded = lambda: "numba" in sys.modules
first = coarsen(nx.grid_2d_graph(9, 9), levels=2)
print(loaded())
backends.SPARED = 500
second = coarsen(nx.grid_2d_graph(9, 9), levels=2)
print(loaded(), first.fingerprint == second.fingerprint)
"""
    run = subprocess.run([sys.executable, "-c", statements], capture_output=True, text=True)
    assert run.stdout.split() == ["False", "True", "True"], run.stderr


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is written for a backend "mine", as if its file stood in the folder."""
    monkeypatch.setattr(backends, "backend_names", lambda: ("mine", "numba"))
    backends._loaded.cache_clear()
    yield
    backends._loaded.cache_clear()
    sys.modules.pop("multiscale_gcn.engines.mine", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"engines/mine.py holds 0 classes that derive from Engine; write one"),
        (
            "from multiscale_gcn.engines.engine import Engine\n"
            "class Mine(Engine):\n"
            "    def match(self, graph, method, of_nodes): ...\n",
            r"engines/mine.py: .*abstract method '?aggregate'?; write it as Engine says",
        ),
    ],
)
def test_half_a_backend_says_what_is_missing(
    text: str, message: str, registered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import ModuleType

    module = ModuleType("multiscale_gcn.engines.mine")
    exec(text, vars(module))
    monkeypatch.setitem(sys.modules, "multiscale_gcn.engines.mine", module)
    with pytest.raises(TypeError, match=message):
        coarsen(as_graph([[0.0]]), levels=1, backend="mine")


def test_a_backend_that_returns_something_else_fails_its_tests(
    registered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import ModuleType

    module = ModuleType("multiscale_gcn.engines.mine")
    text = (
        "from multiscale_gcn.engines.python import PythonEngine as Base\n"
        "class Mine(Base):\n"
        "    def match(self, graph, method, of_nodes):\n"
        "        from dataclasses import replace\n"
        "        other = 'keep' if method.isolated == 'pair' else 'pair'\n"
        "        wrong = replace(method, two_hop=not method.two_hop, isolated=other)\n"
        "        return super().match(graph, wrong, of_nodes)\n"
        "del Base\n"
    )
    exec(text, vars(module))
    monkeypatch.setitem(sys.modules, "multiscale_gcn.engines.mine", module)
    monkeypatch.setattr(backends, "backend_names", lambda: ("mine", "numba", "python"))

    class TestMine(BackendTests):
        backend = "mine"

    with pytest.raises(AssertionError):
        TestMine().test_matchings_are_those_of_the_specification()
