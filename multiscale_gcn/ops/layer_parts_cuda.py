"""The layer as a matrix product of PyTorch between kernels that mix neighbours."""

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
from multiscale_gcn.ops.sparse_cuda import SOFTMAX, aggregate, entry_gradient, logit_gradient

THREADS = 256


class _Shared:
    """Mixing with one matrix for all channels: ``kernels/aggregate.cu``."""

    def __init__(self, x: Tensor, given: Tensor, pattern: Pattern, softmax: bool) -> None:
        self.given = given.to(real_type(x.dtype)).contiguous()
        self.pattern, self.softmax = pattern, softmax
        self.shares = None if softmax else self.given

    def mix(
        self,
        own: Tensor | None,  # [B, N, C]
        others: Tensor,  # [B, N, C]
        bias: Tensor | None = None,
        norm: Normalisation | None = None,
        relu: bool = False,
    ) -> Tensor:
        """f(D own + Aoff others + bias); without ``own``, f(A others + bias)."""
        p = self.pattern
        return aggregate(
            own,
            others,
            self.given,
            p.indptr,
            p.columns,
            softmax=self.softmax,
            bias=bias,
            norm=norm,
            relu=relu,
        )

    def mix_apart(self, x: Tensor, matrices: int) -> Tensor:
        """[D x | Aoff x] for two matrices of weights, A x for one."""
        if matrices == 1:
            return self.mix(None, x)
        p = self.pattern
        return aggregate(x, x, self.given, p.indptr, p.columns, softmax=self.softmax, apart=True)

    def mix_back(self, own: Tensor | None, others: Tensor) -> Tensor:
        """D own + Aoff^T others."""
        return aggregate(own, others, *self._back())

    def mix_back_apart(self, x: Tensor, matrices: int) -> Tensor:
        own = None if matrices == 1 else x
        return aggregate(own, x, *self._back(), apart=matrices == 2)

    def _back(self) -> tuple[Tensor, ...]:
        if self.shares is None:
            self.shares = SOFTMAX(self.given, self.pattern.indptr)
        return (self.shares, self.pattern.indptr, self.pattern.columns, self.pattern.mirror)

    def given_gradient(
        self, left: Tensor, right: Tensor, own: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Of entry (i, j): <left_i, right_j>; of (i, i) the product of both in ``own``."""
        p = self.pattern
        if not self.softmax:
            return entry_gradient(left, right, p.indptr, p.columns, own)
        gradient, self.shares = logit_gradient(left, right, p.indptr, p.columns, own, self.given)
        return gradient


class _PerChannel:
    """Mixing with a matrix for every channel: ``kernels/semgconv.cu``."""

    def __init__(self, x: Tensor, given: Tensor, pattern: Pattern, softmax: bool) -> None:
        self.batch, self.nodes = x.shape[:2]
        self.channels, self.entries = given.shape
        self.device, self.pattern, self.softmax = x.device, pattern, softmax
        self.element = DTYPES[x.dtype]
        self.vector = math.gcd(self.channels, 16 // x.element_size())
        given = given.to(real_type(x.dtype)).contiguous()
        if softmax:
            self.values = given.new_empty(given.shape[::-1])
            self._softmax("softmax", given, self.values)
        else:
            self.values = given.t().contiguous()

    def _launch(self, name: str, grid: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        kernels = _parts_kernels(self.element, self.vector)
        kernels.launch(name, grid, (THREADS,), arguments, self.device)

    def _softmax(self, name: str, *tensors: Tensor) -> None:
        grid = (-(-self.nodes * self.channels // THREADS),)
        rest = (self.pattern.indptr, self.nodes, self.channels, self.entries)
        self._launch(name, grid, (*tensors, *rest))

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
        bias: Tensor | None = None,
        norm: Normalisation | None = None,
        relu: bool = False,
    ) -> Tensor:
        y = empty_by_node(others, self.channels)
        sizes = (self.batch, self.nodes, self.channels)
        ends = (real(bias, others), *norm_arguments(norm, others), int(relu))
        arguments = (*place(own), *place(others), *place(y), *sizes, *self._matrix(False))
        self._launch("mix", self._blocks(), (*arguments, *ends))
        return y

    def mix_back_apart(self, x: Tensor, matrices: int) -> Tensor:
        """[D x | Aoff^T x] for two matrices of weights, A^T x for one."""
        y = empty_by_node(x, matrices * self.channels)
        sizes = (self.batch, self.nodes, self.channels)
        arguments = (*place(x), *place(y), *sizes, *self._matrix(True))
        if matrices == 1:
            none = (None, *norm_arguments(None, x), 0)
            self._launch("mix", self._blocks(), (None, 0, 0, *arguments, *none))
        else:
            self._launch("mix_apart", self._blocks(), arguments)
        return y

    def given_gradient(
        self, left: Tensor, right: Tensor, own: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        chunks = max(1, min(-(-self.batch // 8), -(-2048 // self.nodes)))
        chunk = -(-self.batch // chunks)
        chunks = -(-self.batch // chunk) if self.batch else 1
        partial = self.values.new_empty((chunks, self.entries, self.channels))
        sizes = (self.batch, self.channels, chunk)
        p = self.pattern
        matrix = (p.indptr, p.columns, p.diagonal, partial, self.entries)
        features = (*place(left), *place(own[1] if own else None), *place(right))
        self._launch("value_gradient", (self.nodes, chunks), (*features, *sizes, *matrix))
        gradient = partial[0] if chunks == 1 else partial.sum(0)
        if not self.softmax:
            return gradient.t()
        result = gradient.new_empty((self.channels, self.entries))
        self._softmax("softmax_gradient", self.values, gradient.contiguous(), result)
        return result


@cache
def _parts_kernels(element: int, vector: int) -> Kernels:
    options = {"ELEMENT": element, "VECTOR": vector}
    return Kernels("semgconv.cu", tuple(f"-D{name}={value}" for name, value in options.items()))


def _parts(x: Tensor, given: Tensor, pattern: Pattern, softmax: bool) -> _Shared | _PerChannel:
    return (_Shared if given.dim() == 1 else _PerChannel)(x, given, pattern, softmax)


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
        mixed = _Shared(x, given, pattern, softmax).mix_apart(rows_of_16_bytes(x), matrices)
        rows, by_node = _on_rows(mixed)
        result = rows @ weight.flatten(0, 1)
        if bias is not None:
            result += bias
        return finish(_back(result, x, by_node), norm, relu)
    rows, by_node = _on_rows(x)
    projected = _back(rows @ _side_by_side(weight), x, by_node)
    own, others = _halves(projected, matrices)
    return _parts(x, given, pattern, softmax).mix(own, others, bias, norm, relu)


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
        shared = _Shared(x, given, pattern, softmax)
        if needs[0] or needs[1]:
            own, others = _halves(
                _back(gradient_rows @ product.flatten(0, 1).t(), gradient, by_node), matrices
            )
        if needs[1]:
            for_given = shared.given_gradient(others, x, None if own is None else (own, x))
        if needs[0]:
            for_x = shared.mix_back(own, others)
        if needs[2]:
            mixed = shared.mix_apart(x, matrices)
            rows = mixed.transpose(0, 1).flatten(0, 1)
            for_weight = (rows.t() @ gradient.transpose(0, 1).flatten(0, 1)).view(weight.shape)
        return for_x, for_given.to(given.dtype), for_weight.to(weight.dtype), for_bias
    parts = _parts(x, given, pattern, softmax)
    rows, x_by_node = _on_rows(x)
    if needs[1]:
        own, others = _halves(_back(rows @ _side_by_side(product), x, x_by_node), matrices)
        for_given = parts.given_gradient(gradient, others, None if own is None else (gradient, own))
    if needs[0] or needs[2]:
        mixed = parts.mix_back_apart(gradient, matrices)
        mixed_rows = mixed.transpose(0, 1).flatten(0, 1)
    if needs[0]:
        for_x = _back(mixed_rows @ _side_by_side(product).t(), x, True)
    if needs[2]:
        if not x_by_node:
            rows = x.transpose(0, 1).flatten(0, 1)
        for_weight = (
            (rows.t() @ mixed_rows).view(in_channels, matrices, out_channels).transpose(0, 1)
        )
    for_given, for_weight = for_given.to(given.dtype), for_weight.to(weight.dtype)
    return for_x, for_given.contiguous(), for_weight.contiguous(), for_bias
