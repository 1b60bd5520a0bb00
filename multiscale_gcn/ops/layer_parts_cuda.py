"""The layer as a matrix product of PyTorch between kernels that mix: ``kernels/semgconv.cu``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from torch import Tensor

from multiscale_gcn.ops._launch import Kernels
from multiscale_gcn.ops.arguments_cuda import (
    DTYPES,
    aligned,
    empty_by_node,
    empty_gradients,
    norm_arguments,
    place,
    real,
    real_type,
    rows_of_16_bytes,
)
from multiscale_gcn.ops.normalisation import Normalisation, finish
from multiscale_gcn.ops.pattern import Pattern

THREADS = 256


class _Parts:
    """The kernels for the parts of a layer, for one type and width of features."""

    def __init__(
        self, x: Tensor, channels: int, given: Tensor, pattern: Pattern, softmax: bool
    ) -> None:
        self.batch, self.nodes, self.channels = x.shape[0], x.shape[1], channels
        self.device, self.pattern = x.device, pattern
        self.per_channel = given.dim() == 2
        self.element = DTYPES[x.dtype]
        self.vector = math.gcd(channels, 16 // x.element_size())
        given = given.to(real_type(x.dtype)).contiguous()
        self.softmax = softmax
        self.entries = pattern.rows.shape[0]
        if softmax:
            self.values = given.new_empty(given.shape[::-1])
            self._softmax("softmax", given, self.values)
        else:
            self.values = given.t().contiguous() if self.per_channel else given

    def launch(self, name: str, grid: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        kernels = _parts_kernels(self.element, self.vector, self.per_channel)
        kernels.launch(name, grid, (THREADS,), arguments, self.device)

    def _softmax(self, name: str, *tensors: Tensor) -> None:
        channels = self.channels if self.per_channel else 1
        grid = (-(-self.nodes * channels // THREADS),)
        rest = (self.pattern.indptr, self.nodes, channels, self.entries)
        self.launch(name, grid, (*tensors, *rest))

    def _blocks(self) -> tuple[int]:
        threads = self.nodes * -(-self.batch // 4) * (self.channels // self.vector)
        return (min(-(-threads // THREADS), 2**31 - 1),)

    def _matrix(self, transposed: bool) -> tuple[Tensor | None, ...]:
        p = self.pattern
        return (self.values, p.indptr, p.columns, p.diagonal, p.mirror if transposed else None)

    def mix(
        self,
        own: Tensor | None,  # [B, N, C]
        others: Tensor,  # [B, N, C]
        transposed: bool = False,
        bias: Tensor | None = None,
        norm: Normalisation | None = None,
        relu: bool = False,
    ) -> Tensor:
        y = empty_by_node(others, self.channels)
        sizes = (self.batch, self.nodes, self.channels)
        ends = (real(bias, others), *norm_arguments(norm, others), int(relu))
        arguments = (*place(own), *place(others), *place(y), *sizes, *self._matrix(transposed))
        self.launch("mix", self._blocks(), (*arguments, *ends))
        return y

    def mix_apart(self, x: Tensor, matrices: int, transposed: bool = False) -> Tensor:
        """[D x | Aoff x] for two matrices of weights, A x for one."""
        if matrices == 1:
            return self.mix(None, x, transposed)
        y = empty_by_node(x, 2 * self.channels)
        sizes = (self.batch, self.nodes, self.channels)
        arguments = (*place(x), *place(y), *sizes, *self._matrix(transposed))
        self.launch("mix_apart", self._blocks(), arguments)
        return y

    def value_gradient(self, left: Tensor, own: Tensor | None, others: Tensor) -> Tensor:
        """Of entry (i, j): <left_i, others_j> over batch and channels; own_i on the diagonal."""
        width = (self.channels,) if self.per_channel else ()
        chunks = max(1, min(-(-self.batch // 8), -(-2048 // self.nodes)))
        chunk = -(-self.batch // chunks)
        chunks = -(-self.batch // chunk) if self.batch else 1
        partial = self.values.new_empty((chunks, self.entries, *width))
        sizes = (self.batch, self.channels, chunk)
        p = self.pattern
        matrix = (p.indptr, p.columns, p.diagonal, partial, self.entries)
        arguments = (*place(left), *place(own), *place(others), *sizes, *matrix)
        self.launch("value_gradient", (self.nodes, chunks), arguments)
        return partial[0] if chunks == 1 else partial.sum(0)

    def given_gradient(self, gradient: Tensor) -> Tensor:
        """From the gradient of the values to that of what was given."""
        if not self.softmax:
            return gradient.t() if self.per_channel else gradient
        shape = (self.channels, self.entries) if self.per_channel else (self.entries,)
        result = gradient.new_empty(shape)
        self._softmax("softmax_gradient", self.values, gradient.contiguous(), result)
        return result


@cache
def _parts_kernels(element: int, vector: int, per_channel: bool) -> Kernels:
    options = {"ELEMENT": element, "VECTOR": vector, "PER_CHANNEL": int(per_channel)}
    return Kernels("semgconv.cu", tuple(f"-D{name}={value}" for name, value in options.items()))


def _on_rows(x: Tensor) -> tuple[Tensor, bool]:
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


def _mixes_first(in_channels: int, out_channels: int, given: Tensor) -> bool:
    return given.dim() == 1 and in_channels <= out_channels


def _halves(x: Tensor, matrices: int) -> tuple[Tensor | None, Tensor]:
    if matrices == 1:
        return None, x
    own, others = x.chunk(2, dim=-1)
    return own, others


def _side_by_side(weight: Tensor) -> Tensor:  # [K, C_in, C_out] -> [C_in, K C_out]
    return weight.transpose(0, 1).flatten(1)


def parts_forward(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
) -> Tensor:
    matrices, in_channels, out_channels = weight.shape
    weight = weight.to(x.dtype)
    if _mixes_first(in_channels, out_channels, given):
        x = rows_of_16_bytes(x)
        mixed = _Parts(x, in_channels, given, pattern, softmax).mix_apart(x, matrices)
        rows, by_node = _on_rows(mixed)
        result = rows @ weight.flatten(0, 1)
        if bias is not None:
            result += bias
        return finish(_back(result, x, by_node), norm, relu)
    rows, by_node = _on_rows(x)
    projected = _back(rows @ _side_by_side(weight), x, by_node)
    own, others = _halves(projected, matrices)
    parts = _Parts(x, out_channels, given, pattern, softmax)
    return parts.mix(own, others, bias=bias, norm=norm, relu=relu)


def parts_backward(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: Pattern,
    softmax: bool,
    needs: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """With P = [D X | Aoff X]: G = dY W^T, dX = D G0 + Aoff^T G1, dW = P^T dY, and so on.

    Where the layer projects first, H = X W: G = [D dY | Aoff^T dY], dX = G W^T, dW = X^T G.
    """
    matrices, in_channels, out_channels = weight.shape
    for_x, for_given, for_weight, for_bias = empty_gradients(x, given, weight, needs)
    product = weight.to(x.dtype)
    if needs[3]:
        for_bias = gradient.sum((0, 1), dtype=for_bias.dtype)
    x, gradient = rows_of_16_bytes(x), gradient.to(x.dtype)
    gradient_rows, by_node = _on_rows(gradient)
    gradient = _back(gradient_rows, gradient, by_node)
    if _mixes_first(in_channels, out_channels, given):
        parts = _Parts(x, in_channels, given, pattern, softmax)
        if needs[0] or needs[1]:
            own, others = _halves(
                _back(gradient_rows @ product.flatten(0, 1).t(), gradient, by_node), matrices
            )
        if needs[0]:
            for_x = parts.mix(own, others, transposed=True)
        if needs[1]:
            mirrored = parts.value_gradient(x, own, others)
            for_given = parts.given_gradient(mirrored.index_select(0, pattern.mirror))
        if needs[2]:
            mixed = parts.mix_apart(x, matrices)
            rows = mixed.transpose(0, 1).flatten(0, 1)
            for_weight = (rows.t() @ gradient.transpose(0, 1).flatten(0, 1)).view(weight.shape)
        return for_x, for_given.to(given.dtype), for_weight.to(weight.dtype), for_bias
    parts = _Parts(x, out_channels, given, pattern, softmax)
    rows, x_by_node = _on_rows(x)
    if needs[0] or needs[2]:
        mixed = parts.mix_apart(gradient, matrices, transposed=True)
        mixed_rows = mixed.transpose(0, 1).flatten(0, 1)
    if needs[0]:
        for_x = _back(mixed_rows @ _side_by_side(product).t(), x, True)
    if needs[1]:
        own, others = _halves(_back(rows @ _side_by_side(product), x, x_by_node), matrices)
        for_given = parts.given_gradient(parts.value_gradient(gradient, own, others))
    if needs[2]:
        if not x_by_node:
            rows = x.transpose(0, 1).flatten(0, 1)
        for_weight = (
            (rows.t() @ mixed_rows).view(in_channels, matrices, out_channels).transpose(0, 1)
        )
    for_given, for_weight = for_given.to(given.dtype), for_weight.to(weight.dtype)
    return for_x, for_given.contiguous(), for_weight.contiguous(), for_bias
