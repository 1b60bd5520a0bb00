"""Graphs as METIS, KaHIP and DIMACS10 write them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.files.text import Line, read_text, refuse, refuse_cut, shown
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import count_nodes


def read(path: Path, options: Options) -> Entries:
    lines = [
        (number, text)
        for number, text in enumerate(read_text(path).split("\n"), start=1)
        if not text.lstrip().startswith("%")
    ]
    while lines and not lines[0][1].strip():
        del lines[0]
    if not lines:
        raise ValueError(f"{path} holds no line of counts; look whether it is a METIS graph")
    n, num_edges, sizes, num_weights, has_edge_weights = _header(lines[0], path)
    rows = lines[1:]
    if rows and not rows[-1][1]:  # behind the last end of a line
        rows = rows[:-1]
    if len(rows) < n:
        refuse_cut(path, lines[-1][0], f"after {len(rows)} of {n} nodes")
    for line in rows[n:]:
        if line[1].strip():
            refuse(path, line, f"stands after the {n} nodes of the header", "take it away")
    counts, numbers = _numbers(rows[:n], path)
    head = sizes + num_weights
    starts = np.cumsum(counts) - counts
    short = np.flatnonzero((counts < head) | ((counts - head) % (1 + has_edge_weights) != 0))
    if len(short):
        refuse(path, rows[short[0]], "is no node", _row(sizes, num_weights, has_edge_weights))
    node_weights = numbers[starts + sizes].astype(float) if num_weights and n else None
    body = np.ones(len(numbers), dtype=np.bool_)
    for k in range(head):
        body[starts + k] = False
    row = np.repeat(np.arange(n), counts - head)
    numbers = numbers[body]
    values = np.ones(len(numbers))
    if has_edge_weights:
        values = numbers[1::2].astype(float)
        row, numbers = row[::2], numbers[::2]
    ids = np.stack([row, numbers - 1])
    count_nodes(n, **{"neighbours, which count from 1 in the file, less one,": ids[1]})
    loops = int(np.count_nonzero(ids[0] == ids[1]))
    if ids.shape[1] - loops + 2 * loops != 2 * num_edges:
        raise ValueError(
            f"{path} lists {(ids.shape[1] + loops) / 2:g} edges, and {num_edges} in its header; it "
            "must name each with both of its nodes: it is cut, or its counts are wrong"
        )
    return Entries(ids, values, n, "neighbours of the file", node_weights=node_weights)


def _header(line: Line, path: Path) -> tuple[int, int, int, int, int]:
    fields = line[1].split()
    if not (2 <= len(fields) <= 4 and all(re.fullmatch(r"\d{1,18}", f) for f in fields)):
        refuse(
            path,
            line,
            "is no line of counts",
            "it takes the numbers of nodes and edges, and the format if there are weights",
        )
    form = fields[2].zfill(3) if len(fields) > 2 else "000"
    if not re.fullmatch("[01]{3}", form):
        refuse(path, line, f"has the format {form}", "it is made of 0 and 1, as in 011")
    sizes, weights, edge_weights = (int(digit) for digit in form)
    given = int(fields[3]) if len(fields) > 3 else 1
    if weights and given != 1:
        refuse(path, line, f"has {given} weights for a node", "a node has one: leave one of them")
    return int(fields[0]), int(fields[1]), sizes, weights, edge_weights


def _row(sizes: int, weights: int, edge_weights: int) -> str:
    parts = ["its size"] * sizes + ["its weight"] * weights
    parts.append("neighbours with the weights of their edges" if edge_weights else "neighbours")
    return f"it takes {', '.join(parts)}"


def _numbers(rows: list[Line], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """How many numbers each line holds, and all of them."""
    fields = [text.split() for _, text in rows]
    counts = np.array([len(row) for row in fields], dtype=np.int64)
    flat = [field for row in fields for field in row]
    try:
        return counts, np.array(list(map(int, flat)), dtype=np.int64)
    except (ValueError, OverflowError):
        for line, row in zip(rows, fields, strict=True):
            for field in row:
                if not re.fullmatch(r"\d{1,18}", field):
                    refuse(path, line, f"holds {shown(field)}", "all are whole numbers")
        raise
