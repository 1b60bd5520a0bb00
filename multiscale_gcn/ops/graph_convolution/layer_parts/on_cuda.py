"""The layer as a matrix product of PyTorch between kernels that mix neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from multiscale_gcn.ops.epilogue import finish
from multiscale_gcn.ops.graph_convolution.gradients import LayerGradients, empty_gradients
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments, mixes_per_channel
from multiscale_gcn.ops.graph_convolution.layer_parts.per_channel_mixing_on_cuda import (
    PerChannelMixing,
)
from multiscale_gcn.ops.graph_convolution.layer_parts.shared_mixing_on_cuda import SharedMixing
from multiscale_gcn.ops.kernels.arguments import aligned, rows_of_16_bytes
from multiscale_gcn.ops.kernels.number_types import real_type
from multiscale_gcn.ops.row_products.division import Pair
from multiscale_gcn.ops.row_products.on_cuda import row_products, takes_row_products


def _rows_of(x: Tensor) -> tuple[Tensor, bool]:
    """x with all its rows in one matrix, and whether they are in the order of the nodes."""
    if x.is_contiguous() and not x.transpose(0, 1).is_contiguous():
        return aligned(x).flatten(0, 1), False
    return aligned(x.transpose(0, 1).contiguous()).flatten(0, 1), True


def _back(rows: Tensor, x: Tensor, by_node: bool) -> Tensor:
    batch, nodes, _ = x.shape
    channels = rows.shape[1]
    if by_node:
        return rows.view(nodes, batch, channels).transpose(0, 1)
    return rows.view(batch, nodes, channels)


def _by_node(x: Tensor) -> Tensor:  # [B, N, C] -> [N B, C]
    return x.transpose(0, 1).flatten(0, 1)


def _mixes_first(layer: LayerArguments) -> bool:
    return not mixes_per_channel(layer) and layer.weight.shape[1] <= layer.weight.shape[2]


def _mixing_of(layer: LayerArguments) -> SharedMixing | PerChannelMixing:
    return (PerChannelMixing if mixes_per_channel(layer) else SharedMixing)(layer)


def _halves(x: Tensor, matrices: int) -> tuple[Tensor | None, Tensor]:
    if matrices == 1:
        return None, x
    own, others = x.chunk(2, dim=-1)
    return own, others


def _side_by_side(weight: Tensor) -> Tensor:  # [K, C_in, C_out] -> [C_in, K C_out]
    return weight.transpose(0, 1).flatten(1)


def _product_and_bias(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None and bias.dtype == rows.dtype:
        return torch.addmm(bias, rows, weight)
    result = rows @ weight
    return result if bias is None else result.add_(bias)


def _product_over_rows(
    left: Tensor,  # [R, M]
    right: Tensor,  # [R, N]
    summed: bool = False,
) -> tuple[Tensor, ...]:  # [M, N], and [M] if it is wanted
    """left' right, and the sum of the rows of the left."""
    pair = Pair(left.shape[1], right.shape[1], summed)
    if takes_row_products(left, [pair], left.shape[0]):
        return tuple(row_products([left], [right], [summed]))
    product = left.t() @ right
    return (product, _sum(left)) if summed else (product,)


def _sum(x: Tensor) -> Tensor:  # [..., C] -> [C]
    return x.flatten(0, -2).sum(0, dtype=real_type(x.dtype))


def parts_forward(layer: LayerArguments) -> Tensor:  # [B, N, C_out]
    x, bias, norm, relu = layer.x, layer.bias, layer.norm, layer.relu
    weight = layer.weight.to(x.dtype)
    matrices = weight.shape[0]
    if _mixes_first(layer):
        mixed = SharedMixing(layer).mix_apart(rows_of_16_bytes(x), matrices)
        rows, by_node = _rows_of(mixed)
        result = _product_and_bias(rows, weight.flatten(0, 1), bias)
        return finish(_back(result, x, by_node), norm, relu)
    rows, by_node = _rows_of(x)
    projected = _back(rows @ _side_by_side(weight), x, by_node)
    own, others = _halves(projected, matrices)
    return _mixing_of(layer).mix(own, others, bias, norm, relu)


def parts_backward(
    layer: LayerArguments,
    gradient: Tensor,  # [B, N, C_out]
    needs: Sequence[bool],
) -> LayerGradients:
    """With P = [D X | Aoff X]: G = dY W^T, dX = D G0 + Aoff^T G1, dW = P^T dY, and so on.

    Where the layer projects first, H = X W: G = [D dY | Aoff^T dY], dX = G W^T, dW = X^T G.
    """
    x, mixing, weight = layer.x, layer.mixing, layer.weight
    matrices, in_channels, out_channels = weight.shape
    for_x, for_mixing, for_weight, for_bias = empty_gradients(layer, needs)
    product = weight.to(x.dtype)
    x, gradient = rows_of_16_bytes(x), gradient.to(x.dtype)
    gradient_rows, by_node = _rows_of(gradient)
    gradient = _back(gradient_rows, gradient, by_node)
    if _mixes_first(layer):
        shared = SharedMixing(layer)
        if needs[0] or needs[1]:
            own, others = _halves(
                _back(gradient_rows @ product.flatten(0, 1).t(), gradient, by_node), matrices
            )
        if needs[1]:
            for_mixing = shared.mixing_gradient(others, x, None if own is None else (own, x))
        if needs[0]:
            for_x = shared.mix_back(own, others)
        if needs[2]:
            mixed = _by_node(shared.mix_apart(x, matrices))
            transposed, *sums = _product_over_rows(_by_node(gradient), mixed, needs[3])
            for_weight = transposed.t().reshape(weight.shape).contiguous()
            for_bias = sums[0].clone() if needs[3] else for_bias
        elif needs[3]:
            for_bias = _sum(gradient)
        return for_x, for_mixing.to(mixing.dtype), for_weight.to(weight.dtype), for_bias
    if needs[3]:
        for_bias = _sum(gradient)
    parts = _mixing_of(layer)
    rows, x_by_node = _rows_of(x)
    if needs[1]:
        own, others = _halves(_back(rows @ _side_by_side(product), x, x_by_node), matrices)
        for_mixing = parts.mixing_gradient(
            gradient, others, None if own is None else (gradient, own)
        )
    if needs[0] or needs[2]:
        mixed_rows = _by_node(parts.mix_back_apart(gradient, matrices))
    if needs[0]:
        for_x = _back(mixed_rows @ _side_by_side(product).t(), x, True)
    if needs[2]:
        (joined,) = _product_over_rows(rows if x_by_node else _by_node(x), mixed_rows)
        for_weight = joined.view(in_channels, matrices, out_channels).transpose(0, 1)
    for_mixing, for_weight = for_mixing.to(mixing.dtype), for_weight.to(weight.dtype)
    return for_x, for_mixing.contiguous(), for_weight.contiguous(), for_bias
