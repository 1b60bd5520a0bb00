"""Mixing of neighbours with a matrix for every channel."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.kernels.arguments import empty_by_node, norm_arguments, place
from multiscale_gcn.ops.kernels.launch import kernels_of
from multiscale_gcn.ops.kernels.number_types import DTYPES, real, real_type

KERNELS = "graph_convolution/layer_parts/semgconv.cu"
THREADS = 256


class PerChannelMixing:
    """The kernels are those of ``semgconv.cu``."""

    def __init__(self, layer: LayerArguments) -> None:
        x = layer.x
        self.batch, self.nodes = x.shape[:2]
        self.channels, self.entries = layer.mixing.shape
        self.device, self.pattern, self.softmax = x.device, layer.pattern, layer.softmax
        self.vector = math.gcd(self.channels, 16 // x.element_size())
        self.kernels = kernels_of(KERNELS, ELEMENT=DTYPES[x.dtype], VECTOR=self.vector)
        mixing = layer.mixing.to(real_type(x.dtype)).contiguous()
        if self.softmax:
            self.values = mixing.new_empty(mixing.shape[::-1])
            self._softmax("softmax", mixing, self.values)
        else:
            self.values = mixing.t().contiguous()

    def _launch(self, name: str, grid: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        self.kernels.launch(name, grid, (THREADS,), arguments, self.device)

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

    def mixing_gradient(
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
