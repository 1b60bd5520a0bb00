"""What the kernels that walk along sorted nodes share: launches, and room for gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

from multiscale_gcn.ops.kernels.arguments import alignment, empty_by_node, up_to_16_bytes
from multiscale_gcn.ops.kernels.launch import Kernels, kernels_of, shared_memory_per_block
from multiscale_gcn.ops.kernels.number_types import DTYPES, real_type
from multiscale_gcn.ops.nonlocal_attention.walk_division import (
    STEP,
    WalkDivision,
    WalkSizes,
    divide_walk,
)

BLOCK = "nonlocal_attention/nonlocal_block.cu"
CHUNKS = "nonlocal_attention/nonlocal_chunks.cu"
CHUNK = 64
"""Entries of the sorted list that one block walks along in a larger graph."""
GROUP = 8
"""Chunks that one block sums up first."""


def parts_of(joined: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Source, target and value of so many channels."""
    return joined[..., channels], joined[..., channels + 1], joined[..., :channels]


def joined_columns(value: Tensor) -> int:
    """Of the gradients of values, sources and targets, side by side, and zeros behind."""
    return up_to_16_bytes(value.shape[2] + 2, value)


@cache
def walking_kernels(file: str, element: int, width: int, copy: int) -> Kernels:
    options = {"ELEMENT": element, "WIDTH": width, "COPY": copy, "STEP": STEP}
    if file == CHUNKS:
        options |= {"LENGTH": CHUNK, "GROUP": GROUP}
    return kernels_of(file, **options)


def divide(
    read: tuple[Tensor, ...],
    written: tuple[Tensor, ...] = (),
    *,
    rows: int,
    entries: int,
    ways: int = 1,
    sorted_nodes: int = 0,
) -> WalkDivision:
    x = read[0]
    reading = alignment(*read)
    writing = min(reading, alignment(*written))
    memory = shared_memory_per_block(x.device.index)
    number = (x.shape[2], x.element_size())
    return divide_walk(
        WalkSizes(*number, reading, writing, rows, entries, ways, sorted_nodes, memory)
    )


def launch(
    file: str,
    name: str,
    value: Tensor,
    chosen: WalkDivision,
    blocks: int,
    threads: int,
    arguments: tuple[Any, ...],
) -> None:
    kernels = walking_kernels(file, DTYPES[value.dtype], chosen.width, chosen.copy)
    grid = (blocks, chosen.slices)
    kernels.launch(name, grid, (threads,), arguments, value.device, chosen.shared_memory)


class JoinedGradients:
    """Gradients of values, sources and targets, side by side, and zeros behind.

    As many as fill rows of 16 bytes, which fast matrix products want.
    """

    def __init__(self, value: Tensor) -> None:
        batch, nodes, channels = value.shape
        self.whole = empty_by_node(value, joined_columns(value))
        self.for_source, self.for_target, self.for_value = parts_of(self.whole, channels)
        self.padding = self.whole[..., channels + 2 :]
        self.shape = (batch, nodes)
        self.parts: Tensor | None = None

    def arguments(self, value: Tensor, slices: int) -> tuple[Any, ...]:
        if slices > 1:
            wide = real_type(value.dtype)
            self.parts = value.new_empty((slices, 2, *self.shape), dtype=wide)
        strides = self.whole.stride()[:2]
        results = (self.for_value, self.for_source, self.for_target)
        return (*results, *strides, self.padding.shape[2], self.parts)

    def finish(self) -> Tensor:
        if self.parts is not None:
            sums = self.parts.sum(0)
            self.for_source.copy_(sums[0])
            self.for_target.copy_(sums[1])
            self.padding.zero_()
        return self.whole
