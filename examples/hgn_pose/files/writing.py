"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def make_folder(path: Path) -> None:
    """Make a folder for results, before the work that they take.

    Raises
    ------
    ValueError
        When there can be no such folder, or when nothing can be written into it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"results cannot be written to the folder {path}: {error.strerror}; give another --out"
        ) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write beside ``path`` under a temporary name and rename; make the folder if need be.

    Raises
    ------
    ValueError
        When ``path`` is a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder, and a file of this name is to be written")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all; NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False)
    write_bytes(path, (text + "\n").encode())
