"""The notebook's two forms; ``make notebook`` runs its cells."""

from pathlib import Path

import jupytext
import pytest

import examples.hgn_pose

FOLDER = Path(examples.hgn_pose.__file__).parent


@pytest.fixture(scope="module")
def notebook():
    return jupytext.read(FOLDER / "hgn.ipynb")


def test_both_forms_say_the_same(notebook):
    text = jupytext.read(FOLDER / "hgn.md")
    forms = [
        [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in form.cells]
        for form in (notebook, text)
    ]
    assert forms[0] == forms[1], "run: jupytext --sync examples/hgn_pose/hgn.md"


def test_it_holds_no_results(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_it_begins_with_one_line_that_installs(notebook):
    installing = [cell for cell in notebook.cells if "pip install" in cell.source]
    [cell] = installing
    assert cell.source.count("\n") == 0
    assert cell.metadata.tags == ["skip-execution"]
    assert notebook.cells.index(cell) == 1
