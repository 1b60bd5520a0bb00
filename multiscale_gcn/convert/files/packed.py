"""Packed files: those of text are unpacked while they are read."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    ".bz2": bz2.BZ2Decompressor,
    ".gz": partial(zlib.decompressobj, 16 + zlib.MAX_WBITS),
    ".xz": partial(lzma.LZMADecompressor, lzma.FORMAT_XZ),
}
MOST, MOST_PER_BYTE = 1 << 26, 200
"""Bytes that may come of a file, and of each byte of it: text that people have is less than half
as regular, and a few bytes may hold more than there is memory."""


def what_it_holds(path: Path) -> Path:
    """The name of the file in a packed one that is unpacked here; else its own."""
    return path.with_suffix("") if path.suffix.lower() in DECOMPRESSORS else path


def refuse_packed(path: Path) -> None:
    """Say how to unpack it, if its suffix tells that it is packed."""
    unpack = UNPACKED_BY.get(path.suffix.lower())
    if unpack is not None:
        raise ValueError(f"{path} is packed; unpack it first: {unpack} {path.name}")


def unpacked(path: Path) -> bytes:
    """The bytes of a file, or of what is packed in it."""
    decompressor = DECOMPRESSORS.get(path.suffix.lower())
    content = path.read_bytes()
    if decompressor is None:
        return content
    most = MOST + MOST_PER_BYTE * len(content)
    try:
        found = _of_all_parts(decompressor, content, most + 1)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise ValueError(
            f"{path} cannot be unpacked ({error}); look whether it is a {path.suffix} file, and "
            "whole"
        ) from error
    if len(found) > most:
        raise ValueError(
            f"{path} holds more than {most} bytes, {MOST_PER_BYTE} for each of its own; if that is "
            f"meant, unpack it first: {UNPACKED_BY[path.suffix.lower()]} {path.name}"
        )
    return found


def _of_all_parts(decompressor: Callable[[], Any], content: bytes, most: int) -> bytes:
    """What a file holds, or as much of it as is asked for.

    Packed files may stand one behind another, with zeros between them. Python's own readers of two
    of the formats leave out what is damaged in its first bytes, and all behind, without a word.
    """
    found = bytearray()
    while content and len(found) < most:
        part = decompressor()
        found += part.decompress(content, most - len(found))
        if not part.eof and len(found) < most:
            raise EOFError("it ends too early")
        content = part.unused_data.lstrip(b"\0")
    return bytes(found)
