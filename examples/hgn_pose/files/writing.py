"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from multiscale_gcn.checks.writing import whole_file


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
    """Write a whole file or none, see :func:`multiscale_gcn.checks.writing.whole_file`.

    The folder is made if need be.

    Raises
    ------
    ValueError
        When there can be no such folder.
    OSError
        Naming the path, when it cannot be written; a file that stood there before is as it was.
    """
    make_folder(path.parent)
    with whole_file(path) as file:
        file.write(data)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all; NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False)
    write_bytes(path, (text + "\n").encode())
