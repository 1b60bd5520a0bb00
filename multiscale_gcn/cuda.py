"""Arrays of graphs and kernels on a CUDA device. Imported only when a device is to be used."""

from __future__ import annotations

import struct
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
"""Of every block, where a kernel does not say otherwise."""
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
        graph = Graph.from_valid(
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


class Room:
    """Several arrays in one allocation; those named first begin as zeros.

    Parameters
    ----------
    zeros, others : dict of str to int
        Number of bytes of every array.
    """

    def __init__(self, zeros: dict[str, int], others: dict[str, int]) -> None:
        self.begin: dict[str, int] = {}
        total = num_zero = 0
        for pieces in (zeros, others):
            for name, size in pieces.items():
                self.begin[name] = total
                total += -(-size // 256) * 256
            if pieces is zeros:
                num_zero = total
        self.memory = cp.cuda.alloc(total)
        if num_zero:
            self.memory.memset_async(0, num_zero)

    def pointers(self) -> dict[str, int]:
        base = self.memory.ptr
        return {name: base + begin for name, begin in self.begin.items()}

    def array(self, name: str, dtype: Any, *shape: int) -> Any:
        """The array of that name, which keeps the allocation alive."""
        return cp.ndarray(shape, dtype, self.memory + self.begin[name])


class Struct:
    """The argument of a kernel: what its source calls by the same names, in the same order."""

    def __init__(self, **members: str) -> None:
        codes = {"pointer": "Q", "double": "d", "u64": "Q", "int": "i"}
        self.names = tuple(members)
        # Aligned as by a C compiler, and padded to the largest member.
        self.packing = struct.Struct("@" + "".join(codes[kind] for kind in members.values()) + "0Q")
        self.dtype = np.dtype((np.void, self.packing.size))

    def __call__(self, **values: Any) -> np.ndarray:
        """With pointers to arrays on the device; None is the null pointer."""
        packed = self.packing.pack(*[_plain(values[name]) for name in self.names])
        return np.frombuffer(packed, self.dtype)  # of size one, as CuPy wants it


def _plain(value: Any) -> Any:
    if value is None:
        return 0
    return value.data.ptr if isinstance(value, cp.ndarray) else value


@cache
def _module(source: str, cooperative: bool, options: tuple[str, ...]) -> Any:
    folder = Path(__file__).parent
    code = (folder / "device.cuh").read_text() + (folder / source).read_text()
    # Fused multiply-adds would round ratings otherwise than the specification does.
    return cp.RawModule(
        code=code,
        options=("--std=c++17", "--fmad=false", *options),
        enable_cooperative_groups=cooperative,
    )


@cache
def kernel(source: str, name: str, cooperative: bool, options: tuple[str, ...]) -> Any:
    """A kernel of a file of this package, compiled when it is first launched on a device."""
    return _module(source, cooperative, options).get_function(name)


@cache
def _processors_of(device: int) -> int:
    count = cp.cuda.runtime.cudaDevAttrMultiProcessorCount
    return int(cp.cuda.runtime.deviceGetAttribute(count, device))


def num_processors() -> int:
    """Of the current device."""
    return _processors_of(cp.cuda.Device().id)


@cache
def _blocks_at_once(function: Any, device: int, threads: int, shared: int) -> int:
    per_processor = cp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
        function.kernel.ptr, threads, shared
    )
    return int(per_processor) * _processors_of(device)


class Launcher:
    """Launches the kernels of one file for graphs with one type of positions."""

    def __init__(self, source: str, offset: Any, *options: str) -> None:
        self.source = source
        name = "int" if offset == cp.int32 else "i64"
        self.options = (f"-DOFFSET={name}", *options)

    def at_once(self, name: str, items: int, arguments: tuple[Any, ...]) -> None:
        """By as many blocks as can run at once, which may wait for each other."""
        function = kernel(self.source, name, True, self.options)
        most = _blocks_at_once(function, cp.cuda.Device().id, THREADS, 0)
        blocks = max(1, min(-(-items // THREADS), most))
        function((blocks,), (THREADS,), arguments)

    def in_turns(
        self,
        name: str,
        blocks: int,
        arguments: tuple[Any, ...],
        threads: int = THREADS,
        shared: int = 0,
    ) -> None:
        """By so many blocks, or as many as run at once, which take turns at the work."""
        function = kernel(self.source, name, False, self.options)
        most = _blocks_at_once(function, cp.cuda.Device().id, threads, shared)
        function((max(1, min(blocks, most)),), (threads,), arguments, shared_mem=shared)

    def for_each(self, name: str, items: int, arguments: tuple[Any, ...]) -> None:
        """By a thread for each item."""
        function = kernel(self.source, name, False, self.options)
        function((max(1, -(-items // THREADS)),), (THREADS,), arguments)

    def allow_shared(self, name: str, most: int) -> None:
        function = kernel(self.source, name, False, self.options)
        if function.max_dynamic_shared_size_bytes < most:
            function.max_dynamic_shared_size_bytes = most
