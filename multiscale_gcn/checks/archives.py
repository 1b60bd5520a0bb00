"""Npz files without pickles, whose entries take no more memory than what is stored of them."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from multiscale_gcn.checks.npy import Header, check_shape, read_array, read_header

MOST_COMPRESSED = 1100
"""No array can be so many times as large as what deflate stores of it."""


def write(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    """Write the arrays, compressed.

    Raises
    ------
    ValueError
        If one of them holds objects, which would be pickled.
    """
    held = {name: np.asanyarray(array) for name, array in arrays.items()}
    for name, array in held.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} holds objects, which are not pickled; give numbers or text")
    np.savez_compressed(file, **held)  # an older NumPy takes allow_pickle for one more array


def names_in(archive: zipfile.ZipFile) -> list[str]:
    """Names of the entries.

    Raises
    ------
    ValueError
        If two entries have one name.
    """
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"it holds {twice[0]!r} twice")
    return names


@dataclass(frozen=True)
class Entry:
    """An array that is open for reading, behind its header."""

    name: str
    header: Header
    size: int
    """Bytes that follow the header."""
    file: IO[bytes]

    def array(self) -> np.ndarray:
        """Its contents.

        Raises
        ------
        ValueError
            If it is pickled, or longer or shorter than it says.
        """
        array = read_array(self.file, self.header, self.size, self.name)
        self.check_end()
        return array

    def check_end(self) -> None:
        """Refuse what goes on; there zipfile compares the entry's checksum."""
        if self.file.read(1):
            raise ValueError(f"{self.name} goes on after its end")


@contextmanager
def opened(archive: zipfile.ZipFile, name: str, most: float = float("inf")) -> Iterator[Entry]:
    """An entry, which may have ``most`` bytes.

    Raises
    ------
    KeyError
        If there is none of this name.
    ValueError
        If it is no array, or claims more than what is stored of it can hold.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > min(most, MOST_COMPRESSED * info.compress_size + (1 << 10)):
        raise ValueError(f"{name} claims {info.file_size} bytes and holds {info.compress_size}")
    with archive.open(info) as file:
        header = read_header(file)
        entry = Entry(name, header, info.file_size - file.tell(), file)
        if not header.dtype.hasobject:
            check_shape(header.shape, header.dtype, entry.size, name)
        yield entry
