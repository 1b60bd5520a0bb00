"""The kernels of whole networks on an emulated device: their own code, for a processor."""

from __future__ import annotations

from typing import Any

import pytest
from emulated_device import KERNELS, EmulatedDevice, emulate
from kernels_on_host import HostKernels

from multiscale_gcn.ops.whole_network import on_cuda

SOME_THREADS = 64
"""Of a block here: two warps, so that each has several items of most instructions."""


def arrange_weights(where: int, sizes: Any, options: dict[str, int]) -> None:
    _run("arrange", "arrange_weights", where, sizes, options)


def walk_network(where: int, sizes: Any, options: dict[str, int]) -> None:
    _run("walk", "walk_network", where, sizes, options)


def _run(file: str, name: str, where: int, sizes: Any, options: dict[str, int]) -> None:
    kernels = HostKernels(f"whole_network/{file}.cu", options)
    kernels.launch_packed(name, sizes[:2], sizes[3], sizes[6], False, where)


def emulate_whole_networks(monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    """A device on which one kernel is chosen; to be forgotten as any other."""
    device = emulate(monkeypatch)
    for kernel in (arrange_weights, walk_network):
        monkeypatch.setitem(KERNELS, kernel.__name__, kernel)
    monkeypatch.setattr(on_cuda, "MEASURED", ((9, 0),))
    monkeypatch.setattr(on_cuda, "THREADS", SOME_THREADS)
    return device
