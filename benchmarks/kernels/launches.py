"""Time what one launch costs the host, by each route there is.

Run from a clone with a GPU: ``python -m benchmarks.kernels.launches``. The kernel does nothing with
its arguments, 8 pointers, 12 integers and a number. ``cuda.bindings`` is timed if it is installed.
"""

from __future__ import annotations

import ctypes
import statistics
import struct
import time
from collections.abc import Callable

import torch

CODE = """
extern "C" __global__ void idle(
    char* a, char* b, char* c, char* d, char* e, char* f, char* g, char* h,
    long long i, long long j, long long k, long long l, long long m, long long n,
    long long o, long long p, long long q, long long r, long long s, long long t, double u) {}
"""
POINTERS, NUMBERS = 8, 12
Launch = Callable[[], object]


def microseconds(launch: Launch, burst: int = 100, repeats: int = 30) -> float:
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(burst):
            launch()
        times.append(1e6 * (time.perf_counter() - start) / burst)
    torch.cuda.synchronize()
    return statistics.median(times[3:])


def routes() -> dict[str, Launch]:
    import cupy
    from cupy.cuda import driver

    kernel = cupy.RawModule(code=CODE).get_function("idle").kernel
    x = torch.zeros(1, device="cuda")
    values = (*[x.data_ptr()] * POINTERS, *range(NUMBERS), 0.5)
    stream = torch.cuda.current_stream().cuda_stream
    borrowed = type("Stream", (), {"ptr": stream})()
    packing = struct.Struct("Q" * POINTERS + "q" * NUMBERS + "d")
    packed = ctypes.create_string_buffer(packing.size)
    begin = ctypes.addressof(packed)
    places = (ctypes.c_void_p * len(values))(*(begin + 8 * k for k in range(len(values))))
    where = ctypes.addressof(places)
    sizes = (1, 1, 1, 32, 1, 1, 0)

    def by_driver() -> None:
        packing.pack_into(packed, 0, *values)
        driver.launchKernel(kernel.ptr, *sizes, stream, where, 0)

    def by_ctypes() -> None:
        packing.pack_into(packed, 0, *values)
        library.cuLaunchKernel(function, *sizes, stream_handle, places, None)

    def by_bindings() -> None:
        packing.pack_into(packed, 0, *values)
        bindings.cuLaunchKernel(kernel.ptr, *sizes, stream, where, 0)

    library = ctypes.CDLL("libcuda.so.1")
    function, stream_handle = ctypes.c_void_p(kernel.ptr), ctypes.c_void_p(stream)
    one = torch.zeros(1, device="cuda")
    found: dict[str, Launch] = {
        "PyTorch, x + y": lambda: x + one,
        "CuPy's function": lambda: kernel((1,), (32,), values, 0, borrowed),
        "packed arguments, driver by CuPy": by_driver,
        "packed arguments, driver by ctypes": by_ctypes,
        "torch.empty": lambda: torch.empty((48, 64, 128), device=x.device),
        "x.new_empty": lambda: x.new_empty((48, 64, 128)),
        "x.data_ptr()": x.data_ptr,
        "PyTorch's current stream": lambda: torch._C._cuda_getCurrentRawStream(0),
        "torch.cuda.current_device": torch.cuda.current_device,
        "torch.autocast": _under_autocast,
    }
    try:
        from cuda.bindings import driver as bindings  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return found
    return found | {"packed arguments, driver by cuda.bindings": by_bindings}


def _under_autocast() -> None:
    with torch.autocast("cuda", enabled=False):
        pass


if __name__ == "__main__":
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; microseconds of the host")
    for name, launch in routes().items():
        print(f"{name:42} {microseconds(launch):6.2f}", flush=True)
