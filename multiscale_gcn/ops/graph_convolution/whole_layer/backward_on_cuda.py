"""All gradients of a whole layer in one pass: ``semgconv_sm90_backward.cu``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from multiscale_gcn.ops.graph_convolution.gradients import LayerGradients, empty_gradients
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.graph_convolution.whole_layer.compiled import (
    CONSUMERS_AND_PRODUCER,
    multipliers,
    whole_kernels,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.division import divide_backward
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import LayerSizes
from multiscale_gcn.ops.kernels.arguments import place, rows_of_16_bytes

THREADS_THAT_ADD = 256


def whole_layer_backward(
    layer: LayerArguments,
    gradient: Tensor,  # [B, N, C_out]
    needs: Sequence[bool],
) -> LayerGradients | None:
    """The gradients of :func:`empty_gradients`; None if no division takes these sizes."""
    x, mixing, weight, pattern = layer.x, layer.mixing, layer.weight, layer.pattern
    multiplied = multipliers(weight, x)
    sizes = LayerSizes.of(x, multiplied, pattern)
    chosen = divide_backward(sizes)
    if chosen is None:
        return None
    kernels = whole_kernels(
        "semgconv_sm90_backward.cu",
        **sizes.options(multiplied, layer.softmax),
        WIDTH=sizes.matrices * chosen.columns,
        COLUMNS=chosen.columns,
        GRAPHS=chosen.graphs,
        STAGES=chosen.stages,
    )
    x, gradient = rows_of_16_bytes(x), rows_of_16_bytes(gradient.to(x.dtype))
    values = mixing.float().contiguous()
    for_x = empty_gradients(layer, [needs[0], False, False, False])[0]
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
    for_mixing = torch.empty_like(values)
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
            for_mixing,
            for_weight,
            for_bias,
        ),
        x.device,
    )
    return (
        for_x,
        for_mixing.to(mixing.dtype) if needs[1] else mixing.new_empty(0),
        for_weight.to(weight.dtype) if needs[2] else weight.new_empty(0),
        for_bias if needs[3] else for_bias.new_empty(0),
    )
