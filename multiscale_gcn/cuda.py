"""Graphs and kernels on a CUDA device. Imported only when the backend "cupy" is chosen."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.graph import LARGEST_INT32, Graph

THREADS = 256
"""Of a block, where a kernel does not say otherwise."""
BLOCKS_PER_PROCESSOR = 16
"""So many blocks take turns at the rows of a graph."""


@dataclass(frozen=True, eq=False)
class DeviceGraph:
    """The arrays of a :class:`~multiscale_gcn.Graph` in the memory of a device.

    Attributes
    ----------
    indptr : cupy.ndarray of int64, shape (n + 1,)
    indices : cupy.ndarray of int32, shape (nnz,)
    weights : cupy.ndarray of float64, shape (nnz,)
        Exact, see :func:`~multiscale_gcn.round_weights`.
    node_weights : cupy.ndarray of float64, shape (n,)
    """

    indptr: Any
    indices: Any
    weights: Any
    node_weights: Any

    @classmethod
    def of(cls, graph: Graph) -> DeviceGraph:
        if graph.num_nodes > LARGEST_INT32:
            raise ValueError(
                f"the graph has {graph.num_nodes} nodes, and backend = 'cupy' takes at most "
                f"{LARGEST_INT32}; take backend='numba'"
            )
        return cls(
            cp.asarray(graph.indptr),
            cp.asarray(graph.indices),
            cp.asarray(graph.weights),
            cp.asarray(graph.node_weights),
        )

    @property
    def num_nodes(self) -> int:
        return len(self.indptr) - 1

    @property
    def num_entries(self) -> int:
        return len(self.indices)

    @property
    def lanes(self) -> int:
        """Threads that share a row: about as many as it has entries."""
        return lanes_for(self.num_entries / max(self.num_nodes, 1))

    def to_graph(self, quantum: float | None) -> Graph:
        """The graph on the host, of which this is then the copy on the device."""
        graph = Graph.from_valid(
            cp.asnumpy(self.indptr),
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
        self.copy: DeviceGraph | None = None

    def remember(self, graph: Graph, copy: DeviceGraph) -> None:
        self.key, self.copy = (weakref.ref(graph, self._forget), cp.cuda.Device().id), copy

    def recall(self, graph: Graph) -> DeviceGraph | None:
        if self.key is None or self.key[0]() is not graph or self.key[1] != cp.cuda.Device().id:
            return None
        return self.copy

    def _forget(self, dead: weakref.ref[Graph]) -> None:
        if self.key is not None and self.key[0] is dead:
            self.key = self.copy = None


_latest = _Latest()


def on_device(graph: Graph) -> DeviceGraph:
    """The graph on the current device, copied there unless it was used last."""
    copy = _latest.recall(graph)
    if copy is None:
        copy = DeviceGraph.of(graph)
        _latest.remember(graph, copy)
    return copy


def lanes_for(mean_length: float) -> int:
    """A power of two from 4 to 32 that is no less than the length, if one is."""
    lanes = 4
    while lanes < mean_length and lanes < 32:
        lanes *= 2
    return lanes


@cache
def _module(source: str) -> Any:
    code = (Path(__file__).parent / source).read_text()
    # Fused multiply-adds would round ratings otherwise than the specification does.
    return cp.RawModule(code=code, options=("--std=c++17", "--fmad=false"))


@cache
def kernel(source: str, name: str) -> Any:
    """A kernel of a file of this package, compiled when it is first launched on a device."""
    return _module(source).get_function(name)


@cache
def _processors_of(device: int) -> int:
    count = cp.cuda.runtime.cudaDevAttrMultiProcessorCount
    return int(cp.cuda.runtime.deviceGetAttribute(count, device))


def num_processors() -> int:
    """Of the current device: so many blocks surely run at once."""
    return _processors_of(cp.cuda.Device().id)


def some_blocks(num_threads: int, threads: int = THREADS) -> tuple[int]:
    """As many blocks as take turns, or fewer if they suffice for a thread each."""
    most = num_processors() * BLOCKS_PER_PROCESSOR
    return (max(1, min(-(-num_threads // threads), most)),)


def all_blocks(num_threads: int, threads: int = THREADS) -> tuple[int]:
    """So many blocks that each thread has its own item."""
    return (max(1, -(-num_threads // threads)),)


def pointer(array: np.ndarray | None) -> Any:
    """The array on the device, or a null pointer."""
    return np.uintp(0) if array is None else cp.asarray(array)
