"""The arrays of a graph on a CUDA device."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.graph import LARGEST_INT32, Graph

LARGEST_OFFSET = LARGEST_INT32
"""With more entries than these, positions are int64."""


@dataclass(frozen=True, eq=False)
class DeviceArrays:
    """The arrays of a graph in the memory of a device.

    Attributes
    ----------
    indptr : cupy.ndarray, shape (n + 1,)
        int32, or int64 if the number of entries does not fit.
    indices : cupy.ndarray of int32, shape (nnz,)
    weights : cupy.ndarray of float64, shape (nnz,)
        Exact, see :func:`~multiscale_gcn.round_weights`.
    node_weights : cupy.ndarray of float64, shape (n,)
    longest : int
        No row has more entries.
    sums : tuple of cupy.ndarray, optional
        For every node its weighted degree and numbers of neighbours and self loops, in 16 bytes;
        and the weight of its self loop. Contraction finds them on the way.
    """

    indptr: Any
    indices: Any
    weights: Any
    node_weights: Any
    longest: int
    sums: tuple[Any, Any] | None = None

    @classmethod
    def of(cls, graph: Graph) -> DeviceArrays:
        if graph.num_nodes > LARGEST_INT32:
            raise ValueError(
                f"the graph has {graph.num_nodes} nodes, and backend = 'cupy' takes at most "
                f"{LARGEST_INT32}; take backend='numba'"
            )
        return cls.checked(
            cp.asarray(graph.indptr),
            cp.asarray(graph.indices),
            cp.asarray(graph.weights),
            cp.asarray(graph.node_weights),
        )

    @classmethod
    def checked(cls, indptr: Any, indices: Any, weights: Any, node_weights: Any) -> DeviceArrays:
        """Of arrays on the device that are known to be those of a graph."""
        longest = int(cp.diff(indptr).max()) if len(indptr) > 1 else 0
        offset = cp.int32 if len(indices) <= LARGEST_OFFSET else cp.int64
        return cls(indptr.astype(offset, copy=False), indices, weights, node_weights, longest)

    @property
    def num_nodes(self) -> int:
        return len(self.indptr) - 1

    @property
    def num_entries(self) -> int:
        return len(self.indices)

    @property
    def mean_length(self) -> float:
        """Of its rows."""
        return self.num_entries / max(self.num_nodes, 1)

    def to_graph(self, quantum: float | None) -> Graph:
        """The graph on the host, of which this is then the copy on the device."""
        graph = Graph._of_valid(
            cp.asnumpy(self.indptr).astype(np.int64),
            cp.asnumpy(self.indices),
            cp.asnumpy(self.weights),
            cp.asnumpy(self.node_weights),
            quantum,
        )
        _latest.remember(graph, self)
        return graph


class _Latest(threading.local):
    """The copy of the graph that this thread used last, as long as that graph lives.

    Matching and contraction of one level need the same graph, and the next level is the result of
    the contraction: so no level is copied to the device but the first.
    """

    def __init__(self) -> None:
        self.key: tuple[weakref.ref[Graph], int] | None = None
        self.copy: DeviceArrays | None = None

    def remember(self, graph: Graph, copy: DeviceArrays) -> None:
        self.key, self.copy = (weakref.ref(graph, self._forget), cp.cuda.Device().id), copy

    def recall(self, graph: Graph) -> DeviceArrays | None:
        if self.key is None or self.key[0]() is not graph or self.key[1] != cp.cuda.Device().id:
            return None
        return self.copy

    def _forget(self, dead: weakref.ref[Graph]) -> None:
        if self.key is not None and self.key[0] is dead:
            self.key = self.copy = None


_latest = _Latest()


def on_device(graph: Graph) -> DeviceArrays:
    """The graph on the current device, copied there unless it was used last."""
    copy = _latest.recall(graph)
    if copy is None:
        copy = DeviceArrays.of(graph)
        _latest.remember(graph, copy)
    return copy
