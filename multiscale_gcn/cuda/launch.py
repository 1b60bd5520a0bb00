"""Memory for kernels on a CUDA device, their arguments, and how they are launched."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import cupy as cp
import numpy as np

THREADS = 256
"""Of every block, where a kernel does not say otherwise."""
PACKAGE = Path(__file__).parents[1]


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
        self.memory: Any = cp.cuda.alloc(total)
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
        self.names: tuple[str, ...] = tuple(members)
        # Aligned as by a C compiler, and padded to the largest member.
        self.packing: struct.Struct = struct.Struct(
            "@" + "".join(codes[kind] for kind in members.values()) + "0Q"
        )
        self.dtype: Any = np.dtype((np.void, self.packing.size))

    def __call__(self, **values: Any) -> np.ndarray:
        """With pointers to arrays on the device; None is the null pointer."""
        packed = self.packing.pack(*[_plain(values[name]) for name in self.names])
        return np.frombuffer(packed, self.dtype)  # of size one, as CuPy wants it


def _plain(value: Any) -> Any:
    if value is None:
        return 0
    return value.data.ptr if isinstance(value, cp.ndarray) else value


@cache
def _module(source: str, prelude: str, cooperative: bool, options: tuple[str, ...]) -> Any:
    shared = Path(__file__).with_name("device.cuh").read_text()
    code = prelude + shared + (PACKAGE / source).read_text()
    # Fused multiply-adds would round ratings otherwise than the specification does.
    return cp.RawModule(
        code=code,
        options=("--std=c++17", "--fmad=false", *options),
        enable_cooperative_groups=cooperative,
    )


@cache
def kernel(
    source: str, prelude: str, name: str, cooperative: bool, options: tuple[str, ...]
) -> Any:
    """A kernel of a file of this package, compiled when it is first launched on a device."""
    return _module(source, prelude, cooperative, options).get_function(name)


@cache
def _processors_of(device: int) -> int:
    count = cp.cuda.runtime.cudaDevAttrMultiProcessorCount
    return int(cp.cuda.runtime.deviceGetAttribute(count, device))


def multiprocessors() -> int:
    """Of the current device."""
    return _processors_of(cp.cuda.Device().id)


@cache
def _blocks_at_once(function: Any, device: int, threads: int, shared: int) -> int:
    per_processor = cp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
        function.kernel.ptr, threads, shared
    )
    return int(per_processor) * _processors_of(device)


class Launcher:
    """Launches the kernels of one file for graphs with one type of positions.

    Parameters
    ----------
    source : str
        The file, from the folder of this package.
    offset : dtype
        Of the positions.
    *options : str
        Of the compiler.
    prelude : str
        Source text that goes before that of the file.
    """

    def __init__(self, source: str, offset: Any, *options: str, prelude: str = "") -> None:
        self.source: str = source
        self.prelude: str = prelude
        name = "int" if offset == cp.int32 else "i64"
        self.options: tuple[str, ...] = (f"-DOFFSET={name}", *options)

    def _kernel(self, name: str, cooperative: bool = False) -> Any:
        return kernel(self.source, self.prelude, name, cooperative, self.options)

    def at_once(self, name: str, items: int, arguments: tuple[Any, ...]) -> None:
        """By as many blocks as can run at once, which may wait for each other."""
        function = self._kernel(name, cooperative=True)
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
        function = self._kernel(name)
        most = _blocks_at_once(function, cp.cuda.Device().id, threads, shared)
        function((max(1, min(blocks, most)),), (threads,), arguments, shared_mem=shared)

    def for_each(self, name: str, items: int, arguments: tuple[Any, ...]) -> None:
        """By a thread for each item."""
        function = self._kernel(name)
        function((max(1, -(-items // THREADS)),), (THREADS,), arguments)

    def allow_shared(self, name: str, most: int) -> None:
        function = self._kernel(name)
        if function.max_dynamic_shared_size_bytes < most:
            function.max_dynamic_shared_size_bytes = most
