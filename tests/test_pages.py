"""What the pages say can be done: every block runs as copied, every command has its options.

``make docs`` runs the blocks ``{doctest}`` and ``{testcode}``, each page from its beginning in an
empty folder. Here it is seen that there are no others, that nothing is hidden which they need, and
that the commands of ``console`` blocks and of the text are understood by their own parsers.
"""

from __future__ import annotations

import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import patch

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(
        page
        for page in (ROOT / "docs").rglob("*.md")
        if not {"_build", "generated", "gallery"} & set(page.relative_to(ROOT).parts)
    ),
]
RUN = {"{doctest}", "{testcode}"}
WITHOUT = {"no_gpu", "no_ray", "no_spark"}
MOST_SKIPPED = 12
RUN_ELSEWHERE = {
    "README.md": "test_package.py",
    "docs/extending/data-set.md": "hgn_pose/datasets/test_adding_a_data_set.py",
}
"""Pages whose ``python`` blocks another test runs."""


class Block(NamedTuple):
    """A block between fences: what stands behind them, the options and the text between them."""

    language: str
    options: dict[str, str]
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page."""
    for match in re.finditer(r"^(`{3,})(\S+).*\n([\s\S]*?)^\1$", page, re.MULTILINE):
        options = re.match(r"(?::\w+:.*\n)*", match[3])
        assert options is not None
        named = dict(re.findall(r"^:(\w+): *(.*)$", options[0], re.MULTILINE))
        yield Block(match[2], named, match[3][options.end() :])


def commands(page: str) -> Iterator[list[str]]:
    """The words of each command of a ``console`` block, and of those between backticks."""
    for block in blocks(page):
        if block.language in ("console", "bash", "shell", "sh"):
            prompted = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
            text = "\n".join(prompted) or block.text
            for line in text.replace("\\\n", " ").splitlines():
                yield from pipeline(line)
    prose = re.sub(r"^(`{3,})(\S+).*\n([\s\S]*?)^\1$", "", page, flags=re.MULTILINE)
    for quoted in re.findall(r"`([^`\n]+)`", prose):
        if re.match(r"(\w+=\S+ )*(python -m|torchrun|multiscale-gcn|make) \S", quoted):
            yield from pipeline(quoted)


def pipeline(line: str) -> Iterator[list[str]]:
    """The words of each command of a line, without variables before it and files behind it."""
    for part in re.split(r" \| | && ", line.split(" > ")[0]):
        words = shlex.split(part, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words = words[1:]
        if words:
            yield words


def check_command(words: list[str]) -> None:
    """Raise or exit where a command of ours does not understand its words."""
    program, *rest = words
    if program == "multiscale-gcn":
        return parsed("multiscale_gcn", rest)
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in rest if "=" not in word} <= set(targets), words
    elif "install" in words and program.endswith(("pip", "python")):
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())
        extras = re.findall(r"[\w.-]\[([\w,]+)\]", " ".join(words))
        named = {extra for group in extras for extra in group.split(",")}
        assert named <= set(known["project"]["optional-dependencies"]), words
        for group in re.findall(r"--group (\S+)", " ".join(words)):
            assert group in known["dependency-groups"], words
    elif "-m" in words:
        module, *arguments = words[words.index("-m") + 1 :]
        if module in ("multiscale_gcn", "examples.hgn_pose", "examples.mesh_flow"):
            return parsed(module, arguments)
        assert find_spec(module) is not None, words
        if module.startswith(("benchmarks", "examples")):
            source = Path(str(getattr(find_spec(module), "origin", ""))).read_text()
            for option in (word for word in arguments if word.startswith("--")):
                name = option.removeprefix("--")
                name = name if f'"--{name}"' in source else name.removeprefix("no-")
                assert {f'"--{name}"', f"{name.replace('-', '_')}:"} & set(
                    re.findall(r'"--[\w-]+"|\b\w+:', source)
                ), words
    return None


def parsed(module: str, arguments: list[str]) -> None:
    """Ask the parser of one of our command lines, unless it is only named."""
    if not arguments:
        return
    tyro = pytest.importorskip("tyro", reason="optional: the command lines")
    if module == "multiscale_gcn":
        from multiscale_gcn.__main__ import command_line

        root = command_line()
    elif module == "examples.hgn_pose":
        from examples.hgn_pose.__main__ import command_line as of_poses
        from examples.hgn_pose.training.recipes import recipe_of

        root = of_poses(recipe_of(arguments))
    else:
        pytest.importorskip("skfem", reason="optional: examples/mesh_flow")
        from examples.mesh_flow.__main__ import Compare

        root = Compare
    try:
        tyro.cli(root, args=arguments, prog=module)
    except SystemExit as left:
        if left.code != 0:  # 0 is that of --help
            raise


def of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_every_block_of_python_runs_as_copied(page: Path) -> None:
    for block in blocks(page.read_text()):
        if block.language in ("python", "py", "pycon", "ipython"):
            assert of(page) in RUN_ELSEWHERE, f"make it {{testcode}}, so that it runs: {block.text}"
        hidden = block.language in ("{testsetup}", "{testcleanup}") or (
            block.language in RUN and "hide" in block.options
        )
        # The pages on adding a part show the files of one, and try them unseen.
        assert not hidden or of(page).startswith("docs/extending/"), f"readers lack: {block.text}"
        assert block.options.get("skipif", "no_gpu") in WITHOUT


def test_few_blocks_are_skipped_anywhere() -> None:
    skipped = [
        of(page)
        for page in PAGES
        for block in blocks(page.read_text())
        if "skipif" in block.options
    ]
    assert len(skipped) <= MOST_SKIPPED, skipped


@pytest.mark.parametrize(("page", "test"), RUN_ELSEWHERE.items())
def test_pages_that_another_test_runs_are_named_there(page: str, test: str) -> None:
    assert Path(page).name in (ROOT / "tests" / test).read_text()


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_every_command_is_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The page on adding a data set adds one of that name.
    for words in commands(page.read_text().replace("--data lab", "--data cmu17")):
        check_command(words)


def test_what_a_page_would_load_from_elsewhere_is_seen() -> None:
    pytest.importorskip("sphinx", reason="the site is built by Sphinx")
    offline = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "offline.py")))
    app = SimpleNamespace()
    context = {
        "body": '<script src="https://cdn.example/mathjax/3/tex-svg.js"></script>'
        '<script charset="utf-8" src="https://cdn.example/plotly.js"></script>'
        '<img alt="" src="_images/a.png"><a href="https://example.org">there</a>'
    }
    with patch.object(offline.logger, "warning") as warned:
        offline.stay_home(app, "page", "page.html", context, None)
    assert [call.args[1:] for call in warned.call_args_list] == [
        ("page", "https://cdn.example/plotly.js")
    ]
    assert "mathjax" not in context["body"]


PAGE = """
```{testcode}
:skipif: no_gpu

x = 1
```

````console
$ a=1 multiscale-gcn coarsen a.csv \\
    --sizes 4 > b | python -m pytest
printed
````

Say `make docs` or `python`.
"""


def test_blocks_and_commands_are_found() -> None:
    first, second = blocks(PAGE)
    assert first == ("{testcode}", {"skipif": "no_gpu"}, "\nx = 1\n")
    assert (second.language, second.options) == ("console", {})


def test_commands_are_found_and_taken_apart() -> None:
    page = PAGE.replace("$ a=1", "a=1").replace("printed\n", "")
    found = list(commands(page))
    assert found == [["multiscale-gcn", "coarsen", "a.csv", "--sizes", "4"], ["make", "docs"]]


@pytest.mark.parametrize(
    "wrong",
    [
        "multiscale-gcn coarsen a.csv --size-of 3",
        "python -m examples.hgn_pose trian",
        "python -m benchmarks.coarsening.out_of_core step --edge 3",
        "python -m benchmarks.nowhere",
        "make tea",
        "pip install '.[everything]'",
    ],
)
def test_a_command_that_does_not_exist_is_seen(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        check_command(shlex.split(wrong))
