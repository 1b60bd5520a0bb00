"""The example's data flow one way: its folders stand in a row, and imports only look back."""

import ast
from pathlib import Path

from house import against_the_flow, circle

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
    "tables",
    "lifting",
    "commands",
    "bake",
)
"""The folders with code. What stands in one may import from it and from those before it."""

AT_THE_ROOT = {"__init__", "__main__"}


def test_every_import_looks_back():
    assert against_the_flow(ROOT, PACKAGE, ORDER) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle(ROOT, PACKAGE) == []


def test_only_the_way_in_stands_at_the_root():
    assert {path.stem for path in ROOT.glob("*.py")} == AT_THE_ROOT


def test_every_folder_with_code_has_its_place_and_says_what_is_in_it():
    assert {path.parent.name for path in ROOT.glob("*/*.py")} == set(ORDER)
    for folder in ORDER:
        assert ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))


def test_bars_are_for_those_who_sit_before_a_terminal():
    """Elsewhere, as in a notebook or a log, a bar is a line for each of its steps."""
    for path in ROOT.rglob("*.py"):
        if "from tqdm" not in (text := path.read_text()):
            continue
        assert "from tqdm.auto import tqdm\n" in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tqdm":
                named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert named.get("disable", "").startswith("None"), path


def test_tests_stand_in_folders_of_the_same_names():
    here = Path(__file__).parent
    assert {path.parent.name for path in here.glob("*/test_*.py")} <= set(ORDER)
