"""The example's data flow one way: its folders stand in a row, and imports only look back."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import examples.hgn_pose

ROOT = Path(examples.hgn_pose.__file__).parent
PACKAGE = "examples.hgn_pose"

ORDER = (
    "files",
    "body",
    "motion",
    "datasets",
    "fitting",
    "samples",
    "network",
    "training",
    "measuring",
    "pictures",
    "lifting",
    "commands",
    "bake",
)
"""The folders with code. What stands in one may import from it and from those before it."""

AT_THE_ROOT = {"__init__", "__main__"}


def modules(root):
    """File of every module below a folder, by its name relative to the package."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)] = path
    return found


def imports(root, package=PACKAGE):
    """For every module those of the package that it imports, anywhere in it, and the line."""
    known = modules(root)
    arrows: dict[str, dict[str, int]] = {name: {} for name in known}
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for full in named(node, name, path.name == "__init__.py", package):
                target = full
                while target and target not in known:
                    target = target.rpartition(".")[0]
                if target and target != name:
                    arrows[name].setdefault(target, node.lineno)
    return arrows


def named(node, module, is_package, package):
    """What an import names, relative to the package."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            above = [package, *module.split(".")]
            above = above[: len(above) - node.level + is_package]
            base = ".".join([*above, *filter(None, [node.module])])
        names = [f"{base}.{alias.name}" for alias in node.names]
    return [name.removeprefix(f"{package}.") for name in names if name.startswith(f"{package}.")]


def against_the_flow(arrows, order=ORDER):
    """Imports of a later folder, as text."""
    place = {folder: number for number, folder in enumerate(order)}
    last = len(order)
    return [
        f"{module}, line {line}, imports {target}"
        for module, targets in arrows.items()
        for target, line in targets.items()
        if place.get(target.split(".")[0], last) > place.get(module.split(".")[0], last)
    ]


def circle(arrows):
    """Modules that import each other in a circle; empty if there is none."""
    try:
        TopologicalSorter({name: set(targets) for name, targets in arrows.items()}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_import_looks_back():
    assert against_the_flow(imports(ROOT)) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle(imports(ROOT)) == []


def test_imports_are_found_at_all():
    arrows = imports(ROOT)
    assert "body.skeleton" in arrows["motion.motion"]
    assert "commands.train" in arrows["__main__"]
    assert "lifting.prediction" in arrows["commands.view"]  # from a package


def test_only_the_way_in_stands_at_the_root():
    assert {path.stem for path in ROOT.glob("*.py")} == AT_THE_ROOT


def test_every_folder_with_code_has_its_place_and_says_what_is_in_it():
    assert {path.parent.name for path in ROOT.glob("*/*.py")} == set(ORDER)
    for folder in ORDER:
        assert ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))


def test_tests_stand_in_folders_of_the_same_names():
    here = Path(__file__).parent
    assert {path.parent.name for path in here.glob("*/test_*.py")} <= set(ORDER)


@pytest.fixture
def tree(tmp_path):
    """A small package in order, to be spoiled."""
    for name, text in {
        "__init__": "",
        "__main__": "from house.late.roof import top",
        "early/__init__": "",
        "early/cellar": "import numpy",
        "early/stairs": "from house.early import cellar",
        "late/__init__": "",
        "late/roof": "from house.early.stairs import step",
    }.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_tree_in_order_passes(tree):
    arrows = imports(tree, "house")
    assert arrows["late.roof"] == {"early.stairs": 1}
    assert against_the_flow(arrows, ("early", "late")) == []
    assert circle(arrows) == []


@pytest.mark.parametrize(
    "text",
    [
        "from house.late.roof import top",
        "from house.late import roof",
        "import house.late.roof",
        "from ..late import roof",
        "from ..late.roof import top",
        "def build():\n    from house.late.roof import top",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.late.roof import top",
    ],
)
def test_an_arrow_against_the_flow_is_found(tree, text):
    (tree / "early/cellar.py").write_text(text)
    arrows = imports(tree, "house")
    [found] = against_the_flow(arrows, ("early", "late"))
    assert found.startswith("early.cellar, line ")
    assert found.endswith("imports late.roof")
    assert set(circle(arrows)) == {"early.cellar", "early.stairs", "late.roof"}


def test_a_circle_within_a_folder_is_found(tree):
    (tree / "early/cellar.py").write_text("def up():\n    from house.early import stairs")
    arrows = imports(tree, "house")
    assert against_the_flow(arrows, ("early", "late")) == []
    assert set(circle(arrows)) == {"early.cellar", "early.stairs"}


def test_a_folder_without_a_place_is_found(tree):
    arrows = imports(tree, "house")
    assert against_the_flow(arrows, ("late",)) == ["late.roof, line 1, imports early.stairs"]
