"""Columns of a PLY file in text: a line for each row of an element."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiscale_gcn.convert.files.ply_header import Columns, Element, Header, Lists
from multiscale_gcn.convert.files.text import (
    Line,
    decoded,
    refuse,
    refuse_cut,
    tables_by_width,
)


def text_columns(content: bytes, header: Header, path: Path) -> list[Columns]:
    text = decoded(content[header.num_bytes :], path)
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), start=header.num_lines + 1)
        if line.strip()
    ]
    last = lines[-1][0] if lines else header.num_lines
    columns, at = [], 0
    for element in header.elements:
        rows = lines[at : at + element.count]
        if len(rows) < element.count:
            refuse_cut(path, last, f"after {len(rows)} of {element.count} rows of {element.name}")
        columns.append(_columns(element, rows, path))
        at += element.count
    if at < len(lines):
        refuse(path, lines[at], "stands after the last row of the header", "correct the counts")
    return columns


def _columns(element: Element, rows: list[Line], path: Path) -> Columns:
    """Rows with the same number of fields are read at once, then put back in their order."""
    place = {number: i for i, (number, _) in enumerate(rows)}
    parts = [
        (np.array([place[line[0]] for line in group]), _parts(element, group, numbers, path))
        for group, numbers in tables_by_width(rows, path)
    ]
    columns: Columns = {}
    for held in element.properties:
        whole = [(at, values[held.name]) for at, values in parts]
        if held.counted_by is None:
            column = np.zeros(len(rows))
            for at, (values, _) in whole:
                column[at] = values
            columns[held.name] = column
        else:
            columns[held.name] = _joined(whole, len(rows))
    return columns


def _parts(
    element: Element, group: list[Line], numbers: np.ndarray, path: Path
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values and counts of every property, of rows with the same number of fields."""
    rows, width = numbers.shape
    index = np.arange(rows)
    at = np.zeros(rows, dtype=np.int64)
    parts = {}
    for held in element.properties:
        _refuse_where(at >= width, element, group, path)
        values = numbers[index, at]
        at = at + 1
        counts = np.ones(rows, dtype=np.int64)
        if held.counted_by is not None:
            _refuse_where(
                ~((values >= 0) & (values <= width) & (values % 1 == 0)), element, group, path
            )
            counts = values.astype(np.int64)
            _refuse_where(at + counts > width, element, group, path)
            row = np.repeat(index, counts)
            within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
            values = numbers[row, at[row] + within]
            at = at + counts
        parts[held.name] = (values, counts)
    _refuse_where(at < width, element, group, path)
    return parts


def _refuse_where(bad: np.ndarray, element: Element, group: list[Line], path: Path) -> None:
    if bad.any():
        names = " ".join(held.name for held in element.properties)
        line = group[int(bad.argmax())]
        refuse(
            path, line, f"is no {element.name}", f"it takes {names}, and a list its length first"
        )


def _joined(parts: list[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]], num_rows: int) -> Lists:
    counts = np.zeros(num_rows, dtype=np.int64)
    for at, (_, lengths) in parts:
        counts[at] = lengths
    starts = np.cumsum(counts) - counts
    flat = np.zeros(int(counts.sum()))
    for at, (values, lengths) in parts:
        within = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat[np.repeat(starts[at], lengths) + within] = values
    return Lists(flat, counts)
