"""Lists of edges as text: lines of two ids, or of two ids and a weight.

Under a line that names the columns, ids may be texts: the names of the nodes.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from multiscale_gcn.convert.arrays import from_edge_list, from_pairs
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.files.text import Line, numbered_lines, read_text, refuse, table
from multiscale_gcn.convert.named_ends import ends_among, numbered, weight_among
from multiscale_gcn.convert.options import Options

DELIMITERS = ("\t", ";", ",")  # else spaces


def read(path: Path, options: Options) -> Entries:
    lines = _without_empty_data(numbered_lines(read_text(path), comments="#%"))
    if not lines:
        raise ValueError(f"{path} holds no text; look whether it is a list of edges")
    delimiter = next((mark for mark in DELIMITERS if mark in lines[0][1]), None)
    names = [field.strip("\"'") for field in _fields(lines[0][1], delimiter)]
    weights = options.weights
    named = False
    if all(map(_is_number, names)):
        if isinstance(weights, str):
            refuse(path, lines[0], f"names no column {weights!r}", "write names above, or omit it")
        wanted = list(range(len(names)))
        if len(wanted) not in (2, 3):
            refuse(path, lines[0], "is no edge", "it takes two ids, and a weight if you like")
    else:
        wanted = _columns(names, weights, lines[0], path)
        weights = None if isinstance(weights, str) else weights
        lines = lines[1:]
        first = _cells(lines[:1], wanted[0], len(names), path, delimiter)
        named = bool(first) and not _is_number(first[0][1])
    if not lines and options.num_nodes is None:
        raise ValueError(f"{path} holds no edges; say num_nodes if that is meant")
    columns = [_cells(lines, column, len(names), path, delimiter) for column in wanted]
    if named:
        return _between_names(columns, [names[column] for column in wanted], weights, options, path)
    numbers = [table(cells, path).reshape(-1) for cells in columns]
    return from_edge_list(
        np.stack(numbers, axis=1), weights, options.num_nodes, "edges of the file"
    )


def _without_empty_data(lines: list[Line]) -> list[Line]:
    """As ``networkx.write_edgelist`` writes edges without attributes: an empty dict behind each."""
    if all(text.rstrip().endswith(" {}") for _, text in lines):
        return [(number, text.rstrip().removesuffix("{}")) for number, text in lines]
    return lines


def _between_names(
    columns: list[list[Line]], called: list[str], weights: object, options: Options, path: Path
) -> Entries:
    if options.num_nodes is not None:
        raise ValueError(
            f"num_nodes = {options.num_nodes} does not go with the names of nodes in {path}, which "
            "say how many there are; leave it out"
        )
    for line in columns[0] + columns[1]:
        if "\N{REPLACEMENT CHARACTER}" in line[1]:
            refuse(path, line, "has a name that is not in UTF-8", "save the file in UTF-8")
    texts = [np.array([cell for _, cell in cells]) for cells in columns[:2]]
    ends, names = numbered(dict(zip(called[:2], texts, strict=True)))
    if len(columns) == 3:
        weights = table(columns[2], path).reshape(-1)
    ids = np.stack(list(ends.values()))
    entries = from_pairs(ids, weights, None, "edges of the file", **ends)
    return replace(entries, names=names, counted_by_ids=False)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _columns(names: list[str], weights: object, line: Line, path: Path) -> list[int]:
    wanted = list(ends_among(names))
    if isinstance(weights, str):
        wanted.append(weights)
    elif weights is None and (column := weight_among(names)) is not None:
        wanted.append(column)
    for name in wanted:
        if names.count(name) != 1:
            refuse(
                path,
                line,
                f"names no column {name!r}" if name not in names else f"names {name!r} twice",
                "rename the columns to source, target and weight; if this is an edge already, "
                "write a line source,target above, or read it with networkx.read_edgelist",
            )
    return [names.index(name) for name in wanted]


def _cells(
    lines: list[Line], column: int, width: int, path: Path, delimiter: str | None
) -> list[Line]:
    cells = []
    for line in lines:
        fields = _fields(line[1], delimiter)
        if len(fields) != width:
            refuse(path, line, f"has {len(fields)} fields, not {width} as the first", "mend it")
        if not fields[column]:
            refuse(path, line, f"has an empty field {column + 1}", "leave the line out, or fill it")
        cells.append((line[0], fields[column]))
    return cells


def _fields(text: str, delimiter: str | None) -> list[str]:
    """The fields of a line; in quotes they may hold the delimiter."""
    if '"' in text:
        row = next(csv.reader([text.strip()], delimiter=delimiter or " ", skipinitialspace=True))
        return [field.strip() for field in row]
    return [field.strip() for field in text.split(delimiter)]
