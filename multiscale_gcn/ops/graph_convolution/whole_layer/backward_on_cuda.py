"""All gradients of a whole layer in one pass over its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from multiscale_gcn.ops.graph_convolution.gradients import LayerGradients, empty_gradients
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.graph_convolution.whole_layer.compiled import (
    CONSUMERS_AND_PRODUCER,
    multipliers,
    portable_kernels,
    whole_kernels,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.division import (
    BackwardDivision,
    divide_backward,
    divide_portable_backward,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import LayerSizes, WholeLayer
from multiscale_gcn.ops.kernels.arguments import place, rows_of_16_bytes
from multiscale_gcn.ops.kernels.launch import Kernels
from multiscale_gcn.ops.kernels.side_streams import beside

THREADS_THAT_ADD = 256
PORTABLE_THREADS = 256


@dataclass(frozen=True)
class _Kernel:
    """A form of the kernel, compiled for one division of a layer."""

    kernels: Kernels
    name: str
    threads: int
    division: BackwardDivision


def _for_hopper(sizes: LayerSizes, options: dict[str, int]) -> _Kernel | None:
    chosen = divide_backward(sizes)
    if chosen is None:
        return None
    kernels = whole_kernels(
        "semgconv_sm90_backward.cu", **options, **chosen.options(sizes), COLUMNS=chosen.columns
    )
    return _Kernel(kernels, "semgconv_whole_backward", CONSUMERS_AND_PRODUCER, chosen)


def _portable(sizes: LayerSizes, options: dict[str, int]) -> _Kernel | None:
    chosen = divide_portable_backward(sizes)
    if chosen is None:
        return None
    kernels = portable_kernels("semgconv_portable_backward.cu", **options, **chosen.options(sizes))
    return _Kernel(kernels, "semgconv_portable_backward", PORTABLE_THREADS, chosen)


_FORMS = {WholeLayer.HOPPER: _for_hopper, WholeLayer.PORTABLE: _portable}


def whole_layer_backward(
    layer: LayerArguments,
    gradient: Tensor,  # [B, N, C_out]
    needs: Sequence[bool],
    form: WholeLayer,
) -> LayerGradients | None:
    """The gradients of :func:`empty_gradients`; None if no division takes these sizes."""
    x, mixing, weight, pattern = layer.x, layer.mixing, layer.weight, layer.pattern
    multiplied = multipliers(weight, x)
    sizes = LayerSizes.of(x, multiplied, pattern)
    kernel = _FORMS[form](sizes, sizes.options(multiplied, layer.softmax))
    if kernel is None:
        return None
    kernels, chosen = kernel.kernels, kernel.division
    x, gradient = rows_of_16_bytes(x), rows_of_16_bytes(gradient.to(x.dtype))
    values = mixing.float().contiguous()
    for_x = empty_gradients(layer, [needs[0], False, False, False])[0]
    grid = (chosen.blocks, sizes.in_channels // chosen.columns)
    value_parts = values.new_empty(*grid, sizes.entries)
    weight_parts = values.new_empty(grid[0], *weight.shape)
    bias_parts = values.new_empty(grid[0], sizes.out_channels)
    matrix = (pattern.indptr, pattern.rows, pattern.columns, pattern.diagonal, pattern.mirror)
    kernels.launch(
        kernel.name,
        grid,
        (kernel.threads,),
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
    parts = (value_parts, weight_parts, bias_parts)

    def add_up() -> tuple[Tensor, Tensor, Tensor]:
        for_mixing, for_weight = torch.empty_like(values), values.new_empty(weight.shape)
        for_bias = values.new_empty(sizes.out_channels)
        blocks = weight.numel() // THREADS_THAT_ADD + sizes.nodes + 1
        read = (*parts, *grid, values, pattern.indptr, sizes.entries)
        kernels.launch(
            "semgconv_whole_sums",
            (blocks,),
            (THREADS_THAT_ADD,),
            (*read, for_mixing, for_weight, for_bias),
            x.device,
        )
        return (
            for_mixing.to(mixing.dtype) if needs[1] else mixing.new_empty(0),
            for_weight.to(weight.dtype) if needs[2] else weight.new_empty(0),
            for_bias if needs[3] else for_bias.new_empty(0),
        )

    return (for_x, *beside(add_up, values, *parts))
