"""The whole layer in one kernel, for small graphs on Hopper: ``semgconv_sm90.cu``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.graph_convolution.whole_layer.compiled import (
    CONSUMERS_AND_PRODUCER,
    multipliers,
    whole_kernels,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.division import divide_forward
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import LayerSizes
from multiscale_gcn.ops.kernels.arguments import (
    empty_by_node,
    norm_arguments,
    place,
    rows_of_16_bytes,
)
from multiscale_gcn.ops.kernels.number_types import real


def whole_layer(layer: LayerArguments) -> Tensor:  # [B, N, C_out]
    mixing, pattern = layer.mixing, layer.pattern
    x = rows_of_16_bytes(layer.x)
    weight = multipliers(layer.weight, layer.x)
    sizes = LayerSizes.of(x, weight, pattern)
    chosen = divide_forward(sizes)
    kernels = whole_kernels(
        "semgconv_sm90.cu",
        **sizes.options(weight, layer.softmax),
        WIDTH=chosen.columns,
        GRAPHS=chosen.graphs,
        STAGES=chosen.stages,
    )
    y = empty_by_node(x, sizes.out_channels)
    grid = (chosen.blocks, sizes.out_channels // chosen.columns)
    scratch = None
    if chosen.scratch:
        scratch = mixing.new_empty(math.prod(grid) * sizes.entries * 4, dtype=torch.float32)
    kernels.launch(
        "semgconv_whole",
        grid,
        (CONSUMERS_AND_PRODUCER,),
        (
            *place(x),
            *place(y),
            sizes.batch,
            mixing.float().contiguous(),
            weight,
            real(layer.bias, x),
            *norm_arguments(layer.norm, x),
            pattern.indptr,
            pattern.rows,
            pattern.columns,
            pattern.diagonal,
            scratch,
            sizes.entries,
            int(layer.relu),
        ),
        x.device,
        chosen.shared_memory,
    )
    return y
