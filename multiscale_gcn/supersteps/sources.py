"""Whence a partition comes, and where the coarse one goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from multiscale_gcn.hierarchy.stored import StoredLevel
from multiscale_gcn.hierarchy.stored.arrays import allocated, writable
from multiscale_gcn.supersteps.partition import Partition


class Source(Protocol):
    """One partition of a level."""

    def open(self) -> Partition:
        """The partition; whatever is mapped is not read."""

    def make_room(self, num_nodes: int, num_entries: int) -> None:
        """Make the arrays of the whole coarse level; one partition does it for all."""

    def write(self, parent: np.ndarray, coarse: Partition, begin: int) -> Any:
        """Write own parents, and the coarse partition, whose entries begin at ``begin``; returns
        what is left in the end."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """A partition in the memory of the process, where the coarse one stays too."""

    part: Partition

    def open(self) -> Partition:
        return self.part

    def make_room(self, num_nodes: int, num_entries: int) -> None:
        """There is room."""

    def write(self, parent: np.ndarray, coarse: Partition, begin: int) -> Any:
        return parent, coarse


@dataclass(frozen=True, eq=False)
class InFolder:
    """Rows of a level in a folder that all workers see, and those of the next level.

    A superstep that is taken again writes the same bytes to the same places.

    Parameters
    ----------
    fine, coarse : Path
        Folders of the two levels.
    bounds : array of int64, shape (number of partitions + 1,)
    index : int
    """

    fine: Path
    coarse: Path
    bounds: np.ndarray
    index: int

    def open(self) -> Partition:
        stored = StoredLevel.open(self.fine)
        graph, constraints = stored.graph, stored.constraints
        low, high = self.bounds[self.index : self.index + 2].tolist()
        begin, end = int(graph.indptr[low]), int(graph.indptr[high])
        return Partition(
            self.index,
            self.bounds,
            graph.indptr[low : high + 1] - begin,
            graph.indices[begin:end],
            graph.weights[begin:end],
            graph.node_weights[low:high],
            None if constraints.labels is None else constraints.labels[low:high],
            None if constraints.survivors is None else constraints.survivors[low:high],
        )

    def make_room(self, num_nodes: int, num_entries: int) -> None:
        ids = StoredLevel.open(self.fine).graph.indices.dtype
        edges, nodes = self.coarse / "edges", self.coarse / "nodes"
        _make_room(edges / "indptr.npy", np.int64, num_nodes + 1)
        _make_room(edges / "indices.npy", ids, num_entries)
        _make_room(edges / "weights.npy", np.float64, num_entries)
        _make_room(nodes / "weights.npy", np.float64, num_nodes)
        _make_room(self.fine / "nodes" / "parent.npy", ids, int(self.bounds[-1]))

    def write(self, parent: np.ndarray, coarse: Partition, begin: int) -> Any:
        edges, nodes = self.coarse / "edges", self.coarse / "nodes"
        _write(edges / "indptr.npy", coarse.low + 1, coarse.indptr[1:] + begin)
        _write(edges / "indices.npy", begin, coarse.indices)
        _write(edges / "weights.npy", begin, coarse.weights)
        _write(nodes / "weights.npy", coarse.low, coarse.node_weights)
        _write(self.fine / "nodes" / "parent.npy", int(self.bounds[self.index]), parent)
        return None

    def letters(self) -> Path:
        """A folder for mail."""
        return self.coarse / "work"


def _make_room(path: Path, dtype: DTypeLike, length: int) -> None:
    """An array of zeros, unless it is there: then others may have begun to write it."""
    try:
        there = writable(path)
    except (OSError, ValueError):
        allocated(path, dtype, length)
        return
    if there.dtype != dtype or len(there) != length:
        allocated(path, dtype, length)


def _write(path: Path, begin: int, values: np.ndarray) -> None:
    writable(path)[begin : begin + len(values)] = values
