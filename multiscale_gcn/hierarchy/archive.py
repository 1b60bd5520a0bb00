"""Arrays in one ``.npz`` file with a checksum of all it holds; nothing in it is ever executed."""

from __future__ import annotations

import errno
import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.checks.archives import names_in, opened, write
from multiscale_gcn.checks.writing import whole_file

HEADER, CHECKSUM = "header", "checksum"
LARGEST_HEADER = 1 << 20
"""Bytes; no header that is written here has more."""
OF_CONTENT = (None, errno.EINVAL)
"""Numbers of the system's errors that come of what a file holds: bzip2's have none, and an entry
may claim to begin before the file."""


def write_arrays(
    path: str | PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write the arrays and a header of JSON, all or nothing."""
    text = json.dumps({**header, CHECKSUM: checksum(header, arrays)})
    with whole_file(path) as file:
        write(file, {HEADER: np.frombuffer(text.encode(), dtype=np.uint8), **arrays})


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
            with opened(archive, HEADER, LARGEST_HEADER) as entry:
                header = json.loads(entry.array().tobytes())
            if not isinstance(header, dict):
                raise ValueError(f"its header is a {type(header).__name__}, not an object")
            arrays = {}
            for name in names_in(archive):
                if name != HEADER and wanted(name):
                    with opened(archive, name) as entry:
                        arrays[name] = entry.array()
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
