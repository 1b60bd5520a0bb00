"""The map of the house in CONTRIBUTING is that of the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("multiscale_gcn", "examples/hgn_pose", "tests", "docs", "benchmarks")


def mapped(text: str, room: str) -> list[str]:
    """What the first column of a room's table names: folders by a slash, and modules."""
    section = text.split(f"### `{room}`\n")[1].split("\n#")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([\w./]+)`", cell)]


def standing(room: Path) -> set[str]:
    """Its folders; of the library, whose modules are few, these too."""
    folders = {
        f"{path.name}/" for path in room.iterdir() if path.is_dir() and path.name[0] not in "._"
    }
    modules = (
        {path.name for path in room.glob("[!_]*.py")} if room.name == "multiscale_gcn" else set()
    )
    return folders | modules


@pytest.mark.parametrize("room", ROOMS)
def test_the_map_has_what_stands_there_and_nothing_else(room: str) -> None:
    named = mapped((ROOT / "CONTRIBUTING.md").read_text(), room)
    assert len(named) == len(set(named))
    assert set(named) == standing(ROOT / room)


def test_a_folder_that_is_missing_from_the_map_is_seen(tmp_path: Path) -> None:
    (tmp_path / "multiscale_gcn" / "cellar").mkdir(parents=True)
    (tmp_path / "multiscale_gcn" / "__pycache__").mkdir()
    (tmp_path / "multiscale_gcn" / "roof.py").touch()
    assert standing(tmp_path / "multiscale_gcn") == {"cellar/", "roof.py"}
    table = "### `house`\n\n| where | what |\n| --- | --- |\n| `a/`, `b.py` | x `c/` |\n\n"
    assert mapped(table + "### `next`\n| `d/` | y |\n", "house") == ["a/", "b.py"]
