"""Packed files: those of text are unpacked while they are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path

UNPACKED_BY = {
    ".7z": "7z x",
    ".bz2": "bunzip2",
    ".gz": "gunzip",
    ".tar": "tar xf",
    ".tgz": "tar xf",
    ".xz": "unxz",
    ".zip": "unzip",
    ".zst": "unzstd",
}
OPENED_BY = {".bz2": bz2.BZ2File, ".gz": gzip.GzipFile, ".xz": lzma.LZMAFile}
MOST, MOST_PER_BYTE = 1 << 26, 200
"""Bytes that may come of a file, and of each byte of it: text that people have is less than half
as regular, and a few bytes may hold more than there is memory."""


def what_it_holds(path: Path) -> Path:
    """The name of the file in a packed one that is unpacked here; else its own."""
    return path.with_suffix("") if path.suffix.lower() in OPENED_BY else path


def refuse_packed(path: Path) -> None:
    """Say how to unpack it, if its suffix tells that it is packed."""
    unpack = UNPACKED_BY.get(path.suffix.lower())
    if unpack is not None:
        raise ValueError(f"{path} is packed; unpack it first: {unpack} {path.name}")


def unpacked(path: Path) -> bytes:
    """The bytes of a file, or of what is packed in it."""
    opened_by = OPENED_BY.get(path.suffix.lower())
    if opened_by is None:
        return path.read_bytes()
    most = MOST + MOST_PER_BYTE * path.stat().st_size
    try:
        with opened_by(path) as stream:
            content: bytes = stream.read(most + 1)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk
            raise
        raise ValueError(
            f"{path} cannot be unpacked ({error}); look whether it is a {path.suffix} file, and "
            "whole"
        ) from error
    if len(content) > most:
        raise ValueError(
            f"{path} holds more than {most} bytes, {MOST_PER_BYTE} for each of its own; if that is "
            f"meant, unpack it first: {UNPACKED_BY[path.suffix.lower()]} {path.name}"
        )
    return content
