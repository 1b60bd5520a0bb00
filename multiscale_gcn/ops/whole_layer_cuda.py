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
    allow_tf32,
    empty_by_node,
    norm_arguments,
    place,
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

    @classmethod
    def of(cls, x: Tensor, weight: Tensor, pattern: Pattern) -> Sizes:
        index = x.device.index
        return cls(
            batch=x.shape[0],
            nodes=x.shape[1],
            entries=pattern.rows.shape[0],
            in_channels=x.shape[2],
            out_channels=weight.shape[2],
            element=element_of(x.dtype),
            matrices=weight.shape[0],
            processors=num_processors(index),
            shared_memory=shared_memory_per_block(index),
        )

    def options(self, weight: Tensor, softmax: bool) -> dict[str, int]:
        """What all kernels for whole layers are compiled with."""
        return {
            "ELEMENT": self.element,
            "WEIGHT_ELEMENT": 0 if weight.dtype == torch.float32 else self.element,
            "IN": self.in_channels,
            "OUT": self.out_channels,
            "NODES": self.nodes,
            "MATRICES": self.matrices,
            "SOFTMAX": int(softmax),
        }

    @property
    def per_word(self) -> int:
        """Numbers in 32 bits."""
        return 2 if self.element in (1, 2) else 1

    @property
    def copies(self) -> int:
        """Of what is multiplied: float32 has a second one with what rounding took away."""
        return 2 if self.element == EXACT_FLOAT32 else 1

    @property
    def row_bytes(self) -> int:
        return self.in_channels * 4 // self.per_word

    @property
    def products(self) -> int:
        """Matrix products in one: float32 takes three."""
        return 3 if self.element == EXACT_FLOAT32 else 1

    def divide(self, columns: int, graphs: int) -> Plan | None:
        """The plan with so many columns for a block and graphs for a tile, if it fits."""
        weights = self.copies * self.matrices * self.row_bytes * columns
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


def element_of(dtype: torch.dtype) -> int:
    """How the kernels multiply features of a type."""
    return EXACT_FLOAT32 if dtype == torch.float32 and not allow_tf32() else DTYPES[dtype]


def multipliers(weight: Tensor, x: Tensor) -> Tensor:
    """The weights as the kernels read them: of the type of the features, or float32."""
    return aligned((weight if weight.dtype == x.dtype else weight.float()).contiguous())


@cache
def whole_kernels(file: str, **options: int) -> Kernels:
    """The kernels of a file for one division of one layer."""
    defined = tuple(f"-D{name}={value}" for name, value in options.items())
    return Kernels(file, defined, "sm_90a")


def whole_layer(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
) -> Tensor:
    x, weight = rows_of_16_bytes(x), multipliers(weight, x)
    sizes = Sizes.of(x, weight, pattern)
    chosen = plan(sizes)
    kernels = whole_kernels(
        "semgconv_sm90.cu",
        **sizes.options(weight, softmax),
        WIDTH=chosen.columns,
        GRAPHS=chosen.graphs,
        STAGES=chosen.stages,
    )
    y = empty_by_node(x, sizes.out_channels)
    grid = (chosen.blocks, sizes.out_channels // chosen.columns)
    scratch = None
    if chosen.scratch:
        scratch = given.new_empty(math.prod(grid) * sizes.entries * 4, dtype=torch.float32)
    kernels.launch(
        "semgconv_whole",
        grid,
        (CONSUMERS_AND_PRODUCER,),
        (
            *place(x),
            *place(y),
            sizes.batch,
            given.float().contiguous(),
            weight,
            real(bias, x),
            *norm_arguments(norm, x),
            pattern.indptr,
            pattern.rows,
            pattern.columns,
            pattern.diagonal,
            scratch,
            sizes.entries,
            int(relu),
        ),
        x.device,
        chosen.shared_memory,
    )
    return y
