"""All gradients of a whole layer in one pass: ``kernels/semgconv_sm90_backward.cu``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from multiscale_gcn.ops.arguments_cuda import empty_gradients, place, rows_of_16_bytes
from multiscale_gcn.ops.pattern import Pattern
from multiscale_gcn.ops.whole_layer_cuda import (
    CONSUMERS_AND_PRODUCER,
    MOST_NODES,
    Sizes,
    multipliers,
    whole_kernels,
)

THREADS_THAT_ADD = 256


@dataclass(frozen=True)
class BackwardPlan:
    """How the backward pass of a layer is divided among blocks."""

    columns: int
    graphs: int
    stages: int
    blocks: int
    shared_memory: int
    clocks: float
    """A rough count of the clock cycles that it takes."""


def divide(sizes: Sizes, columns: int, graphs: int) -> BackwardPlan | None:
    """The plan with so many channels for a block and graphs for a tile, if it fits."""
    width, rows = sizes.matrices * columns, sizes.nodes * graphs
    depth = 2 * (-(-(rows + 1) // 2 // 16) * 16) // sizes.per_word
    up_words, x_words = sizes.out_channels // sizes.per_word, columns // sizes.per_word
    weights = sizes.copies * width * up_words
    mixed = max(sizes.copies * -(-depth // 32) * 32 * width, rows * x_words)
    tile = rows * (up_words + 16 + x_words)
    per_entry = 16 + 4 + 4 * graphs
    fixed = 4 * (weights + mixed) + per_entry * sizes.entries + 8 * sizes.nodes + 4 + 2 * 32
    stages = min(2, (sizes.shared_memory - fixed) // (4 * tile))
    if stages < 1:
        return None
    slices = sizes.in_channels // columns
    tiles = -(-sizes.batch // graphs)
    blocks = max(1, min(tiles, sizes.processors // slices))
    rounds = -(-tiles // blocks) * max(1, -(-slices * blocks // sizes.processors))
    products = sizes.products * width * (up_words + depth * sizes.out_channels / 128) / 8
    mixing = rows * (sizes.entries / sizes.nodes + 1) * x_words / 16
    a_tile = 2000 + products + mixing + 12 * rows
    clocks = weights / 8 + rounds * a_tile + blocks * 20
    return BackwardPlan(columns, graphs, stages, blocks, fixed + 4 * tile * stages, clocks)


@cache
def backward_plan(sizes: Sizes) -> BackwardPlan | None:
    """The division that takes the fewest clock cycles; None if the kernel does not take the layer.

    The channels of dY are one or two warpgroups' rows of the gradient of the weights.
    """
    if sizes.out_channels not in (64, 128):
        return None
    plans = [
        divide(sizes, columns, graphs)
        for columns in (64, 32)
        if sizes.in_channels % columns == 0
        and columns // sizes.per_word >= 32
        and sizes.matrices * columns <= 128
        for graphs in range(1, MOST_NODES // sizes.nodes + 1)
    ]
    return min((p for p in plans if p is not None), key=lambda p: p.clocks, default=None)


def whole_layer_backward(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: Pattern,
    softmax: bool,
    needs: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """The gradients of :func:`empty_gradients`; None if there is no plan for these sizes."""
    multiplied = multipliers(weight, x)
    sizes = Sizes.of(x, multiplied, pattern)
    chosen = backward_plan(sizes)
    if chosen is None:
        return None
    kernels = whole_kernels(
        "semgconv_sm90_backward.cu",
        **sizes.options(multiplied, softmax),
        WIDTH=sizes.matrices * chosen.columns,
        COLUMNS=chosen.columns,
        GRAPHS=chosen.graphs,
        STAGES=chosen.stages,
    )
    x, gradient = rows_of_16_bytes(x), rows_of_16_bytes(gradient.to(x.dtype))
    values = given.float().contiguous()
    for_x = empty_gradients(x, given, weight, [needs[0], False, False, False])[0]
    grid = (chosen.blocks, sizes.in_channels // chosen.columns)
    value_parts = values.new_empty(*grid, sizes.entries)
    weight_parts = values.new_empty(grid[0], *weight.shape)
    bias_parts = values.new_empty(grid[0], sizes.out_channels)
    matrix = (pattern.indptr, pattern.rows, pattern.columns, pattern.diagonal, pattern.mirror)
    kernels.launch(
        "semgconv_whole_backward",
        grid,
        (CONSUMERS_AND_PRODUCER,),
        (
            *place(x),
            *place(gradient),
            *(place(for_x) if needs[0] else place(None)),
            sizes.batch,
            values,
            multiplied,
            *matrix,
            sizes.entries,
            value_parts,
            weight_parts,
            bias_parts,
        ),
        x.device,
        chosen.shared_memory,
    )
    for_given = torch.empty_like(values)
    for_weight = values.new_empty(weight.shape)
    for_bias = values.new_empty(sizes.out_channels)
    weight_blocks = weight.numel() // THREADS_THAT_ADD
    kernels.launch(
        "semgconv_whole_sums",
        (weight_blocks + sizes.nodes + 1,),
        (THREADS_THAT_ADD,),
        (
            value_parts,
            weight_parts,
            bias_parts,
            *grid,
            values,
            pattern.indptr,
            sizes.entries,
            for_given,
            for_weight,
            for_bias,
        ),
        x.device,
    )
    return (
        for_x,
        for_given.to(given.dtype) if needs[1] else given.new_empty(0),
        for_weight.to(weight.dtype) if needs[2] else weight.new_empty(0),
        for_bias if needs[3] else for_bias.new_empty(0),
    )
