"""Columns of a binary PLY file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.convert.files.ply_header import Columns, Element, Header, Lists, Property


def binary_columns(content: bytes, header: Header, path: Path) -> list[Columns]:
    columns, at = [], header.num_bytes
    for element in header.elements:
        held, at = _columns(element, content, at, path)
        columns.append(held)
    if content[at:].strip():
        raise ValueError(
            f"{path} holds {len(content) - at} bytes after the last row of its header; correct the "
            "counts, or take them away"
        )
    return columns


def _columns(element: Element, content: bytes, at: int, path: Path) -> tuple[Columns, int]:
    least = sum((held.counted_by or held.dtype).itemsize for held in element.properties)
    if element.count * least > len(content) - at:  # before room is made for so many
        _refuse_cut(element, (len(content) - at) // least, path)
    if element.count == 0:
        lengths = {held.name: 0 for held in element.properties if held.counted_by}
        return _by_table(np.empty(0, _row_type(element, lengths)), element), at
    lengths = _lengths(element, content, at, path)
    row = _row_type(element, lengths)
    if element.count * row.itemsize <= len(content) - at:
        table = np.frombuffer(content, row, element.count, at)
        alike = all((table[f"{name} length"] == n).all() for name, n in lengths.items())
        if alike:
            return _by_table(table, element), at + table.nbytes
    return _row_by_row(element, content, at, path)


def _row_type(element: Element, lengths: dict[str, int]) -> np.dtype:
    fields: list[tuple[Any, ...]] = []
    for held in element.properties:
        if held.counted_by is None:
            fields.append((held.name, held.dtype))
        else:
            fields.append((f"{held.name} length", held.counted_by))
            fields.append((held.name, held.dtype, (lengths[held.name],)))
    return np.dtype(fields)


def _by_table(table: np.ndarray, element: Element) -> Columns:
    """Of rows whose lists are as long as those of the first."""
    columns: Columns = {}
    for held in element.properties:
        values = table[held.name]
        if held.counted_by is None:
            columns[held.name] = values
        else:
            counts = np.full(len(table), values.shape[1], dtype=np.int64)
            columns[held.name] = Lists(values.reshape(-1), counts)
    return columns


def _lengths(element: Element, content: bytes, at: int, path: Path) -> dict[str, int]:
    """Lengths of the lists of the first row."""
    lengths = {}
    for held in element.properties:
        if held.counted_by is None:
            at += held.dtype.itemsize
        else:
            lengths[held.name], at = _list_at(element, held, content, at, 0, path)
    return lengths


def _list_at(
    element: Element, held: Property, content: bytes, at: int, row: int, path: Path
) -> tuple[int, int]:
    """Length of the list, and where it ends."""
    assert held.counted_by is not None
    if at + held.counted_by.itemsize > len(content):
        _refuse_cut(element, row, path)
    length = int(np.frombuffer(content, held.counted_by, 1, at)[0])
    end = at + held.counted_by.itemsize + length * held.dtype.itemsize
    if length < 0 or end > len(content):
        _refuse_cut(element, row, path)
    return length, end


def _row_by_row(element: Element, content: bytes, at: int, path: Path) -> tuple[Columns, int]:
    places: dict[str, list[int]] = {held.name: [] for held in element.properties}
    counts: dict[str, list[int]] = {held.name: [] for held in element.properties}
    for row in range(element.count):
        for held in element.properties:
            if held.counted_by is None:
                length, end = 1, at + held.dtype.itemsize
                begin = at
            else:
                length, end = _list_at(element, held, content, at, row, path)
                begin = at + held.counted_by.itemsize
            places[held.name].append(begin)
            counts[held.name].append(length)
            at = end
        if at > len(content):
            _refuse_cut(element, row, path)
    columns: Columns = {}
    for held in element.properties:
        lengths = np.array(counts[held.name], dtype=np.int64)
        values = _gathered(content, np.array(places[held.name]), lengths, held.dtype)
        columns[held.name] = values if held.counted_by is None else Lists(values, lengths)
    return columns, at


def _gathered(
    content: bytes, places: np.ndarray, lengths: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    size = dtype.itemsize
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    begins = np.repeat(places, lengths) + within * size
    raw = np.frombuffer(content, np.uint8)
    gathered: np.ndarray = raw[begins[:, None] + np.arange(size)].reshape(-1).view(dtype)
    return gathered


def _refuse_cut(element: Element, rows: int, path: Path) -> None:
    raise ValueError(
        f"{path} ends in row {rows} of {element.count} rows of {element.name}; it is cut, or its "
        "counts are wrong"
    )
