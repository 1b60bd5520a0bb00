"""Read and write npz files, without trust in pickles or sizes, with errors that say what is wrong.

An archive is looked at only where an array is wanted.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.unpickling import unpickle
from examples.hgn_pose.files.writing import write_bytes
from multiscale_gcn.checks import archives

Result = TypeVar("Result")

REMEDY = "give a whole npz file, as numpy.savez writes it"


def names_in(path: Path) -> list[str]:
    """Names of the entries of an npz file.

    Raises
    ------
    ValueError
        If the file is missing, damaged or no npz file.
    """
    return _opened(path, archives.names_in)


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of an npz file.

    Raises
    ------
    ValueError
        If the file is missing, damaged or no npz file, lacks an array, or holds a pickled one.
    """
    return _opened(path, lambda archive: _entries(archive, names, pickled=False))


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
    return _opened(path, lambda archive: _entries(archive, names, pickled=True))


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
    archives.write(buffer, arrays)
    write_bytes(path, buffer.getvalue())


def _opened(path: Path, read: Callable[[zipfile.ZipFile], Result]) -> Result:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with reading(path, REMEDY), path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no npz file, or cut off")
        with zipfile.ZipFile(file) as archive:
            return read(archive)


def _entries(archive: zipfile.ZipFile, names: Iterable[str], *, pickled: bool) -> dict[str, Any]:
    stored = archives.names_in(archive)
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise ValueError(f"it has no array {missing[0]!r}; it has {', '.join(stored)}")
    return {name: _entry(archive, name, pickled) for name in wanted}


def _entry(archive: zipfile.ZipFile, name: str, pickled: bool) -> Any:
    with archives.opened(archive, name) as entry:
        if not (pickled and entry.header.dtype.hasobject):
            return entry.array()
        value = unpickle(entry.file, name)
        entry.check_end()
        return value.item() if isinstance(value, np.ndarray) and not value.ndim else value
