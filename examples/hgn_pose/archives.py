"""Read and write npz files, without pickles and with errors that say what is wrong."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.files import write_bytes


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of an npz file.

    Raises
    ------
    ValueError
        If the file is missing, damaged or no npz file, lacks an array, or holds a pickled one.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is no npz file, or cut off")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as stored:
                missing = [name for name in names if name not in stored.files]
                if missing:
                    raise ValueError(f"it has no array {missing[0]!r}")
                return {name: stored[name] for name in names}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} cannot be used: {error}") from error


def read_shipped_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of a file that comes with the example.

    Raises
    ------
    ValueError
        As :func:`read_npz`, and with the word that the file stands in every clone.
    """
    try:
        return read_npz(path, names)
    except ValueError as error:
        raise ValueError(
            f"{error}; it comes with the example: run the command from a clone of the repository"
        ) from error


def write_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays compressed, whole or not at all; make the folder if need be."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())
