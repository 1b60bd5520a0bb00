"""The scripts of the gallery have the form that their pages are made from; the docs run them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
SCRIPTS = [path for path in sorted(GALLERY.rglob("*.py")) if "generated" not in path.parts]


def faults(name: str, source: str) -> list[str]:
    """What keeps a script from being a page with a title, a sentence under it, and blocks."""
    found = []
    if not name.startswith("plot_"):
        found.append("only plot_*.py is run")
    title, line, *rest = [*(ast.get_docstring(ast.parse(source)) or "").split("\n"), "", ""][:4]
    if not title or line != "=" * len(title):
        found.append("no title with a line of = as long below it")
    if not "".join(rest).strip():
        found.append("no sentence below the title")
    if "\n# %%\n" not in source:
        found.append("no block of prose")
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_has_the_form_of_a_page(path: Path) -> None:
    assert not faults(path.name, path.read_text())
    assert list(path.parent.glob("GALLERY_HEADER.rst")), "its section has no heading"


def test_names_are_unique_as_they_are_modules_of_no_package() -> None:
    names = [path.name for path in SCRIPTS]
    assert len(names) == len(set(names)) >= 8


def test_a_script_without_form_is_seen() -> None:
    good = '"""\nTitle\n=====\n\nA sentence.\n"""\n\n# %%\n# Prose.\nx = 1\n'
    assert faults("plot_x.py", good) == []
    assert len(faults("x.py", good)) == 1
    assert len(faults("plot_x.py", good.replace("=====", "==="))) == 1
    assert len(faults("plot_x.py", good.replace("A sentence.\n", ""))) == 1
    assert len(faults("plot_x.py", good.replace("# %%", "#"))) == 1
    assert len(faults("x.py", "x = 1")) == 4
