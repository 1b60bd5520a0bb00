"""Streams that are not there, and a watch over them: who reads or writes what before it may.

Every call of PyTorch, and every launch on the emulated device, is done at once, and noted as if it
were done on the stream that is current. Streams know of each other what they waited for. What is
wrong then, whatever the order in which a device would get to it, is

- to read or write what another stream writes,
- to write what another stream reads,
- to be handed memory that was given up while another stream still used it. Memory that was made
  on a stream is handed out on that stream again, at any later call there.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import emulated_device
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from multiscale_gcn.ops.kernels import packing, side_streams
from multiscale_gcn.ops.kernels.side_streams import LANES, SideStreams

Moment = tuple[int, int]
"""A stream, and how much it has done."""
_NEW = {"empty", "empty_strided", "new_empty", "new_empty_strided", "empty_like"}


class Race(AssertionError):
    """Somebody was too early."""


@dataclass
class _Stream:
    watch: Watch
    number: int

    @property
    def cuda_stream(self) -> int:
        return 100 + self.number

    def wait_stream(self, other: _Stream) -> None:
        own, its = self.watch.clocks[self.number], self.watch.clocks[other.number]
        self.watch.clocks[self.number] = [max(pair) for pair in zip(own, its, strict=True)]


@dataclass
class _Memory:
    alive: StorageWeakRef
    begin: int
    end: int
    stream: int
    """Where it was made."""
    written: Moment = (0, 0)
    read: set[Moment] = field(default_factory=set)


class Watch(TorchDispatchMode):
    """Streams, of which the first is current at the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.clocks = [[0] * LANES for _ in range(LANES)]
        self.streams = [_Stream(self, number) for number in range(LANES)]
        self.current = 0
        self.used: set[int] = set()
        self.memory: dict[int, _Memory] = {}
        self.packed: dict[int, list[int]] = {}
        """What tensors a launch was given, by where its arguments were packed."""

    @contextmanager
    def on(self, stream: _Stream) -> Iterator[None]:
        before, self.current = self.current, stream.number
        try:
            yield
        finally:
            self.current = before

    # ---------------------------------------------------------------------------------- PyTorch

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        given = _tensors((args, kwargs))
        may_write = {
            id(tensor): tensor
            for argument, value in zip(func._schema.arguments, args, strict=False)
            if argument.alias_info is not None and argument.alias_info.is_write
            for tensor in _tensors(value)
        }
        before = {key: _bytes(self._known(tensor)) for key, tensor in may_write.items()}
        result = func(*args, **kwargs)
        made = _tensors(result)
        if name in _NEW:
            for tensor in made:
                self._know(tensor, self.current)
                if tensor.is_floating_point():
                    _fill(tensor, float("nan"))
            self._tick()
            return result
        # Fused optimizers say that they write gradients, and do so where they are scaled.
        written = {
            key for key, tensor in may_write.items() if _bytes(self._known(tensor)) != before[key]
        }
        moment = self._tick()
        own = {self._known(tensor).alive.cdata for tensor in given}
        new = [t for t in made if StorageWeakRef(t.untyped_storage()).cdata not in own]
        if not (new or may_write):  # a view
            return result
        for tensor in given:
            memory = self._known(tensor)
            if id(tensor) in written:
                self._write(memory, moment, name)
            else:
                self._read(memory, moment, name)
        for tensor in new:
            self._write(self._know(tensor, self.current), moment, name)
        return result

    # ---------------------------------------------------------------------------------- kernels

    def launched(self, name: str, where: int, run: Callable[[], None]) -> None:
        """By the addresses that a launch was given; what changed was written."""
        moment = self._tick()
        found = {
            memory.begin: memory
            for memory in self.memory.values()
            if not memory.alive.expired()
            and any(memory.begin <= address < memory.end for address in self.packed[where])
        }
        before = {begin: _bytes(memory) for begin, memory in found.items()}
        run()
        for begin, memory in found.items():
            if _bytes(memory) == before[begin]:
                self._read(memory, moment, name)
            else:
                self._write(memory, moment, name)

    # ------------------------------------------------------------------------------------- rules

    def _tick(self) -> Moment:
        """The next thing that the current stream does, for which it may want memory."""
        clock = self.clocks[self.current]
        clock[self.current] += 1
        self.used.add(self.current)
        for key, memory in list(self.memory.items()):
            if memory.alive.expired() and memory.stream == self.current:
                self._behind({*memory.read, memory.written}, "memory handed out")
                del self.memory[key]
        return self.current, clock[self.current]

    def _behind(self, moments: set[Moment], what: str) -> None:
        for stream, count in moments:
            if count > self.clocks[self.current][stream]:
                raise Race(f"{what}: stream {self.current} is not behind stream {stream}")

    def _read(self, memory: _Memory, moment: Moment, what: str) -> None:
        self._behind({memory.written}, f"{what} reads")
        memory.read.add(moment)

    def _write(self, memory: _Memory, moment: Moment, what: str) -> None:
        self._behind({*memory.read, memory.written}, f"{what} writes")
        memory.written, memory.read = moment, set()

    def _know(self, tensor: Tensor, stream: int) -> _Memory:
        storage = tensor.untyped_storage()
        alive = StorageWeakRef(storage)
        begin = storage.data_ptr()
        memory = _Memory(alive, begin, begin + storage.nbytes(), stream)
        self.memory[alive.cdata] = memory
        return memory

    def _known(self, tensor: Tensor) -> _Memory:
        found = self.memory.get(StorageWeakRef(tensor.untyped_storage()).cdata)
        return self._know(tensor, 0) if found is None else found


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, Tensor)]


def _fill(tensor: Tensor, value: float) -> None:
    storage = tensor.untyped_storage()
    size = tensor.element_size()
    memory = (ctypes.c_char * storage.nbytes()).from_address(storage.data_ptr())
    kind: Any = {2: np.float16, 4: np.float32, 8: np.float64}[size]
    np.frombuffer(memory, kind)[:] = value  # type: ignore[call-overload]


def _bytes(memory: _Memory) -> bytes:
    return ctypes.string_at(memory.begin, memory.end - memory.begin)


@contextmanager
def watched_recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """What is done on the emulated device within is recorded, on streams that are watched."""
    watch = Watch()
    device = emulated_device.THE_DEVICE
    launch = device.launch

    def packed(arguments: Any) -> int:
        where = packing.pack(arguments)
        watch.packed[where] = [a.data_ptr() for a in arguments if isinstance(a, Tensor)]
        return where

    def launched(address: int, *rest: int) -> None:
        name = device.kernels[address - 1][0]
        watch.launched(name, rest[8], lambda: launch(address, *rest))

    with monkeypatch.context() as patch:
        patch.setattr(torch._C, "_len_torch_dispatch_stack", lambda: 0)
        patch.setattr(torch.cuda, "current_stream", lambda device: watch.streams[watch.current])
        patch.setattr(torch.cuda, "stream", watch.on)
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        patch.setattr(side_streams, "_new_streams", lambda device: watch.streams[1:])
        patch.setattr(side_streams, "_spare", defaultdict(list))
        patch.setattr(emulated_device.launch, "pack", packed)
        patch.setattr(emulated_device.launch, "driver_of_thread", lambda index: launched)
        main: Any = watch.streams[0]
        main.device = emulated_device.DEVICE
        with watch, SideStreams(main).recording():
            yield watch
