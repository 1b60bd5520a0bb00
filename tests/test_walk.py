"""What docs/ten_minutes.sh takes from the pages, and that it can be done."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
WALKS = ("mesh", "csv", "pyg", "keypoints")


@pytest.fixture(scope="module")
def walk() -> ModuleType:
    spec = importlib.util.spec_from_file_location("walk", ROOT / "docs" / "walk.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["walk"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = """# A page

<!-- walk a: install it -->

```console
pip install this
```

```console
nobody takes this
```

1. In a list

   <!-- walk a: data.csv -->

   ```text
   x,y
     1,2
   ```

<!-- walk b: another walk -->
```{doctest}
>>> 1
1
```

<!-- walk a: it runs -->

```{testcode}
print("so")
```

```{testoutput}
so
```
"""


def test_blocks_are_those_under_the_comments_of_a_walk(walk) -> None:
    console, file, python = walk.blocks(PAGE, "a")
    assert console == walk.Block("console", "install it", "pip install this\n")
    assert file == walk.Block("text", "data.csv", "x,y\n  1,2\n")
    assert python == walk.Block("{testcode}", "it runs", 'print("so")\n', "so\n")
    assert [block.does for block in walk.blocks(PAGE, "b")] == ["another walk"]
    with pytest.raises(ValueError, match="nobody can do mermaid"):
        walk.blocks("<!-- walk a: draw -->\n```mermaid\nx\n```\n", "a")


def test_blocks_of_python_are_one_session(walk, capsys) -> None:
    block = walk.Block
    walk.play(
        [
            block("python", "one", "x = 3\n"),
            block("{doctest}", "two", ">>> x += 1\n>>> x\n4\n"),
            block("{testcode}", "three", "print(x)\n", "4\n"),
        ]
    )
    told = capsys.readouterr().out
    assert [line.split()[-1] for line in told.splitlines()] == ["one", "two", "4", "three"]


@pytest.mark.parametrize(
    ("language", "text", "prints"),
    [("{doctest}", ">>> 1 + 1\n3\n", None), ("{testcode}", "print(2)\n", "3\n")],
)
def test_what_prints_something_else_than_the_page_says_ends_the_walk(
    walk, language, text, prints
) -> None:
    with pytest.raises(AssertionError):
        walk.play([walk.Block(language, "wrong", text, prints)])


@pytest.mark.parametrize("name", WALKS)
def test_every_walk_begins_with_an_installation_and_goes_on(walk, name) -> None:
    steps = walk.steps(name)
    assert "pip install" in steps[0].blocks[0].text
    assert len(steps) > 1
    marked = (ROOT / "docs" / walk.PAGES[name]).read_text().count(f"<!-- walk {name}: ")
    assert marked == sum(len(step.blocks) for step in steps)


def test_the_walks_are_those_of_the_script(walk) -> None:
    assert tuple(walk.PAGES) == WALKS
    text = (ROOT / "docs" / "ten_minutes.sh").read_text()
    assert f"walks=({' '.join(WALKS)})" in text
    subprocess.run(["bash", "-n", ROOT / "docs" / "ten_minutes.sh"], check=True)


def test_the_table_of_roads_is_walked(walk, tmp_path) -> None:
    """In this environment, so without the installation."""
    pytest.importorskip("pandas", reason="optional: tables")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    programs = Path(sys.executable).parent
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    for step in walk.steps("csv")[1:]:
        (block,) = step.blocks
        if step.kind == "file":
            (tmp_path / block.does).write_text(block.text)
        elif step.kind == "console":
            command = block.text.replace("multiscale-gcn", "python -m multiscale_gcn")
            subprocess.run(
                ["bash", "-e"], input=command.encode(), cwd=tmp_path, env=environment, check=True
            )
        else:
            walk.play(step.blocks)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"roads.csv", "roads.npz", "clusters.csv", "roads.png"}
