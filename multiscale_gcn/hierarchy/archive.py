"""Arrays in one ``.npz`` file with a checksum of all it holds; nothing in it is ever executed."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.checks.writing import whole_file

HEADER, CHECKSUM = "header", "checksum"
LARGEST_HEADER = 1 << 20
"""Bytes; no header that is written here has more."""
OF_CONTENT = (None, errno.EINVAL)
"""Numbers of the system's errors that come of what a file holds: bzip2's have none, and an entry
may claim to begin before the file."""
MOST_COMPRESSED = 1100
"""No array can be so many times as large as what is stored of it."""


def write_arrays(
    path: str | PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write the arrays and a header of JSON, all or nothing."""
    text = json.dumps({**header, CHECKSUM: checksum(header, arrays)})
    with whole_file(path) as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            **{HEADER: np.frombuffer(text.encode(), dtype=np.uint8)},
            **arrays,
        )


def read_arrays(
    path: str | PathLike[str], wanted: Callable[[str], bool]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header, and those of the arrays that are wanted; others are not looked at.

    No more memory is taken than the file can account for.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no archive, or one of its entries is no array.
    """
    try:
        with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            text = _array(archive, archive.getinfo(f"{HEADER}.npy"), LARGEST_HEADER).tobytes()
            header = json.loads(text)
            if not isinstance(header, dict):
                raise ValueError(f"its header is a {type(header).__name__}, not an object")
            arrays = {
                name: _array(archive, info, MOST_COMPRESSED * info.compress_size + (1 << 10))
                for info in archive.infolist()
                if (name := info.filename.removesuffix(".npy")) != HEADER and wanted(name)
            }
    except Exception as error:  # whatever zipfile, zlib, bz2, NumPy and json say of foreign bytes
        if isinstance(error, OSError) and error.errno not in OF_CONTENT:
            raise
        raise ValueError(str(error) or type(error).__name__) from error
    return header, arrays


def checksum(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the header and of every array with its name, type and shape, as 64 hex digits."""
    digest = hashlib.sha256()
    rest = {key: value for key, value in header.items() if key != CHECKSUM}
    parts = [json.dumps(rest, sort_keys=True).encode()]
    for name, array in sorted(arrays.items()):
        parts.append(f"{name} {array.dtype.str} {array.shape}".encode())
        parts.append(np.ascontiguousarray(array).tobytes())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> np.ndarray:
    if info.file_size > most:
        raise ValueError(f"{info.filename} claims {info.file_size} bytes")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != info.file_size - file.tell():
            raise ValueError(f"{info.filename} is no array of {shape} {dtype}")
    with archive.open(info) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array
