"""The words of a pickle, looked at before it is read: do they ask for more than it holds?"""

from __future__ import annotations

import pickletools
from itertools import count
from typing import IO

CHUNK = 1 << 20
_NUMBERED = ("PUT", "BINPUT", "LONG_BINPUT")
"""Words that keep an object under a number; a reader makes room for all numbers below."""
_WORDS = {word.code.encode("latin-1"): word for word in pickletools.opcodes}
_TWO_LINES = ("GLOBAL", "INST")
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
"""Bytes that hold the length of an argument, by what pickletools has in its place."""


class Unhurried:
    """A binary file that is read bit by bit, so that nobody makes room for what is not there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0
        """Bytes so far."""

    def read(self, size: int) -> bytes:
        """So many bytes, or all that are left."""
        parts = []
        while size > 0 and (part := self._file.read(min(size, CHUNK))):
            parts.append(part)
            size -= len(part)
            self.count += len(part)
        return b"".join(parts)

    def readline(self) -> bytes:
        """The next line."""
        line = self._file.readline()
        self.count += len(line)
        return line


def count_words(file: IO[bytes]) -> int:
    """Bytes of the pickle at this place of a file, whose words are all whole.

    Raises
    ------
    ValueError
        If a word is unknown or cut off, or keeps an object under a number that is larger than
        there are words.
    """
    words = Unhurried(file)
    for place in count():
        code = words.read(1)
        word = _WORDS.get(code)
        if word is None:
            raise ValueError(f"it has no word {code!r}" if code else "it is cut off")
        argument = _argument(words, word)
        if word.name in _NUMBERED:
            number = int(argument) if word.name == "PUT" else int.from_bytes(argument, "little")
            if not 0 <= number <= place:
                raise ValueError(f"it keeps an object under {number}, after {place} words")
        if word.name == "STOP":
            break
    return words.count


def _argument(words: Unhurried, word: pickletools.OpcodeInfo) -> bytes:
    """The last part of what belongs to a word."""
    if word.arg is None:
        return b""
    if word.arg.n == pickletools.UP_TO_NEWLINE:
        lines = [words.readline() for _ in range(1 + (word.name in _TWO_LINES))]
        if not all(line.endswith(b"\n") for line in lines):
            raise ValueError("it is cut off")
        return lines[-1]
    size = word.arg.n
    if size < 0:
        size = int.from_bytes(_whole(words, _LENGTHS[size]), "little")
    return _whole(words, size)


def _whole(words: Unhurried, size: int) -> bytes:
    found = words.read(size)
    if len(found) < size:
        raise ValueError(f"it is cut off: {size} bytes are announced and {len(found)} are there")
    return found
