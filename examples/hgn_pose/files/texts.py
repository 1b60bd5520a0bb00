"""Read text and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from examples.hgn_pose.files.reading import reading


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte-order mark; its line ends are kept.

    Raises
    ------
    ValueError
        If there is no such file, or it is no such text.
    """
    _check_there(path)
    with reading(path, "save it as text in UTF-8"):
        return path.read_bytes().decode("utf-8-sig")


def read_json(path: Path) -> Any:
    """What a JSON file holds, in UTF-8, UTF-16 or UTF-32.

    Raises
    ------
    ValueError
        If there is no such file, or it is no JSON.
    """
    _check_there(path)
    with reading(path, "give a whole JSON file"):
        content = path.read_bytes()
        try:
            return json.loads(content)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"it is no JSON: {error}") from None


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give the path of one")
