"""Text of files, line by line, and what is wrong with a line."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NoReturn

import numpy as np

from multiscale_gcn.convert.files.packed import unpacked

MARKS = (  # the longest first, as that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Line = tuple[int, str]


def read_text(path: Path) -> str:
    return decoded(unpacked(path), path)


def is_marked(content: bytes) -> bool:
    return any(content.startswith(mark) for mark, _ in MARKS)


def decoded(content: bytes, path: Path) -> str:
    """Text under any byte-order mark; without one UTF-8, as only names and comments may differ."""
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    text = content.decode(encoding, errors="replace")
    if "\0" in text:
        raise ValueError(
            f"{path} holds zero bytes, and is no text in UTF-8; save it as such, or look whether "
            "it is what its suffix says"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbered_lines(text: str, comments: str = "#") -> list[Line]:
    """Lines with their numbers, without comments, and without those that hold nothing else."""
    lines = text.split("\n")
    if comments and any(mark in text for mark in comments):
        for mark in comments:
            lines = [line.split(mark, 1)[0] for line in lines]
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def refuse(path: Path, line: Line, why: str, remedy: str) -> NoReturn:
    number, text = line
    raise ValueError(f"line {number} of {path} {why}: {shown(text)}; {remedy}")


def shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def refuse_cut(path: Path, number: int, why: str) -> NoReturn:
    raise ValueError(f"{path} ends at line {number}, {why}; it is cut, or its counts are wrong")


def table(lines: list[Line], path: Path, delimiter: str | None = None) -> np.ndarray:
    """Numbers of lines with the same number of fields, shape (lines, fields), float64."""
    texts = [text for _, text in lines]
    if not texts:
        return np.empty((0, 0))
    try:
        found = np.loadtxt(texts, ndmin=2, comments=None, delimiter=delimiter)
    except (ValueError, OverflowError):
        found = None
    if found is None or len(found) != len(lines):
        _refuse_first_bad(lines, path, delimiter)
    return found


def _refuse_first_bad(lines: list[Line], path: Path, delimiter: str | None) -> NoReturn:
    width = len(lines[0][1].split(delimiter))
    for line in lines:
        fields = line[1].split(delimiter)
        if len(fields) != width:
            refuse(path, line, f"has {len(fields)} fields, not {width} as those before", "mend it")
        for field in fields:
            try:
                float(field)
            except ValueError:
                refuse(path, line, f"holds {shown(field)}, which is no number", "mend it")
    raise ValueError(f"{path} holds lines that are no numbers; look at its first lines")


def tables_by_width(lines: list[Line], path: Path) -> list[tuple[list[Line], np.ndarray]]:
    """The numbers of all lines, those with the same number of fields together."""
    by_width: dict[int, list[Line]] = {}
    for line in lines:
        by_width.setdefault(len(line[1].split()), []).append(line)
    return [(group, table(group, path)) for group in by_width.values()]
