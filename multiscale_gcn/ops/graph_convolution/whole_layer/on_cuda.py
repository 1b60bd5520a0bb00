"""The whole layer in one kernel, for small graphs on tensor cores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.graph_convolution.whole_layer.compiled import (
    CONSUMERS_AND_PRODUCER,
    multipliers,
    portable_kernels,
    whole_kernels,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.division import (
    ForwardDivision,
    PortableDivision,
    divide_forward,
    divide_portable,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import LayerSizes, WholeLayer
from multiscale_gcn.ops.kernels.arguments import (
    empty_by_node,
    norm_arguments,
    place,
    rows_of_16_bytes,
)
from multiscale_gcn.ops.kernels.launch import Kernels
from multiscale_gcn.ops.kernels.number_types import real


@dataclass(frozen=True)
class _Kernel:
    """A form of the kernel, compiled for one division of a layer."""

    kernels: Kernels
    name: str
    threads: int
    division: ForwardDivision | PortableDivision


def _for_hopper(sizes: LayerSizes, options: dict[str, int]) -> _Kernel:
    chosen = divide_forward(sizes)
    kernels = whole_kernels(
        "semgconv_sm90.cu",
        **options,
        WIDTH=chosen.columns,
        GRAPHS=chosen.graphs,
        STAGES=chosen.stages,
    )
    return _Kernel(kernels, "semgconv_whole", CONSUMERS_AND_PRODUCER, chosen)


def _portable(sizes: LayerSizes, options: dict[str, int]) -> _Kernel:
    chosen = divide_portable(sizes)
    kernels = portable_kernels("semgconv_portable.cu", **options, **chosen.options())
    return _Kernel(kernels, "semgconv_portable", chosen.threads(sizes.nodes), chosen)


_FORMS = {WholeLayer.HOPPER: _for_hopper, WholeLayer.PORTABLE: _portable}


def whole_layer(layer: LayerArguments, form: WholeLayer) -> Tensor:  # [B, N, C_out]
    mixing, pattern = layer.mixing, layer.pattern
    x = rows_of_16_bytes(layer.x)
    weight = multipliers(layer.weight, layer.x)
    sizes = LayerSizes.of(x, weight, pattern)
    kernel = _FORMS[form](sizes, sizes.options(weight, layer.softmax))
    chosen = kernel.division
    y = empty_by_node(x, sizes.out_channels)
    grid = (chosen.blocks, sizes.out_channels // chosen.columns)
    scratch = None
    if chosen.scratch:
        scratch = mixing.new_empty(math.prod(grid) * sizes.entries * 4, dtype=torch.float32)
    kernel.kernels.launch(
        kernel.name,
        grid,
        (kernel.threads,),
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
