"""Rows of a mapped graph, part by part; between two parts their pages leave this process."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy.stored.arrays import pages_of, release
from multiscale_gcn.matching.on_cpu import Sweep
from multiscale_gcn.outofcore.progress import Progress


def row_cuts(indptr: np.ndarray, most: int) -> np.ndarray:
    """Rows at which parts begin, and the end: none has more than ``most`` rows, or entries unless
    it is one row."""
    n = len(indptr) - 1
    cuts = [0]
    while cuts[-1] < n:
        low = cuts[-1]
        fits = int(np.searchsorted(indptr, indptr[low] + most, side="right")) - 1
        cuts.append(min(max(fits, low + 1), low + most, n))
    return np.array(cuts, dtype=np.int64)


class PartSweep(Sweep):
    """Goes through rows in parts of so many entries.

    Parameters
    ----------
    graph : Graph
        Mapped.
    values : array, shape (nnz,)
        What the kernels read of every entry: weights or ratings, mapped too.
    entries : int
        Of one part.
    progress : Progress
    """

    in_parts: ClassVar[bool] = True

    def __init__(self, graph: Graph, values: np.ndarray, entries: int, progress: Progress) -> None:
        self.graph = graph
        others = () if values is graph.weights else (values,)
        self.arrays = (graph.indices, graph.weights, *others)
        self.cuts = row_cuts(graph.indptr, entries)
        self.progress = progress

    def parts(self, nodes: np.ndarray | range) -> Iterator[tuple[int, int]]:
        places = self._places(nodes)
        entries = self.graph.indptr[self.cuts].tolist()
        for part, (low, high) in enumerate(pairwise(places)):
            if 2 * len(nodes) > self.graph.num_nodes:  # most rows are read
                for array in self.arrays:
                    fetch(array, *entries[part + 1 : part + 3])
            if high > low:
                yield low, high
                release(*self.arrays)
            self.progress.advance(entries[part + 1] - entries[part])

    def _places(self, nodes: np.ndarray | range) -> list[int]:
        places = self.cuts
        if not isinstance(nodes, range):
            if len(nodes) == 0 or (nodes[1:] > nodes[:-1]).all():
                places = np.searchsorted(nodes, self.cuts)
            else:  # rows in any order
                places = np.linspace(0, len(nodes), len(self.cuts)).astype(np.int64)
        listed: list[int] = places.tolist()
        return listed


def fetch(array: np.ndarray, begin: int, end: int | None = None) -> None:
    """Have these entries of a mapped array on their way into memory; none without an end."""
    pages = pages_of(array)
    if pages is None or not hasattr(mmap, "MADV_WILLNEED") or end is None or end <= begin:
        return
    offset = len(pages) - array.nbytes
    first = (offset + begin * array.itemsize) // mmap.PAGESIZE * mmap.PAGESIZE
    pages.madvise(mmap.MADV_WILLNEED, first, offset + end * array.itemsize - first)
