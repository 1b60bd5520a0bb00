"""What a PLY file says that it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multiscale_gcn.convert.files.text import refuse

TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
    **{"int64": "i8", "uint64": "u8"},
}
FORMS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
LONGEST_HEADER = 1_000_000


class Lists(NamedTuple):
    """Lists of all rows, one behind the other."""

    values: np.ndarray
    counts: np.ndarray  # [rows] int64


@dataclass(frozen=True)
class Property:
    name: str
    dtype: np.dtype
    counted_by: np.dtype | None
    """Type of the number before a list; None: no list."""


@dataclass(frozen=True)
class Element:
    name: str
    count: int
    properties: list[Property] = field(default_factory=list)


@dataclass(frozen=True)
class Header:
    form: str
    elements: list[Element]
    num_lines: int
    num_bytes: int


def read_header(content: bytes, path: Path) -> Header:
    newline = re.match(rb"\s*ply[ \t]*(\r\n|\n|\r)", content)
    if newline is None:
        raise ValueError(f"{path} does not begin with a line 'ply'; look whether it is a PLY file")
    mark = newline[1]
    end = re.compile(re.escape(mark) + rb"end_header[ \t]*" + re.escape(mark))
    found = end.search(content, 0, LONGEST_HEADER)
    if found is None:
        raise ValueError(f"{path} has no line end_header; it is cut, or no PLY file")
    lines = content[newline.end() : found.start()].decode("ascii", "replace")
    form = ""
    elements: list[Element] = []
    numbered = enumerate(lines.split(mark.decode()), start=2)
    for line in numbered:
        match line[1].split():
            case ["format", word, "1.0"] if word in FORMS:
                form = word
            case ["comment" | "obj_info", *_] | []:
                pass
            case ["element", name, count] if re.fullmatch(r"\d{1,18}", count):
                elements.append(Element(name, int(count)))
            case ["property", *words] if elements and form:
                elements[-1].properties.append(_property(words, form, line, path))
            case _:
                refuse(path, line, "is no line of a PLY header", "mend it")
    if not form:
        raise ValueError(f"{path} names no format in its header; it takes one of {list(FORMS)}")
    for element in elements:
        names = [held.name for held in element.properties]
        if len(set(names)) < len(names) or (element.count and not names):
            raise ValueError(
                f"element {element.name} of {path} has the properties {', '.join(names) or 'none'};"
                " it takes one or more of different names"
            )
    if sum(element.name == "vertex" for element in elements) != 1:
        raise ValueError(f"the header of {path} has no element vertex, or several; it takes one")
    num_lines = content.count(mark, 0, found.end())
    return Header(form, elements, num_lines, found.end())


def _property(words: list[str], form: str, line: tuple[int, str], path: Path) -> Property:
    *before, kind, name = words if len(words) > 1 else ("", "")
    is_list = len(before) == 2 and before[0] == "list" and TYPES.get(before[1], "f4")[0] in "ui"
    if kind not in TYPES or (before and not is_list):
        refuse(path, line, "is no property", "it takes types that PLY knows, and a name")
    order = FORMS[form]
    counted_by = np.dtype(order + TYPES[before[1]]) if before else None
    return Property(name, np.dtype(order + TYPES[kind]), counted_by)


Columns = dict[str, np.ndarray | Lists]
"""The properties of an element, by their names."""
