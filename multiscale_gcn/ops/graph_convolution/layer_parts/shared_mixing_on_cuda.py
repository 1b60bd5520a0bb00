"""Mixing of neighbours with one matrix for all channels."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.kernels.number_types import real_type
from multiscale_gcn.ops.neighbour_softmax.on_cuda import SOFTMAX
from multiscale_gcn.ops.sparse_sums.aggregate_on_cuda import aggregate_neighbours
from multiscale_gcn.ops.sparse_sums.entry_gradient_on_cuda import entry_gradient, logit_gradient


class SharedMixing:
    """The kernels are those of ``sparse_sums``."""

    def __init__(self, layer: LayerArguments) -> None:
        self.mixing = layer.mixing.to(real_type(layer.x.dtype)).contiguous()
        self.pattern, self.softmax = layer.pattern, layer.softmax
        self.shares = None if layer.softmax else self.mixing

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
        return aggregate_neighbours(
            own,
            others,
            self.mixing,
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
        return aggregate_neighbours(
            x, x, self.mixing, p.indptr, p.columns, softmax=self.softmax, apart=True
        )

    def mix_back(self, own: Tensor | None, others: Tensor) -> Tensor:
        """D own + Aoff^T others."""
        return aggregate_neighbours(own, others, *self._back())

    def mix_back_apart(self, x: Tensor, matrices: int) -> Tensor:
        own = None if matrices == 1 else x
        return aggregate_neighbours(own, x, *self._back(), apart=matrices == 2)

    def _back(self) -> tuple[Tensor, ...]:
        if self.shares is None:
            self.shares = SOFTMAX(self.mixing, self.pattern.indptr)
        return (self.shares, self.pattern.indptr, self.pattern.columns, self.pattern.mirror)

    def mixing_gradient(
        self, left: Tensor, right: Tensor, own: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Of entry (i, j): <left_i, right_j>; of (i, i) the product of both in ``own``."""
        p = self.pattern
        if not self.softmax:
            return entry_gradient(left, right, p.indptr, p.columns, own)
        gradient, self.shares = logit_gradient(left, right, p.indptr, p.columns, own, self.mixing)
        return gradient
