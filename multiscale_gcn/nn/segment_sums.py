"""Sums over segments of rows, and the way back; each is the gradient of the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.bags import sum_bags
from multiscale_gcn.ops.differentiable import DifferentiableFunction, keep_signature


class _OfColumns(DifferentiableFunction):
    """Does the same with every column: the members of ``torch.vmap`` stand side by side."""

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], rows: Tensor, *places: Tensor | None
    ) -> tuple[Tensor, int]:
        assert in_dims[0] is not None
        columns = rows.movedim(in_dims[0], 1)
        result: Tensor = cls.apply(columns.flatten(1).contiguous(), *places)
        return torch.unflatten(result, 1, columns.shape[1:]), 1

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])


class SegmentSum(_OfColumns):
    """Sum of the rows of each segment; its gradient is :class:`SegmentSpread`, and that one's this.

    Autograd's own gradient of a gather on a CPU adds row by row, which is slow.

    Of the rows: the segment of each, the rows segment by segment, where each segment begins among
    them (and the number of rows), and what each is multiplied by; None: nothing.
    """

    @staticmethod
    @keep_signature
    def forward(
        rows: Tensor,  # [rows, M]
        parent: Tensor,
        members: Tensor,
        offsets: Tensor,
        shares: Tensor | None,
    ) -> Tensor:  # [segments, M]
        weights = None if shares is None else shares.to(rows.dtype)[members]
        return sum_bags(rows, members, offsets, weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        spread: Tensor = SegmentSpread.apply(gradient.contiguous(), *ctx.saved_tensors)
        return spread, None, None, None, None


class SegmentSpread(_OfColumns):
    """For every row what its segment has, of the same places."""

    @staticmethod
    @keep_signature
    def forward(
        rows: Tensor,  # [segments, M]
        parent: Tensor,
        members: Tensor,
        offsets: Tensor,
        shares: Tensor | None,
    ) -> Tensor:  # [rows, M]
        spread = rows.index_select(0, parent)
        return spread if shares is None else spread * shares.to(rows.dtype)[:, None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        summed: Tensor = SegmentSum.apply(gradient.contiguous(), *ctx.saved_tensors)
        return summed, None, None, None, None
