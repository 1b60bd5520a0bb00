"""Matrix Market files. The reader of scipy crashes on damaged ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from multiscale_gcn.convert.arrays import square
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.files.text import (
    Line,
    numbered_lines,
    read_text,
    refuse,
    refuse_cut,
    table,
)
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import as_whole_ids, count_nodes, refuse_gaps

FORMS = ("coordinate", "array")
FIELDS = ("real", "double", "integer", "unsigned-integer", "pattern")
SYMMETRIES = ("general", "symmetric")


def read(path: Path, options: Options) -> Entries:
    text = read_text(path)
    form, field, symmetry = _banner((1, text.split("\n", 1)[0]), path)
    lines = numbered_lines(text, comments="%")
    if not lines:
        raise ValueError(f"{path} ends before its counts; it is cut")
    counts = _counts(lines[0], 3 if form == "coordinate" else 2, path)
    n = square(tuple(counts[:2]))
    body = lines[1:]
    if form == "coordinate":
        refuse_gaps(n, 2 * counts[2])
        _check_length(lines, counts[2], path)
        ids, values = _coordinates(body, n, field == "pattern", path)
        if symmetry == "symmetric":
            off = ids[0] != ids[1]
            ids = np.concatenate([ids, ids[::-1, off]], axis=1)
            values = np.concatenate([values, values[off]])
    else:
        _check_length(lines, n * n if symmetry == "general" else n * (n + 1) // 2, path)
        ids, values = _columns(body, n, symmetry, path)
    return Entries(ids, values, n, "entries")


def _banner(line: Line, path: Path) -> tuple[str, str, str]:
    words = line[1].lower().split()
    if len(words) != 5 or words[:2] != ["%%matrixmarket", "matrix"] or words[2] not in FORMS:
        refuse(
            path,
            line,
            "is no first line of a Matrix Market file",
            "it takes %%MatrixMarket matrix, coordinate or array, a field and a symmetry",
        )
    form, field, symmetry = words[2:]
    if field not in FIELDS or (form == "array" and field == "pattern"):
        refuse(path, line, f"says that entries are {field}", "weights must be real numbers")
    if symmetry not in SYMMETRIES:
        refuse(path, line, f"says that the matrix is {symmetry}", "it takes general or symmetric")
    return form, field, symmetry


def _counts(line: Line, number: int, path: Path) -> list[int]:
    fields = line[1].split()
    if len(fields) != number or not all(re.fullmatch(r"\d{1,18}", field) for field in fields):
        refuse(path, line, "is no line of counts", f"it takes {number} whole numbers")
    return [int(field) for field in fields]


def _check_length(lines: list[Line], number: int, path: Path) -> None:
    body = lines[1:]
    if len(body) < number:
        refuse_cut(path, lines[-1][0], f"after {len(body)} of {number} entries")
    if len(body) > number:
        refuse(path, body[number], f"stands after the {number} entries", "correct the counts")


def _coordinates(
    body: list[Line], n: int, is_pattern: bool, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    numbers = table(body, path)
    width = 2 if is_pattern else 3
    if not body:
        return np.empty((2, 0), dtype=np.int64), np.empty(0)
    if numbers.shape[1] != width:
        refuse(path, body[0], f"has {numbers.shape[1]} fields", f"an entry takes {width}")
    ids = as_whole_ids(numbers[:, :2], f"{path.name}: places").T - 1
    count_nodes(n, **{f"{path.name}: places, which count from 1 in the file, less one,": ids})
    return ids, np.ones(len(body)) if is_pattern else numbers[:, 2].copy()


def _columns(body: list[Line], n: int, symmetry: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of a dense matrix, column by column; of a symmetric one what is on and below the diagonal."""
    values = table(body, path).reshape(-1)
    if len(values) != len(body):
        refuse(path, body[0], "is no entry of an array", "it takes one number")
    dense = np.zeros((n, n))
    if symmetry == "general":
        dense = values.reshape(n, n).T
    else:
        upper = np.triu_indices(n)
        dense[upper] = values
        dense.T[upper] = values
    ids = np.stack(np.nonzero(dense))
    return ids, dense[ids[0], ids[1]]
