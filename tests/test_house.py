"""The plan of the house: which folder may import which. An arrow against the flow fails here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "multiscale_gcn"

FLOW = (
    "checks",
    "backends",
    "compiled",
    "graph",
    "cuda",
    "convert",
    "ratings",
    "matching",
    "methods",
    "contraction",
    "hierarchy",
    "coarsening",
    "engines",
    "plotting",
    "quality",
    "comparison",
    "ops",
    "nn",
    "pyg",
    "testing",
)
"""What stands at the root of the package; each may import what stands before it."""

NARROW = {"ops": {"backends"}}
"""Who may import only these."""


def modules(root: Path) -> dict[str, Path]:
    """All modules below a package, by their whole names."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Line and name of every module of the package that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [
                inner if (inner := f"{node.module}.{alias.name}") in known else node.module
                for alias in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}:{node.lineno} imports relatively; name the whole path")
        else:
            continue
        yield from ((node.lineno, name) for name in names if name in known)


def against_the_flow(root: Path, flow: tuple[str, ...]) -> list[str]:
    """Imports of what stands later in the flow, each with its place."""
    known = modules(root)
    faults = []
    for name, path in known.items():
        here = name.split(".")[1:2]
        if not here:  # the face of the package, which hands names on
            continue
        for line, target in imported(path, known):
            there = target.split(".")[1:2]
            if not there or flow.index(there[0]) > flow.index(here[0]):
                faults.append(f"{path.relative_to(root.parent)}:{line} imports {target}")
    return faults


def circle(root: Path) -> list[str]:
    """Modules that import each other in a loop; none, if there is no loop."""
    known = modules(root)
    graph = {
        name: {target for _, target in imported(path, known)}
        for name, path in known.items()
        if name != root.name
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_has_its_place_in_the_flow() -> None:
    rooms = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert rooms == set(FLOW)


def test_imports_run_one_way() -> None:
    assert against_the_flow(PACKAGE, FLOW) == []


def test_no_modules_import_each_other() -> None:
    assert circle(PACKAGE) == []


@pytest.mark.parametrize(("room", "allowed"), NARROW.items())
def test_some_rooms_stand_alone(room: str, allowed: set[str]) -> None:
    known = modules(PACKAGE)
    for name, path in known.items():
        if name.split(".")[1:2] == [room]:
            used = {target.split(".")[1] for _, target in imported(path, known) if "." in target}
            assert used <= {room, *allowed}, f"{name} imports more than {allowed}"


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    files = {
        "__init__": "",
        "ground/__init__": "",
        "ground/stone": "X = 1",
        "roof": "from house.ground.stone import X",
    }
    for name, text in files.items():
        path = tmp_path / "house" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "house"


@pytest.mark.parametrize(
    "text",
    [
        "import house.roof",
        "from house import roof",
        "def later():\n    from house.roof import X",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.roof import X",
    ],
)
def test_an_arrow_against_the_flow_is_seen(text: str, small_house: Path) -> None:
    flow = ("ground", "roof")
    assert against_the_flow(small_house, flow) == []
    assert circle(small_house) == []
    (small_house / "ground" / "stone.py").write_text(text)
    (fault,) = against_the_flow(small_house, flow)
    assert "stone.py:" in fault
    assert "imports house.roof" in fault
    assert set(circle(small_house)) == {"house.ground.stone", "house.roof"}
