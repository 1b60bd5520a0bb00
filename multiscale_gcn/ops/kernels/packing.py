"""How arguments reach the driver, which takes the addresses of all of them as one array.

CuPy's own launcher makes an object of every argument at every launch; here a thread keeps room for
arguments of the same types, and packs them into it. The driver copies them before it returns.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

current_device: Callable[[], int] = getattr(torch._C, "_cuda_getDevice", lambda: -1)
"""``torch.cuda.current_device`` of a process that has tensors on a device."""
current_stream: Callable[[int], int] = getattr(
    torch._C, "_cuda_getCurrentRawStream", lambda index: 0
)

_CODES: dict[type, str] = {
    Tensor: "P",
    nn.Parameter: "P",
    type(None): "P",
    bool: "?",
    int: "q",
    float: "d",
}


class Packing:
    """Room for arguments of certain types, as C lays out a struct of them.

    Attributes
    ----------
    into : callable
        Takes the arguments, as numbers, and writes them.
    address : int
        Where the addresses of all arguments stand, for the driver.
    """

    def __init__(self, codes: Iterable[str]) -> None:
        codes = list(codes)
        packing = struct.Struct("@" + "".join(codes))
        self._room = ctypes.create_string_buffer(max(1, packing.size))
        begin = ctypes.addressof(self._room)
        offsets = [
            struct.calcsize("@" + "".join(codes[:place]) + "0" + code)
            for place, code in enumerate(codes)
        ]
        self._places = (ctypes.c_void_p * len(codes))(*(begin + offset for offset in offsets))
        self._pack = packing.pack_into
        self.address: int = ctypes.addressof(self._places)

    def into(self, *values: Any) -> None:
        self._pack(self._room, 0, *values)


class _OfThread(threading.local):
    """What no other thread may write to while the driver reads it."""

    def __init__(self) -> None:
        self.packings: dict[tuple[type, ...], Packing] = {}
        self.drivers: dict[int, Callable[..., None]] = {}


_of_thread = _OfThread()


def code_of(kind: type) -> str:
    """The letter by which ``struct`` knows a type of arguments."""
    code = _CODES.get(kind)
    if code is None:
        code = "P" if issubclass(kind, Tensor) else np.dtype(kind).char
    return code


def pack(arguments: Sequence[Any]) -> int:
    """Write down arguments of a kernel, and tell where their addresses are."""
    kinds = tuple(map(type, arguments))
    packing = _of_thread.packings.get(kinds)
    if packing is None:
        packing = _of_thread.packings[kinds] = Packing(map(code_of, kinds))
    packing.into(*map(as_number, arguments))
    return packing.address


def as_number(argument: Any) -> Any:
    """A tensor as its address, and None as no address."""
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    return 0 if argument is None else argument


def driver_of_thread(index: int) -> Callable[..., None]:
    """What launches kernels on a device, which this thread has touched then."""
    launch = _of_thread.drivers.get(index)
    if launch is None:
        from cupy.cuda import driver, runtime

        runtime.setDevice(index)
        runtime.memGetInfo()  # the driver wants a context that is current in this thread
        launch = _of_thread.drivers[index] = driver.launchKernel
    return launch
