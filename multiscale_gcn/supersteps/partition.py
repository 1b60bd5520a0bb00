"""What one worker holds of a graph: the rows of a contiguous range of nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints

MOST_NODES = 2**32
"""Of one graph: ids are packed in 32 bits where rows are merged."""


@dataclass(frozen=True, eq=False)
class Partition:
    """The nodes ``bounds[index]`` to ``bounds[index + 1]`` of a graph, with their rows.

    Parameters
    ----------
    index : int
    bounds : array of int64, shape (number of partitions + 1,)
        Where the ranges begin, and the number of nodes.
    indptr : array of int64, shape (n + 1,)
        Of the rows of this range, from 0.
    indices : array of int, shape (nnz,)
        Columns as ids of the whole graph, increasing in a row.
    weights : array of float64, shape (nnz,)
    node_weights : array of float64, shape (n,)
    labels : array of int, shape (n,), optional
    survivors : array of bool, shape (n,), optional
    """

    index: int
    bounds: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    node_weights: np.ndarray
    labels: np.ndarray | None = None
    survivors: np.ndarray | None = None

    @property
    def low(self) -> int:
        """Its first node."""
        return int(self.bounds[self.index])

    @property
    def high(self) -> int:
        """One more than its last node."""
        return int(self.bounds[self.index + 1])

    @property
    def num_nodes(self) -> int:
        """Number of its nodes."""
        return self.high - self.low

    @property
    def num_partitions(self) -> int:
        """Of the whole graph."""
        return len(self.bounds) - 1


def ranges(indptr: np.ndarray, num_partitions: int) -> np.ndarray:  # [num_partitions + 1]
    """Contiguous ranges of nodes with about equally many entries and nodes each."""
    n = len(indptr) - 1
    work = np.asarray(indptr) + np.arange(n + 1)
    shares = work[-1] * np.arange(1, num_partitions) // num_partitions
    inner = np.searchsorted(work, shares)
    return np.concatenate([[0], inner, [n]]).astype(np.int64)


def divided(
    graph: Graph, constraints: Constraints, num_partitions: int, bounds: np.ndarray | None = None
) -> list[Partition]:
    """The partitions of a graph of exact weights that is in memory."""
    bounds = ranges(graph.indptr, num_partitions) if bounds is None else bounds
    parts = []
    for index, (low, high) in enumerate(
        zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ):
        begin, end = graph.indptr[low], graph.indptr[high]
        parts.append(
            Partition(
                index,
                bounds,
                graph.indptr[low : high + 1] - begin,
                graph.indices[begin:end],
                graph.weights[begin:end],
                graph.node_weights[low:high],
                None if constraints.labels is None else constraints.labels[low:high],
                None if constraints.survivors is None else constraints.survivors[low:high],
            )
        )
    return parts
