"""Sums over segments of rows, and the way back; each is the gradient of the other."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from multiscale_gcn.ops.bags import sum_bags
from multiscale_gcn.ops.differentiable import DifferentiableFunction


class SegmentSum(DifferentiableFunction):
    """Sum of the rows of each segment; its gradient is :class:`SegmentSpread`, and that one's this.

    Autograd's own gradient of a gather on a CPU adds row by row, which is slow.

    ``places`` are the segment of every row, the rows segment by segment, where each segment begins
    among them (and the number of rows), and what every row is multiplied by; None: nothing.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,  # [rows, M]
        *places: Tensor | None,
    ) -> Tensor:  # [segments, M]
        ctx.save_for_backward(*places)
        _, members, offsets, shares = places
        assert members is not None
        assert offsets is not None
        weights = None if shares is None else shares.to(rows.dtype)[members]
        return sum_bags(rows, members, offsets, weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (
            SegmentSpread.apply(gradients[0].contiguous(), *ctx.saved_tensors),
            None,
            None,
            None,
            None,
        )


class SegmentSpread(DifferentiableFunction):
    """For every row what its segment has, of the same ``places``."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,  # [segments, M]
        *places: Tensor | None,
    ) -> Tensor:  # [rows, M]
        ctx.save_for_backward(*places)
        parent, _, _, shares = places
        assert parent is not None
        spread = rows.index_select(0, parent)
        return spread if shares is None else spread * shares.to(rows.dtype)[:, None]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (
            SegmentSum.apply(gradients[0].contiguous(), *ctx.saved_tensors),
            None,
            None,
            None,
            None,
        )
