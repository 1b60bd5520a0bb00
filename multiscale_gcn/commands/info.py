"""info: what a report of a bug needs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from multiscale_gcn.backends import BackendUnavailable, backend_names, select_backend

LIBRARIES = (
    "numpy", "scipy", "networkx", "numba", "torch", "cupy", "torch_geometric", "matplotlib",
    "plotly", "trimesh", "meshio", "pyamg", "pymetis", "pandas", "pyarrow", "duckdb",
)  # fmt: skip
"""By the names that they are imported by; cupy stands for each of its builds."""
CUPY_BUILDS = ("cupy", "cupy-cuda12x", "cupy-cuda13x")


@dataclass(frozen=True)
class Info:
    """Versions, backends and why each can run here or not, threads and GPUs."""

    def run(self) -> None:
        print(f"multiscale-gcn {version('multiscale-gcn')}, {Path(__file__).parents[1]}")
        print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores")
        for name in LIBRARIES:
            print(f"{name:<16} {_version(name)}")
        print("backends")
        for name in backend_names():
            print(f"{name:<16} {_state(name)}")
        print(f"threads          {_threads()}")
        print(f"GPUs             {_devices()}")


def _version(name: str) -> str:
    for distribution in CUPY_BUILDS if name == "cupy" else (name,):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "not installed"


def _state(name: str) -> str:
    try:
        select_backend(name)
    except BackendUnavailable as error:
        return f"cannot run: {error}"
    return "can run"


def _threads() -> str:
    try:
        import numba
    except ImportError as error:
        return f"numba cannot be imported: {error}"
    return f"{numba.get_num_threads()} of Numba"


def _devices() -> str:
    try:
        import torch
    except ImportError:
        return "unknown, as torch is not installed"
    count = torch.cuda.device_count()
    return ", ".join(torch.cuda.get_device_name(k) for k in range(count)) or "none that torch sees"
