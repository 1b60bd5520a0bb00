"""The whole layer in one kernel, for small graphs on Hopper: ``kernels/semgconv_sm90.cu``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from multiscale_gcn.ops._launch import Kernels, num_processors, shared_memory_per_block
from multiscale_gcn.ops.arguments_cuda import (
    DTYPES,
    aligned,
    empty_by_node,
    norm_arguments,
    real,
    rows_of_16_bytes,
)
from multiscale_gcn.ops.normalisation import Normalisation
from multiscale_gcn.ops.pattern import Pattern

CONSUMERS_AND_PRODUCER = 384
MOST_NODES = 128
"""Of a graph that the kernel takes."""
EXACT_FLOAT32 = 3
"""The kernel makes float32 products of three of tf32."""


def has_whole_layer(
    capability: tuple[int, int],
    dtype: torch.dtype,
    num_nodes: int,
    in_channels: int,
    out_channels: int,
) -> bool:
    """Whether there is a kernel for the whole layer of these sizes."""
    size = dtype.itemsize
    return (
        capability == (9, 0)
        and dtype in (torch.float32, torch.bfloat16, torch.float16)
        and num_nodes <= MOST_NODES
        and in_channels * size % 128 == 0
        and in_channels * size <= 512
        and out_channels % 32 == 0
    )


@dataclass(frozen=True)
class Plan:
    """How a layer is divided among blocks."""

    columns: int
    graphs: int
    stages: int
    blocks: int
    shared_memory: int
    scratch: bool


@dataclass(frozen=True)
class Sizes:
    """All that the division of a layer depends on."""

    batch: int
    nodes: int
    entries: int
    in_channels: int
    out_channels: int
    element: int
    matrices: int
    processors: int
    shared_memory: int

    @property
    def row_bytes(self) -> int:
        return self.in_channels * (2 if self.element in (1, 2) else 4)

    @property
    def products(self) -> int:
        """Matrix products in one: float32 takes three."""
        return 3 if self.element == EXACT_FLOAT32 else 1

    def divide(self, columns: int, graphs: int) -> Plan | None:
        """The plan with so many columns for a block and graphs for a tile, if it fits."""
        copies = 2 if self.element == EXACT_FLOAT32 else 1
        weights = copies * self.matrices * self.row_bytes * columns
        fixed = weights + 8 * columns + 4 * self.nodes + 4 * (self.nodes + 3) + 48
        tile = self.nodes * graphs * self.row_bytes
        tiles = -(-self.batch // graphs)
        blocks = max(1, min(tiles, self.processors // (self.out_channels // columns)))
        stages = min(2, (self.shared_memory - fixed) // tile, -(-tiles // blocks))
        if self.out_channels % columns or stages < 1:
            return None
        shared = fixed + stages * tile
        entries = 12 * self.entries
        scratch = shared + entries > self.shared_memory
        return Plan(columns, graphs, stages, blocks, shared + (0 if scratch else entries), scratch)

    def clocks(self, plan: Plan) -> float:
        """A rough count of the clock cycles that a plan takes."""
        rows = self.nodes * plan.graphs
        rounds = -(-self.batch // (plan.graphs * plan.blocks))
        share = -(-self.out_channels // plan.columns * plan.blocks // self.processors)
        row = self.row_bytes
        multiplying = self.products * self.matrices * row / 32 * plan.columns / 2
        mixing = rows * (self.entries / self.nodes + 1) * row / 128
        tile = 1000 + mixing + multiplying * (1 if rows <= 64 else 2) + 8 * rows
        return self.matrices * row * plan.columns / 32 + max(1, share) * rounds * tile


@cache
def plan(sizes: Sizes) -> Plan:
    """The division that takes the fewest clock cycles."""
    plans = [
        sizes.divide(columns, graphs)
        for columns in (128, 64, 32)
        if sizes.out_channels % columns == 0
        for graphs in range(1, MOST_NODES // sizes.nodes + 1)
    ]
    return min((p for p in plans if p is not None), key=sizes.clocks)


@cache
def _whole_kernels(
    element: int,
    weight_element: int,
    channels: tuple[int, int],
    nodes: int,
    matrices: int,
    transposed: bool,
    softmax: bool,
    columns: int,
    graphs: int,
    stages: int,
) -> Kernels:
    options = {
        "ELEMENT": element,
        "WEIGHT_ELEMENT": weight_element,
        "IN": channels[0],
        "OUT": channels[1],
        "COLUMNS": columns,
        "NODES": nodes,
        "GRAPHS": graphs,
        "STAGES": stages,
        "MATRICES": matrices,
        "TRANSPOSED": int(transposed),
        "SOFTMAX": int(softmax),
    }
    return Kernels(
        "semgconv_sm90.cu", tuple(f"-D{name}={value}" for name, value in options.items()), "sm_90a"
    )


def _allow_tf32() -> bool:
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # it was set by the newer of the two interfaces
        return torch.backends.cuda.matmul.fp32_precision == "tf32"


def whole_layer(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
    transposed: bool,
) -> Tensor:
    batch, nodes, in_channels = x.shape
    matrices = weight.shape[0]
    out_channels = weight.shape[1 if transposed else 2]
    element = DTYPES[x.dtype]
    if x.dtype == torch.float32 and not _allow_tf32():
        element = EXACT_FLOAT32
    if weight.dtype != x.dtype:
        weight = weight.float()
    x = rows_of_16_bytes(x)
    weight = aligned(weight.contiguous())
    index = x.device.index
    channels = (in_channels, out_channels)
    entries = pattern.rows.shape[0]
    chosen = plan(
        Sizes(
            batch,
            nodes,
            entries,
            *channels,
            element,
            matrices,
            num_processors(index),
            shared_memory_per_block(index),
        )
    )
    kernels = _whole_kernels(
        element,
        0 if weight.dtype == torch.float32 else element,
        channels,
        nodes,
        matrices,
        transposed,
        softmax,
        chosen.columns,
        chosen.graphs,
        chosen.stages,
    )
    y = empty_by_node(x, out_channels)
    grid = (chosen.blocks if batch else 0, out_channels // chosen.columns)
    scratch = None
    if chosen.scratch:
        scratch = given.new_empty(math.prod(grid) * entries * 4, dtype=torch.float32)
    kernels.launch(
        "semgconv_whole",
        grid,
        (CONSUMERS_AND_PRODUCER,),
        (
            x,
            x.stride(0),
            x.stride(1),
            y,
            y.stride(0),
            y.stride(1),
            batch,
            given.float().contiguous(),
            weight,
            real(bias, x),
            *norm_arguments(norm, x),
            pattern.indptr,
            pattern.columns,
            pattern.diagonal,
            pattern.mirror,
            scratch,
            entries,
            int(relu),
        ),
        x.device,
        chosen.shared_memory,
    )
    return y
