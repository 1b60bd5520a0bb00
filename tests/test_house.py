"""The plan of the house: which folder may import which. An arrow against the flow fails here."""

from __future__ import annotations

from pathlib import Path

import pytest
from house import against_the_flow, circle, imported, modules, room

PACKAGE = "multiscale_gcn"
ROOT = Path(__file__).parents[1] / PACKAGE

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
    "mirrors",
    "hierarchy",
    "nested",
    "coarsening",
    "pyramids",
    "engines",
    "plotting",
    "quality",
    "comparison",
    "multigrid",
    "ops",
    "nn",
    "pyg",
    "testing",
    "commands",
    "__main__",
)
"""What stands at the root of the package; each may import what stands before it."""

NARROW = {"ops": {"backends", "checks"}}
"""Who may import only these."""


def test_every_room_has_its_place_in_the_flow() -> None:
    rooms = {
        path.stem
        for path in ROOT.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert rooms == set(FLOW)


def test_imports_run_one_way() -> None:
    assert against_the_flow(ROOT, PACKAGE, FLOW) == []


def test_no_modules_import_each_other() -> None:
    assert circle(ROOT, PACKAGE) == []


@pytest.mark.parametrize(("one", "allowed"), NARROW.items())
def test_some_rooms_stand_alone(one: str, allowed: set[str]) -> None:
    known = modules(ROOT, PACKAGE)
    for name, path in known.items():
        if room(name, PACKAGE) == one:
            used = {room(target, PACKAGE) for _, target in imported(path, known)}
            assert used <= {one, *allowed}, f"{name} imports more than {allowed}"


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
    assert against_the_flow(small_house, "house", flow) == []
    assert circle(small_house, "house") == []
    (small_house / "ground" / "stone.py").write_text(text)
    (fault,) = against_the_flow(small_house, "house", flow)
    assert "stone.py:" in fault
    assert "imports house.roof" in fault
    assert set(circle(small_house, "house")) == {"house.ground.stone", "house.roof"}


def test_a_circle_within_a_room_is_seen(small_house: Path) -> None:
    (small_house / "ground" / "stone.py").write_text("def up():\n    from house.ground import sand")
    (small_house / "ground" / "sand.py").write_text("import house.ground.stone")
    assert against_the_flow(small_house, "house", ("ground", "roof")) == []
    assert set(circle(small_house, "house")) == {"house.ground.sand", "house.ground.stone"}


def test_a_room_without_a_place_is_seen(small_house: Path) -> None:
    assert against_the_flow(small_house, "house", ("roof",)) == [
        "roof.py:1 imports house.ground.stone"
    ]
