"""The blocks of the pages that a stranger with a file of his own follows, as `ten_minutes.sh` does.

A comment above a block says which walk it belongs to, and what the step does::

    <!-- walk csv: install it -->

    ```console
    pip install '.[cli]'
    ```

`python docs/walk.py list csv` prints the steps of a walk, `show csv 0` the commands of one, and
`play csv 3` runs Python, all blocks that stand together, as if they were typed. Needs no packages.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PAGES = {
    "mesh": "mesh-network.md",
    "csv": "command-line.md",
    "pyg": "pyg.md",
    "keypoints": "predict.md",
}
"""The page of each walk."""
KINDS = {"console": "console", "text": "file"} | dict.fromkeys(
    ("{doctest}", "{testcode}", "python"), "python"
)
"""What is done with a block of a language."""

_BLOCK = re.compile(
    r"^(?:(?P<indent> *)<!-- walk (?P<walk>\w+): (?P<does>.+?) -->\n\s*?\n?)?"
    r"^(?P<margin> *)```(?P<language>\S+)[^\n]*\n(?P<body>.*?)^(?P=margin)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, what it does, its text, and what it must print."""

    language: str
    does: str
    text: str
    prints: str | None = None


@dataclass
class Step:
    """What is done in one go: a console block, a file, or all of Python that stands together."""

    kind: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def does(self) -> str:
        return "; ".join(block.does for block in self.blocks)


def blocks(page: str, walk: str) -> list[Block]:
    """The blocks of a walk in the text of a page, in their order."""
    found: list[Block] = []
    before = False
    for match in _BLOCK.finditer(page):
        lines = match["body"].splitlines()
        text = "\n".join(line.removeprefix(match["margin"]) for line in lines) + "\n"
        if before and match["language"] == "{testoutput}":
            last = found.pop()
            found.append(Block(last.language, last.does, last.text, text))
        before = match["walk"] == walk
        if before:
            if match["language"] not in KINDS:
                raise ValueError(f"walk {walk}, {match['does']}: nobody can do {match['language']}")
            found.append(Block(match["language"], match["does"], text))
    return found


def steps(walk: str) -> list[Step]:
    """The steps of a walk."""
    made: list[Step] = []
    for block in blocks((DOCS / PAGES[walk]).read_text(), walk):
        kind = KINDS[block.language]
        if not (made and kind == made[-1].kind == "python"):
            made.append(Step(kind))
        made[-1].blocks.append(block)
    return made


def play(blocks: list[Block]) -> None:
    """Type the blocks into one session, and print how long each took.

    Raises
    ------
    AssertionError
        If one does not print what the page says.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        begin, worked = time.perf_counter(), time.process_time()
        if block.language == "{doctest}":
            _type(block, names)
        else:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(block.text, block.does, "exec"), names)
            print(printed.getvalue(), end="")
            if block.prints is not None and printed.getvalue().split() != block.prints.split():
                raise AssertionError(f"{block.does}: the page says\n{block.prints}")
        took, worked = time.perf_counter() - begin, time.process_time() - worked
        print(f"{took:7.1f} s  ({worked:.1f} s of a processor)  {block.does}", flush=True)


def _type(block: Block, names: dict[str, Any]) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    test = doctest.DocTestParser().get_doctest(block.text, names, block.does, None, 0)
    test.globs = names  # it takes a copy
    runner.run(test, out=told.append, clear_globs=False)
    if told:
        raise AssertionError("".join(told))


def main(arguments: list[str]) -> None:
    what, walk = arguments[:2]
    found = steps(walk)
    if what == "list":
        for number, step in enumerate(found):
            print(number, step.kind, step.does)
        return
    step = found[int(arguments[2])]
    if what == "show":
        print(step.blocks[0].text, end="")
    else:
        play(step.blocks)


if __name__ == "__main__":
    main(sys.argv[1:])
