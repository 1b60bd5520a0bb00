"""Kernels of CUDA, compiled for the host by g++: ``device_on_host`` has what a device has."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from multiscale_gcn.ops.kernels.launch import FOLDER, HEADERS

HOST = Path(__file__).parent / "device_on_host"
COMPILER = shutil.which("g++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")


def on_host(path: Path) -> str:
    """The code, with the host's version of what only a device has."""

    def included(found: re.Match[str]) -> str:
        folders = (HOST, path.parent, HEADERS)
        return on_host(next(each / found[1] for each in folders if (each / found[1]).exists()))

    here = "float* memory = reinterpret_cast<float*>(::memory);"
    code = re.sub(r"extern __shared__ .* float memory\[\];", here, path.read_text())
    return re.sub(r'#include "(.+)"', included, code.replace("extern __shared__", "extern"))


def compiled(file: str, calls: str, folder: Path, options: dict[str, int]) -> ctypes.CDLL:
    """A library of a file of kernels and of the functions that call them, made in a folder."""
    source, library = folder / "kernel.cpp", folder / "kernel.so"
    source.write_text((HOST / "device.hpp").read_text() + on_host(FOLDER / file) + calls)
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w"]
    flags += ["-fsanitize=alignment,bounds", "-fsanitize-undefined-trap-on-error"]
    flags += [f"-D{name}={value}" for name, value in options.items()]
    told = subprocess.run(
        [str(COMPILER), *flags, "-o", str(library), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return ctypes.CDLL(str(library))
