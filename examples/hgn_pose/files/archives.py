"""Read and write npz files, without trust in pickles and with errors that say what is wrong."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.files.unpickling import unpickle
from examples.hgn_pose.files.writing import write_bytes


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


def read_objects(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """The named entries of an npz file that may hold pickled ones, such as dicts of arrays.

    Returns
    -------
    dict
        An array for each name; for an object array without axes the object itself. Pickles are
        read by :func:`examples.hgn_pose.files.unpickling.unpickle`, which calls none of their code.

    Raises
    ------
    ValueError
        If the file is missing, damaged or no npz file, lacks an entry, or a pickle holds anything
        but plain data.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no npz file, or cut off")
    try:
        with zipfile.ZipFile(path) as archive:
            stored = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [name for name in names if name not in stored]
            if missing:
                raise ValueError(f"it has no array {missing[0]!r}; it has {', '.join(stored)}")
            return {name: _entry(archive, name) for name in names}
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


def _entry(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            _, _, dtype = np.lib.format.read_array_header_1_0(file)
            if dtype.hasobject:
                value = unpickle(file, name)
                file.read(1)  # the end of the entry, where zipfile compares its checksum
                return value.item() if isinstance(value, np.ndarray) and not value.ndim else value
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
