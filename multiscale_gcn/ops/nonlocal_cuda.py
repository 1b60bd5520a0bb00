"""Non-local attention on CUDA devices, as operators of PyTorch.

Both forms walk along the sorted sources and targets (``kernels/nonlocal.cuh``): beside the sort,
time and memory grow with N C. Up to ``MOST_NODES`` nodes one kernel sorts and walks. Beyond,
PyTorch sorts, and the walk is cut into chunks. Sums are taken in float32, or in float64 for
features of float64, and in a fixed order: results repeat bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops._launch import Kernels, define, num_processors, shared_memory_per_block
from multiscale_gcn.ops.arguments_cuda import (
    DTYPES,
    alignment,
    empty_by_node,
    place,
    real_type,
)
from multiscale_gcn.ops.layout import by_node

MOST_NODES = 256
"""Of a graph that one block sorts."""
CHUNK = 64
"""Entries of the sorted list that one block walks along in a larger graph."""
GROUP = 8
"""Chunks that one block sums up first."""
STEP = 8
"""Entries whose rows a thread reads at once."""
WIDTH_BYTES = 4
"""Of the channels that a thread has."""
MOST_THREADS = 256
MOST_WALKERS = 128
"""Threads that walk in one direction."""
TILE_BYTES = 72 << 10
"""More than this much shared memory is avoided: too few blocks would run at once."""
BLOCK, CHUNKS = "nonlocal_block.cu", "nonlocal_chunks.cu"
SCAN_COLUMNS, SCAN_THREADS = 8, 1024
KEY_THREADS = 256


def nonlocal_attention_cuda(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """y_i = (1 / N) sum_j ReLU(source_i + target_j) value_j."""
    result: Tensor = _Attention.apply(source.to(value.dtype), target.to(value.dtype), value)
    return result


def nonlocal_attention_joined_cuda(
    joined: Tensor,  # [B, N, C + 2]
) -> Tensor:  # [B, N, C]
    """The same of values, sources and targets that lie side by side, and so do their gradients."""
    result: Tensor = _JoinedAttention.apply(joined)
    return result


def _parts_of(joined: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Source, target and value."""
    return joined[..., -2], joined[..., -1], joined[..., :-2]


def _attend(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The result, and what the backward pass needs besides the arguments."""
    if value.shape[1] <= MOST_NODES:
        return FORWARD(source, target, value), []
    result, *kept = SORTED_FORWARD(source, target, value)
    return result, kept


def _gradient(
    gradient: Tensor, source: Tensor, target: Tensor, value: Tensor, kept: list[Tensor]
) -> Tensor:  # [B, N, C + 2]
    gradient = gradient.to(value.dtype)
    if kept:
        return SORTED_BACKWARD(gradient, value, *kept)
    return BACKWARD(gradient, source, target, value)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, value: Tensor) -> Tensor:
        result, kept = _attend(source, target, value)
        ctx.save_for_backward(source, target, value, *kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source, target, value, *kept = ctx.saved_tensors
        return _parts_of(_gradient(gradient, source, target, value, kept))


class _JoinedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, joined: Tensor) -> Tensor:
        result, kept = _attend(*_parts_of(joined))
        ctx.save_for_backward(joined, *kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        joined, *kept = ctx.saved_tensors
        return _gradient(gradient, *_parts_of(joined), kept)


# --------------------------------------------------------------------------------- the operators


@dataclass(frozen=True)
class Plan:
    """How the channels are divided among blocks and threads."""

    width: int
    copy: int
    slice: int
    slices: int
    walkers: int
    shared_memory: int


@dataclass(frozen=True)
class Sizes:
    """All that the division depends on: a tile of rows, read along a list of entries.

    Attributes
    ----------
    channels : int
    number : int
        Bytes of a number.
    reading, writing : int
        Bytes that divide the address and the length of every row that is read, and of every row.
    rows, entries : int
    ways : {1, 2}
        Directions that are walked in at once.
    sorted_nodes : int
        Nodes that the block must sort.
    memory : int
        Bytes of shared memory that a block may have.
    """

    channels: int
    number: int
    reading: int
    writing: int
    rows: int
    entries: int
    ways: int
    sorted_nodes: int
    memory: int


@cache
def plan(sizes: Sizes) -> Plan:
    """Slices of the channels as wide as shared memory and threads allow."""
    number, real = sizes.number, max(sizes.number, 4)
    width = max(1, min(WIDTH_BYTES, sizes.writing) // number)
    unit = max(sizes.reading // number, width)
    padded = -(-sizes.entries // STEP) * STEP
    entry = 4 * real
    sorting = 2 * (3 * real + 4) * (-(-sizes.sorted_nodes // 4) * 4)
    parts = (
        -(-sizes.channels // (slices * unit)) * unit
        for slices in range(1, sizes.channels // unit + 1)
    )
    for part in parts:
        walkers = 32 * -(-part // (32 * width))
        dots = walkers // 32 * real * padded if sizes.ways == 2 else 0
        tile = -(-(sizes.rows + 1) * part * number // 16) * 16
        memory = entry * padded + dots + tile + sorting
        small = tile <= TILE_BYTES or walkers == 32
        if walkers <= MOST_WALKERS and small and memory <= sizes.memory:
            slices = -(-sizes.channels // part)
            return Plan(width, sizes.reading, part, slices, walkers, memory)
    raise RuntimeError(f"{sizes.rows} rows do not fit into {sizes.memory} bytes of shared memory")


@cache
def _kernels(file: str, element: int, width: int, copy: int) -> Kernels:
    options = {"ELEMENT": element, "WIDTH": width, "COPY": copy, "STEP": STEP}
    if file == CHUNKS:
        options |= {"LENGTH": CHUNK, "GROUP": GROUP}
    return Kernels(file, tuple(f"-D{name}={value}" for name, value in options.items()))


def _divide(
    read: tuple[Tensor, ...],
    written: tuple[Tensor, ...] = (),
    *,
    rows: int,
    entries: int,
    ways: int = 1,
    sorted_nodes: int = 0,
) -> Plan:
    x = read[0]
    reading = alignment(*read)
    writing = min(reading, alignment(*written))
    memory = shared_memory_per_block(x.device.index)
    number = (x.shape[2], x.element_size())
    return plan(Sizes(*number, reading, writing, rows, entries, ways, sorted_nodes, memory))


def _launch(
    file: str,
    name: str,
    value: Tensor,
    chosen: Plan,
    blocks: int,
    threads: int,
    arguments: tuple[Any, ...],
) -> None:
    kernels = _kernels(file, DTYPES[value.dtype], chosen.width, chosen.copy)
    grid = (blocks, chosen.slices)
    kernels.launch(name, grid, (threads,), arguments, value.device, chosen.shared_memory)


def _placed(x: Tensor) -> Tensor:
    """With channels side by side; a copy if need be."""
    return x if x.stride(2) == 1 or x.shape[2] == 1 else by_node(x).transpose(0, 1)


def _threads(walking: int, value: Tensor) -> int:
    """No fewer than walk, and enough to rank all nodes; more where processors would idle."""
    batch, nodes, _ = value.shape
    ranked = 2 * nodes if batch <= num_processors(value.device.index) else nodes
    return max(walking, min(MOST_THREADS, 32 * -(-ranked // 32)))


class _Joined:
    """Gradients of values, sources and targets, side by side."""

    def __init__(self, value: Tensor) -> None:
        batch, nodes, channels = value.shape
        self.whole = empty_by_node(value, channels + 2)
        self.for_source, self.for_target, self.for_value = _parts_of(self.whole)
        self.shape = (batch, nodes)
        self.parts: Tensor | None = None

    def arguments(self, value: Tensor, slices: int) -> tuple[Any, ...]:
        if slices > 1:
            wide = real_type(value.dtype)
            self.parts = value.new_empty((slices, 2, *self.shape), dtype=wide)
        strides = self.whole.stride()[:2]
        return (self.for_value, self.for_source, self.for_target, *strides, self.parts)

    def finish(self) -> Tensor:
        if self.parts is not None:
            sums = self.parts.sum(0)
            self.for_source.copy_(sums[0])
            self.for_target.copy_(sums[1])
        return self.whole


def _forward(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    value = _placed(value)
    batch, nodes, channels = value.shape
    y = empty_by_node(value, channels)
    if y.numel() == 0:
        return y
    chosen = _divide((value,), (y,), rows=nodes, entries=2 * nodes, sorted_nodes=nodes)
    places = (*place(source), *place(target), *place(value), *place(y))
    threads = _threads(chosen.walkers, value)
    _launch(
        BLOCK, "attend", value, chosen, batch, threads, (*places, nodes, channels, chosen.slice)
    )
    return y


def _forward_fake(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    return empty_by_node(value, value.shape[2])


def _backward(gradient: Tensor, source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    value, gradient = _placed(value), _placed(gradient)
    batch, nodes, channels = value.shape
    results = _Joined(value)
    if value.numel() == 0:
        return results.whole.zero_()
    chosen = _divide(
        (value, gradient),
        (results.for_value,),
        rows=2 * nodes,
        entries=2 * nodes,
        ways=2,
        sorted_nodes=nodes,
    )
    places = (*place(source), *place(target), *place(value), *place(gradient))
    sizes = (nodes, channels, chosen.slice, chosen.walkers)
    arguments = (*places, *results.arguments(value, chosen.slices), *sizes)
    threads = _threads(2 * chosen.walkers, value)
    _launch(BLOCK, "attend_gradient", value, chosen, batch, threads, arguments)
    return results.finish()


def _backward_fake(gradient: Tensor, source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    return empty_by_node(value, value.shape[2] + 2)


def _num_groups(nodes: int) -> int:
    return -(-2 * nodes // (GROUP * CHUNK))


def _carry(x: Tensor, keys: Tensor, order: Tensor, of_sources: bool) -> Tensor:
    """Sums and moments of what comes before every chunk (targets) or behind it (sources).

    Those of its group, and those of the chunks of the group.
    """
    batch, nodes, channels = x.shape
    groups = _num_groups(nodes)
    chosen = _divide((x,), rows=0, entries=0)
    result = keys.new_empty((batch, groups, 1 + GROUP, 2, channels))
    sizes = (nodes, channels, chosen.slice)
    arguments = (*place(x), keys, order, result, int(of_sources), *sizes)
    _launch(CHUNKS, "totals", x, chosen, batch * groups, chosen.walkers, arguments)
    grid = (batch, -(-2 * channels // SCAN_COLUMNS))
    kernels = _kernels(CHUNKS, DTYPES[x.dtype], chosen.width, chosen.copy)
    arguments = (result, groups, 1 + GROUP, 2 * channels, int(of_sources))
    kernels.launch("scan", grid, (SCAN_THREADS,), arguments, x.device)
    return result


def _sorted_forward(
    source: Tensor, target: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    value = _placed(value)
    batch, nodes, channels = value.shape
    wide = real_type(value.dtype)
    keys = value.new_empty((batch, 2 * nodes), dtype=wide)
    y = empty_by_node(value, channels)
    if y.numel() == 0:
        return y, *_kept_fake(value)
    chosen = _divide((value,), (y,), rows=CHUNK, entries=CHUNK)
    kernels = _kernels(CHUNKS, DTYPES[value.dtype], chosen.width, chosen.copy)
    blocks = (-(-batch * nodes // KEY_THREADS),)
    arguments = (*place(source), *place(target), keys, batch, nodes)
    kernels.launch("make_keys", blocks, (KEY_THREADS,), arguments, value.device)
    keys, order = torch.sort(keys, dim=1, stable=True)
    before = _carry(value, keys, order, of_sources=False)
    places = (*place(value), keys, order, before, *place(y))
    sizes = (nodes, channels, chosen.slice)
    chunks = batch * _num_groups(nodes) * GROUP
    _launch(CHUNKS, "attend_chunks", value, chosen, chunks, chosen.walkers, (*places, *sizes))
    return y, keys, order, before


def _kept_fake(value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    batch, nodes, channels = value.shape
    wide = real_type(value.dtype)
    keys = value.new_empty((batch, 2 * nodes), dtype=wide)
    order = value.new_empty((batch, 2 * nodes), dtype=torch.int64)
    carry = (batch, _num_groups(nodes), 1 + GROUP, 2, channels)
    return keys, order, value.new_empty(carry, dtype=wide)


def _sorted_forward_fake(
    source: Tensor, target: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return empty_by_node(value, value.shape[2]), *_kept_fake(value)


def _sorted_backward(
    gradient: Tensor, value: Tensor, keys: Tensor, order: Tensor, before: Tensor
) -> Tensor:
    value, gradient = _placed(value), _placed(gradient)
    batch, nodes, channels = value.shape
    results = _Joined(value)
    if value.numel() == 0:
        return results.whole.zero_()
    behind = _carry(gradient, keys, order, of_sources=True)
    chosen = _divide((value, gradient), (results.for_value,), rows=CHUNK, entries=CHUNK, ways=2)
    places = (*place(value), *place(gradient), keys, order, before, behind)
    sizes = (batch, nodes, channels, chosen.slice, chosen.walkers)
    arguments = (*places, *results.arguments(value, chosen.slices), *sizes)
    chunks = batch * _num_groups(nodes) * GROUP
    _launch(CHUNKS, "attend_chunks_gradient", value, chosen, chunks, 2 * chosen.walkers, arguments)
    return results.finish()


def _sorted_backward_fake(
    gradient: Tensor, value: Tensor, keys: Tensor, order: Tensor, before: Tensor
) -> Tensor:
    return empty_by_node(value, value.shape[2] + 2)


FORWARD = define(
    "nonlocal_attention(Tensor source, Tensor target, Tensor value) -> Tensor",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "nonlocal_attention_backward(Tensor gradient, Tensor source, Tensor target, Tensor value) "
    "-> Tensor",
    cuda=_backward,
    fake=_backward_fake,
)
SORTED_FORWARD = define(
    "nonlocal_attention_sorted(Tensor source, Tensor target, Tensor value) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    cuda=_sorted_forward,
    fake=_sorted_forward_fake,
)
SORTED_BACKWARD = define(
    "nonlocal_attention_sorted_backward(Tensor gradient, Tensor value, Tensor keys, Tensor order, "
    "Tensor before) -> Tensor",
    cuda=_sorted_backward,
    fake=_sorted_backward_fake,
)
