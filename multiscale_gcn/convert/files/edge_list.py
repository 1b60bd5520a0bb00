"""Lists of edges as text: lines of two ids, or of two ids and a weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiscale_gcn.convert.arrays import from_edge_list
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.files.text import Line, numbered_lines, read_text, refuse, table
from multiscale_gcn.convert.options import Options

DELIMITERS = ("\t", ";", ",")  # else spaces


def read(path: Path, options: Options) -> Entries:
    lines = numbered_lines(read_text(path), comments="#%")
    if not lines:
        raise ValueError(f"{path} holds no text; look whether it is a list of edges")
    delimiter = next((mark for mark in DELIMITERS if mark in lines[0][1]), None)
    names = [field.strip().strip("\"'") for field in lines[0][1].split(delimiter)]
    weights = options.weights
    if all(_is_number(name) for name in names):
        if isinstance(weights, str):
            refuse(path, lines[0], f"names no column {weights!r}", "write names above, or omit it")
        wanted = list(range(len(names)))
        if len(wanted) not in (2, 3):
            refuse(path, lines[0], "is no edge", "it takes two ids, and a weight if you like")
    else:
        wanted = _columns(names, weights, lines[0], path)
        weights = None if isinstance(weights, str) else weights
        lines = lines[1:]
    if not lines and options.num_nodes is None:
        raise ValueError(f"{path} holds no edges; say num_nodes if that is meant")
    columns = [_column(lines, column, len(names), path, delimiter) for column in wanted]
    return from_edge_list(
        np.stack(columns, axis=1), weights, options.num_nodes, "edges of the file"
    )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _columns(names: list[str], weights: object, line: Line, path: Path) -> list[int]:
    wanted = ["source", "target"]
    if isinstance(weights, str):
        wanted.append(weights)
    elif weights is None and "weight" in names:
        wanted.append("weight")
    for name in wanted:
        if names.count(name) != 1:
            refuse(
                path,
                line,
                f"names no column {name!r}",
                "rename the columns to source, target and weight; if this is an edge already, "
                "number its nodes with pandas.factorize, or read it with networkx.read_edgelist",
            )
    return [names.index(name) for name in wanted]


def _column(
    lines: list[Line], column: int, width: int, path: Path, delimiter: str | None
) -> np.ndarray:
    cells = []
    for line in lines:
        fields = line[1].split(delimiter)
        if len(fields) != width:
            refuse(path, line, f"has {len(fields)} fields, not {width} as the first", "mend it")
        if not fields[column].strip():
            refuse(path, line, f"has an empty field {column + 1}", "leave the line out, or fill it")
        cells.append((line[0], fields[column]))
    return table(cells, path).reshape(-1)
