"""Arrays in files: written piece by piece, or of a known length, and mapped into memory."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import DTypeLike

from multiscale_gcn.checks.npy import read_header

MAGIC = b"\x93NUMPY\x01\x00"
CHUNK = 1 << 20
"""Entries that are read together."""
HEADER_BYTES = 128
"""Of the magic, its length and the description together."""


class ArrayWriter:
    """An array of one axis whose length is known when all of it is written.

    Parameters
    ----------
    path : Path
        Of an ``.npy`` file.
    dtype
        Of the array.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.length = 0
        self._digest = hashlib.sha256(self.dtype.str.encode())
        self._file = path.open("wb", buffering=0)
        _write_header(self._file, self.dtype, 0)

    def append(self, values: np.ndarray) -> None:
        """Write what comes next."""
        rest = np.ascontiguousarray(values, self.dtype).data.cast("B")
        self._digest.update(rest)
        while len(rest):
            rest = rest[self._file.write(rest) :]
        self.length += len(values)

    @property
    def digest(self) -> str:
        """What :func:`digest` says of the array so far."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Say how long the array is; once more, and nothing happens."""
        if not self._file.closed:
            _write_header(self._file, self.dtype, self.length)
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        self._file.close()


def digest(array: np.ndarray) -> str:
    """SHA-256 of the type and of the entries, as 64 hex digits."""
    found = hashlib.sha256(array.dtype.str.encode())
    for begin in range(0, len(array), CHUNK):
        found.update(array[begin : begin + CHUNK].data)
        if begin % (CHUNK * 64) == 0:
            release(array)
    return found.hexdigest()


def allocated(path: Path, dtype: DTypeLike, length: int) -> np.ndarray:
    """A new array of zeros in a file, mapped for reading and writing.

    The disk has room for all of it from now on: where a mapped page finds none, the system would
    end the process.

    Raises
    ------
    OSError
        If there is no room.
    """
    dtype = np.dtype(dtype)
    with path.open("w+b") as file:
        size = _write_header(file, dtype, length) + length * dtype.itemsize
        file.flush()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
    return writable(path)


def writable(path: Path) -> np.ndarray:
    """An array in a file, mapped for reading and writing."""
    return _mapped(path, mmap.ACCESS_WRITE)


def mapped(path: Path) -> np.ndarray:
    """An array in a file, mapped for reading."""
    return _mapped(path, mmap.ACCESS_READ)


def readable(path: Path, dtypes: Iterable[DTypeLike], length: int) -> np.ndarray:
    """An array in a file, mapped for reading; nothing is read but its header.

    Raises
    ------
    ValueError
        If it has another type or length, or the file another number of bytes.
    OSError
        If there is no such file, or it cannot be read.
    """
    array = _mapped(path, mmap.ACCESS_READ)
    if array.dtype not in [np.dtype(dtype) for dtype in dtypes] or len(array) != length:
        raise ValueError(
            f"{path} holds {len(array)} of {array.dtype}, and its level has {length} of "
            f"{' or '.join(str(np.dtype(dtype)) for dtype in dtypes)}"
        )
    return array


def release(*arrays: np.ndarray) -> None:
    """Take the pages of mapped arrays out of this process; they are read again when needed.

    Of arrays that are no files' nothing happens.
    """
    for array in arrays:
        pages = pages_of(array)
        if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)


def pages_of(array: np.ndarray) -> mmap.mmap | None:
    """What a mapped array stands on; None for others."""
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.obj if isinstance(base, memoryview) else base.base
    return base if isinstance(base, mmap.mmap) else None


def _mapped(path: Path, access: int) -> np.ndarray:
    with path.open("rb" if access == mmap.ACCESS_READ else "r+b") as file:
        try:
            header = read_header(file)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        offset = file.tell()
        size = os.fstat(file.fileno()).st_size
        if (
            len(header.shape) != 1
            or header.dtype.hasobject
            or size != offset + header.shape[0] * header.dtype.itemsize
        ):
            raise ValueError(f"{path} has {size} bytes, and is no array of {header.shape}")
        pages = mmap.mmap(file.fileno(), 0, access=access)
    return np.frombuffer(pages, header.dtype, header.shape[0], offset)


def _write_header(file: IO[bytes], dtype: np.dtype, length: int) -> int:
    """Write it at the beginning, in as many bytes for every length; returns how many."""
    text = repr({"descr": dtype.str, "fortran_order": False, "shape": (length,)})
    content = (
        MAGIC + (HEADER_BYTES - 10).to_bytes(2, "little") + text.ljust(HEADER_BYTES - 11).encode()
    )
    file.seek(0)
    return file.write(content + b"\n")
