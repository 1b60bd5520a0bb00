"""Kernels of CUDA, compiled for a processor by g++ and called as the driver calls them."""

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

from multiscale_gcn.ops.kernels.launch import FOLDER

SHIM = Path(__file__).parent / "cuda_on_cpu.hpp"
REPLACED = {"float16.cuh", "instructions.cuh", "tensor_cores.cuh", "tf32.cuh"}
"""The headers that the shim has in its own way."""
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def translated(file: str, name: str, kinds: tuple[str, ...]) -> str:
    """The file, with what a device has of its own from the shim, and a plain function to call.

    ``kinds`` are the types of the kernel's parameters.
    """
    code = _with_headers(FOLDER / file)
    own = "int* shared = (int*)shared_memory;"
    code = code.replace("extern __shared__ __align__(16) int shared[];", own)
    code = re.sub(r"\b__shared__\b", "static", code)
    given = ", ".join(f"*({kind}*)arguments[{place}]" for place, kind in enumerate(kinds))
    return f"""{SHIM.read_text()}
{code}
static void** arguments;
extern "C" int emulated(void** given, int blocks) {{
    arguments = given;
    return run_blocks(blocks, [] {{ {name}({given}); }});
}}
"""


def _with_headers(path: Path) -> str:
    def included(found: re.Match[str]) -> str:
        name = found[1]
        return "" if name in REPLACED else _with_headers(path.parent / name)

    return re.sub(r'#include "(.+)"', included, path.read_text())


@cache
def emulated(
    file: str, name: str, kinds: tuple[str, ...], options: tuple[tuple[str, int], ...]
) -> Any:
    """A function of (addresses of arguments, blocks)."""
    folder = Path(tempfile.mkdtemp(prefix="cuda_on_cpu"))
    source, library = folder / "kernel.cpp", folder / "kernel.so"
    source.write_text(translated(file, name, kinds))
    defined = [f"-D{key}={value}" for key, value in options]
    flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-w"]
    made = subprocess.run(
        ["g++", *flags, *defined, str(source), "-o", str(library)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    function = ctypes.CDLL(str(library)).emulated
    function.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return function
