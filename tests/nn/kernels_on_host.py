"""Kernels of CUDA, compiled for the host by g++: ``device_on_host`` has what a device has."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from multiscale_gcn.ops.kernels.launch import FOLDER, HEADERS
from multiscale_gcn.ops.kernels.packing import pack

HOST = Path(__file__).parent / "device_on_host"
COMPILER = shutil.which("g++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")

ORDERS = (False, True)
"""Threads take turns forwards, and copies arrive as late as they may; or backwards, and they arrive
at once. So what is read too early, or overwritten too early, is seen."""

NAMES = re.compile(r'extern "C" __global__ void\s+__launch_bounds__\([^)]*\)\s+(\w+)\(')
LAUNCHER = """
extern "C" const char* run_{0}(unsigned across, unsigned down, unsigned threads, int bytes,
                               bool backwards, void** arguments) {{
    return launch({0}, across, down, threads, bytes, backwards, arguments);
}}
"""


def on_host(path: Path) -> str:
    """The code, with the host's version of what only a device has."""

    def included(found: re.Match[str]) -> str:
        folders = (HOST, path.parent, HEADERS)
        return on_host(next(each / found[1] for each in folders if (each / found[1]).exists()))

    code = re.sub(
        r"extern __shared__ __align__\(\d+\) (\w+) (\w+)\[\];",
        r"\1* \2 = reinterpret_cast<\1*>(shared_memory);",
        path.read_text(),
    )
    return re.sub(r'#include "(.+)"', included, code)


@cache
def _library(file: str, options: tuple[tuple[str, int], ...]) -> ctypes.CDLL:
    code = on_host(FOLDER / file)
    launchers = "".join(map(LAUNCHER.format, NAMES.findall(code)))
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w"]
    flags += ["-fsanitize=alignment,bounds", "-fsanitize-undefined-trap-on-error"]
    flags += [f"-D{name}={value}" for name, value in options]
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        source.write_text((HOST / "device.hpp").read_text() + code + launchers)
        told = subprocess.run(
            [str(COMPILER), *flags, "-o", str(library), str(source)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        return ctypes.CDLL(str(library))


class HostKernels:
    """The kernels of a file, compiled with some options once in a process."""

    def __init__(self, file: str, options: dict[str, int]) -> None:
        self._library = _library(file, tuple(options.items()))

    def launch_packed(
        self,
        name: str,
        grid: tuple[int, int],
        threads: int,
        shared_memory: int,
        backwards: bool,
        arguments: int,
    ) -> None:
        """Run all blocks; ``arguments`` is where the addresses of arguments are."""
        function = getattr(self._library, f"run_{name}")
        function.restype = ctypes.c_char_p
        told = function(*grid, threads, shared_memory, backwards, ctypes.c_void_p(arguments))
        assert told is None, told.decode()

    def launch(
        self,
        name: str,
        grid: tuple[int, int],
        threads: int,
        shared_memory: int,
        backwards: bool,
        *arguments: Any,
    ) -> None:
        """The same with arguments as :meth:`multiscale_gcn.ops.kernels.launch.Kernels.launch`."""
        packed = pack(arguments)
        self.launch_packed(name, grid, threads, shared_memory, backwards, packed)
