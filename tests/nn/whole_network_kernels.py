"""The kernels of whole networks on an emulated device: their own code, for a processor."""

from __future__ import annotations

from typing import Any

import pytest
from cuda_on_cpu import emulated
from emulated_device import KERNELS, EmulatedDevice, emulate

from multiscale_gcn.ops.whole_network import on_cuda

FILE = "whole_network/{}.cu"
SOME_THREADS = 64
"""Of a block here: two warps, so that each has several items of most instructions."""


def arrange_weights(where: int, grid: Any, options: dict[str, int]) -> None:
    kinds = ("int*", "float*", "Parameters")
    kernel = emulated(FILE.format("arrange"), "arrange_weights", kinds, tuple(options.items()))
    assert kernel(where, grid[0]) == 0


def walk_network(where: int, grid: Any, options: dict[str, int]) -> None:
    kinds = ("int*", "float*", "long long", "long long", "Ends")
    kernel = emulated(FILE.format("walk"), "walk_network", kinds, tuple(options.items()))
    assert kernel(where, grid[0]) == 0


def emulate_whole_networks(monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    """A device on which one kernel is chosen; to be forgotten as any other."""
    device = emulate(monkeypatch)
    for kernel in (arrange_weights, walk_network):
        monkeypatch.setitem(KERNELS, kernel.__name__, kernel)
    monkeypatch.setattr(on_cuda, "MEASURED", ((9, 0),))
    monkeypatch.setattr(on_cuda, "THREADS", SOME_THREADS)
    return device
