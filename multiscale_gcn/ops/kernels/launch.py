"""How a CuPy kernel runs inside PyTorch. No other file of this package knows.

Memory is PyTorch's: kernels take and fill tensors that ``torch.empty`` made, and CuPy's pool is
never used, which would spoil the capture of a CUDA graph. A launch goes to PyTorch's current
stream, on the device of the tensors. CuPy is imported when the first kernel is loaded.

An operator on a device is three things: kernels in its folder, a function that launches them and
that :func:`~multiscale_gcn.ops.kernels.registration.define` makes known to PyTorch, and outside of
it an ``autograd.Function``. So ``torch.compile`` sees one opaque operator with a known shape,
forward and backward. Where nothing of PyTorch watches, calls that were made before are repeated by
:class:`~multiscale_gcn.ops.kernels.prepared.PreparedCalls`.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from multiscale_gcn.ops.kernels.packing import (
    current_device,
    current_stream,
    driver_of_thread,
    pack,
)
from multiscale_gcn.ops.kernels.rehearsal import rehearsal_of_thread

FOLDER = Path(__file__).parents[1]
"""Of the operators: the files of kernels are named from here."""
HEADERS = Path(__file__).parent
"""Where a file is found that does not stand beside the one that includes it."""


@dataclass(frozen=True)
class Kernels:
    """The kernels of one file, compiled with the same options.

    Each is compiled once for a device, by its first launch there. Files include others of the same
    folder and those of ``ops/kernels``, but no headers of CUDA, which CuPy need not find.

    Parameters
    ----------
    file : str
        With its folders in ``ops``: ``"batch_norm/batch_norm.cu"``.
    options : tuple of str
        For NVRTC: ``"-DCHANNELS=128"`` and the like.
    architecture : str, optional
        Such as ``"sm_90a"``, for instructions that only one architecture has. The default is the
        device's own.
    """

    file: str
    options: tuple[str, ...] = ()
    architecture: str | None = None
    _loaded: dict[tuple[str, int], int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _alive: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
        device: torch.device,
        shared_memory: int = 0,
    ) -> None:
        """Launch a kernel on PyTorch's current stream of a device.

        Parameters
        ----------
        name : str
            As ``extern "C"`` names it in the file.
        grid, block : tuple of int
            Blocks, and threads of a block. With an empty grid nothing is launched.
        arguments : sequence
            A tensor arrives as a pointer, ``None`` as a null pointer, an ``int`` as ``long long``,
            a ``float`` as ``double``, and a numpy scalar as what it is.
        device : torch.device
            Where all the tensors are.
        shared_memory : int
            Bytes of dynamic shared memory for a block.

        Raises
        ------
        RuntimeError
            If a CUDA graph is being captured and the kernel is not compiled yet.
        """
        if 0 in grid:
            return
        index = device.index
        if index != current_device():
            with torch.cuda.device(index):
                self.launch(name, grid, block, arguments, device, shared_memory)
            return
        address = self._loaded.get((name, index))
        if address is None:
            address = self.load(name, device)
        sizes = (*grid, 1, 1)[:3] + (*block, 1, 1)[:3] + (shared_memory,)
        rehearsal = rehearsal_of_thread()
        if rehearsal is not None:
            rehearsal.launch(address, sizes, arguments)
        driver_of_thread(index)(address, *sizes, current_stream(index), pack(arguments), 0)

    def load(self, name: str, device: torch.device) -> int:
        """Compile a kernel for a device now, as its first launch would do otherwise.

        Returns
        -------
        int
            The driver's name for it.
        """
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                f"the kernel {name} is not compiled yet, and a CUDA graph is being captured; run "
                "the operator once with the same types and sizes before the capture"
            )
        key = (name, _index(device))
        if key not in self._loaded:
            with torch.cuda.device(key[1]):
                kernel = _module(self.file, self.options, self.architecture).get_function(name)
                kernel.max_dynamic_shared_size_bytes = (
                    shared_memory_per_block(key[1]) - kernel.shared_size_bytes
                )
                self._alive.append(kernel.kernel)
                self._loaded[key] = kernel.kernel.ptr
        return self._loaded[key]


@cache
def shared_memory_per_block(index: int) -> int:
    """Bytes, the most that a kernel on this device may ask for."""
    from cupy.cuda import runtime

    attribute = runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin
    return int(runtime.deviceGetAttribute(attribute, index))


@cache
def kernels_of(file: str, *, architecture: str | None = None, **options: int) -> Kernels:
    """The kernels of a file, compiled with these numbers defined."""
    defined = tuple(f"-D{name}={value}" for name, value in options.items())
    return Kernels(file, defined, architecture)


@cache
def multiprocessors(index: int) -> int:
    """Of a device: so many blocks surely run at once."""
    return int(torch.cuda.get_device_properties(index).multi_processor_count)


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


def code_of(path: Path) -> str:
    """The code of a file, with what it includes: from its own folder, or a shared header."""

    def included(name: str) -> str:
        beside = path.parent / name
        return code_of(beside if beside.exists() else HEADERS / name)

    return re.sub(r'#include "(.+)"', lambda found: included(found[1]), path.read_text())


@cache
def _module(file: str, options: tuple[str, ...], architecture: str | None) -> Any:
    """A module of CuPy, which keeps what it compiled for every device, and in a folder on disk."""
    import cupy

    code = code_of(FOLDER / file)
    options = ("--std=c++17", *options)
    if architecture is None:
        return cupy.RawModule(code=code, options=options)
    return cupy.RawModule(path=str(_cubin(file, code, (*options, f"-arch={architecture}"))))


def _cubin(file: str, code: str, options: tuple[str, ...]) -> Path:
    """Compile for an architecture that CuPy would not choose, unless an earlier process did."""
    from cupy_backends.cuda.libs import nvrtc

    key = hashlib.sha256(repr((code, options, nvrtc.getVersion())).encode()).hexdigest()
    folder = os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache"
    path = Path(folder) / f"multiscale_gcn-{key}.cubin"
    if path.exists():
        return path
    program = nvrtc.createProgram(code, Path(file).name, (), ())
    try:
        nvrtc.compileProgram(program, options)
        cubin = nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{file}: {error}\n{nvrtc.getProgramLog(program)}") from error
    finally:
        nvrtc.destroyProgram(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(cubin)
    Path(temporary).replace(path)
    return path
