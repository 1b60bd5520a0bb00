"""Edges in any order to the rows of a symmetric matrix, by files that each hold a range of rows.

Every edge is written to the row of either end, with a bit that says which end came first. A file
is then sorted in memory. Both ends see the same, so each row by itself knows whether an edge stands
in both directions, and which weight it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.contraction.on_cpu import merge_by_rows
from multiscale_gcn.convert.options import Symmetrize
from multiscale_gcn.graph import LARGEST_INT32
from multiscale_gcn.hierarchy.stored import LevelWriter
from multiscale_gcn.outofcore.kernels import agree, by_row, scatter
from multiscale_gcn.outofcore.progress import Progress
from multiscale_gcn.outofcore.reading import EdgeReader

CELLS = 1 << 20
"""About so many counts decide where one file ends and the next begins."""
RULES: tuple[Symmetrize | None, ...] = (None, "mirror", "max", "mean", "sum")


@dataclass(frozen=True)
class Sorted:
    """What is known of the rows that were written."""

    largest: float
    whole: bool
    """Whether all weights are integers."""


def sort_edges(
    reader: EdgeReader,
    symmetrize: Symmetrize | None,
    level: LevelWriter,
    entries: int,
    progress: Progress,
) -> Sorted:
    """Write the edges as the rows of the finest level.

    Parameters
    ----------
    reader : EdgeReader
    symmetrize : {"mirror", "max", "mean", "sum"}, optional
    level : LevelWriter
    entries : int
        That are sorted at a time, unless one row has more.
    progress : Progress

    Raises
    ------
    ValueError
        If some edges stand in both directions and others in one, or with two weights, naming the
        first row of the files.
    """
    files = _RangeFiles.of(reader, level.work, entries)
    progress.begin("read", 2 * reader.num_rows)
    written = 0
    for batch in reader.batches():
        written += files.write(*batch)
        progress.advance(2 * len(batch[0]))
    progress.end(2 * reader.num_rows, written)
    progress.begin("sort", 2 * reader.num_rows)
    found, largest = _Directions(), 0.0
    for at in range(len(files.bounds) - 1):
        lengths, columns, weights = files.sorted(at, RULES.index(symmetrize), found)
        progress.advance(int(lengths.sum()))
        level.append(lengths, columns, weights)
        largest = max(largest, float(weights.max(initial=0.0)))
    level.close()
    progress.end(2 * reader.num_rows, level.num_entries * 12)
    _check_directions(reader, symmetrize, found)
    return Sorted(largest, whole=not found.counts[BROKEN])


@dataclass
class _Directions:
    """How many entries stand in one direction, in both, in both with two weights, add up to
    infinity, and weigh no whole number; of each the first, its row and column."""

    counts: np.ndarray = None  # type: ignore[assignment]
    first: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.counts = np.zeros(5, np.int64)
        self.first = np.full((5, 2), -1, np.int64)


ONE, BOTH, UNEQUAL, INFINITE, BROKEN = range(5)


def _check_directions(
    reader: EdgeReader, symmetrize: Symmetrize | None, found: _Directions
) -> None:
    def pair(which: int) -> tuple[int, int]:
        return int(found.first[which, 0]), int(found.first[which, 1])

    if found.counts[INFINITE]:
        reader.refuse_pair(*pair(INFINITE), "its rows add up to infinity; scale the weights down")
    if symmetrize in ("max", "mean", "sum"):
        return
    if found.counts[UNEQUAL]:
        reader.refuse_pair(
            *pair(UNEQUAL),
            "its two directions have different weights; symmetrize='max', 'mean' or 'sum' makes "
            "one weight of the two",
        )
    if symmetrize is None and found.counts[ONE] and found.counts[BOTH]:
        there = reader.names(*pair(BOTH))
        reader.refuse_pair(
            *pair(ONE),
            f"its reverse edge is missing, and others, such as {there}, stand in both directions; "
            "add it, or say symmetrize=True, which mirrors what stands in one direction only",
        )


class _RangeFiles:
    """Files of entries, of a range of rows each."""

    def __init__(self, folder: Path, bounds: np.ndarray, num_nodes: int, weighted: bool) -> None:
        self.folder, self.bounds, self.num_nodes, self.weighted = (
            folder, bounds, num_nodes, weighted
        )  # fmt: skip
        self.key_type = np.uint32 if num_nodes <= LARGEST_INT32 else np.uint64

    @classmethod
    def of(cls, reader: EdgeReader, folder: Path, entries: int) -> _RangeFiles:
        """Ranges of rows with about so many entries each, and at most so many rows."""
        n = reader.num_nodes
        shift = max(0, (n // CELLS).bit_length())
        counts = reader.counts(shift)
        bounds, held = [0], 0
        for cell, count in enumerate(counts.tolist()):
            row = cell << shift
            if row > bounds[-1] and (held + count > entries or row - bounds[-1] >= entries):
                bounds.append(row)
                held = 0
            held += count
        if n > bounds[-1]:
            bounds.append(n)
        return cls(folder, np.array(bounds, np.int64), n, reader.weighted)

    def write(self, first: np.ndarray, second: np.ndarray, weights: np.ndarray | None) -> int:
        """Append the entries of both ends to the files of their rows; returns how many bytes."""
        given = np.ones(0) if weights is None else weights
        rows, keys, values, ends = scatter(first, second, given, self.bounds, self.key_type)
        written, begin = 0, 0
        for at, end in enumerate(ends.tolist()):
            if end > begin:
                for name, array in (("rows", rows), ("keys", keys), ("weights", values)):
                    if len(array):
                        part = array[begin:end]
                        with self._path(at, name).open("ab", buffering=0) as file:
                            rest = part.data.cast("B")
                            while len(rest):
                                rest = rest[file.write(rest) :]
                        written += part.nbytes
            begin = end
        return written

    def sorted(
        self, at: int, rule: int, found: _Directions
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lengths, columns and weights of the rows of one file, which is removed."""
        low, high = int(self.bounds[at]), int(self.bounds[at + 1])
        rows = self._read(at, "rows", np.uint32)
        keys = self._read(at, "keys", self.key_type)
        weights = self._read(at, "weights", np.float64) if self.weighted else np.ones(len(rows))
        pointers, keys, weights = by_row(rows, keys, weights, high - low)
        lengths = np.diff(pointers)
        indptr = np.concatenate([[0], lengths])
        merged = np.empty(len(keys), self.key_type), np.empty(len(keys))
        each = np.arange(high - low + 1)
        merge_by_rows(  # type: ignore[no-untyped-call]
            (unsigned(pointers), keys, weights),
            None,
            (each, each),
            (*merged, indptr),
            int(lengths.max(initial=0)),
            2 * self.num_nodes,
        )
        counts = agree(low, indptr, *merged, rule, found.counts, found.first)
        columns = merged[0][: counts.sum()]
        id_type = LevelWriter.id_type_of(self.num_nodes)
        return counts, columns.astype(id_type, copy=False), merged[1][: len(columns)]

    def _path(self, at: int, name: str) -> Path:
        return self.folder / f"{at}.{name}"

    def _read(self, at: int, name: str, dtype: Any) -> np.ndarray:
        path = self._path(at, name)
        if not path.exists():
            return np.zeros(0, dtype)
        array = np.fromfile(path, dtype)
        path.unlink()
        return array
