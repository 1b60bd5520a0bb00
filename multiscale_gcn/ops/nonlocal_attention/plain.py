"""Non-local attention in plain PyTorch: with the scores of all pairs, and by sorting."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.differentiable import DifferentiableFunction, applied, keep_signature
from multiscale_gcn.ops.nonlocal_attention.operands import check_attention


class _KeepingAttention(DifferentiableFunction):
    """The second result is what the gradient needs, so that it need not be made again; only where
    the gradient has a gradient itself it is."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        kept = output[1]
        ctx.mark_non_differentiable(kept)
        ctx.save_for_backward(*inputs, kept)


def nonlocal_attention_dense(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """:func:`nonlocal_attention` with B x N x N scores.

    Parameters
    ----------
    source, target, value
        As in :func:`nonlocal_attention`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    nonlocal_attention : pairs without their scores

    Examples
    --------
    >>> import torch
    >>> source, target = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]])
    >>> nonlocal_attention_dense(source, target, torch.tensor([[[1.0], [10.0]]]))
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    check_attention(source, target, value)
    return attend_densely(source, target, value)


def attend_densely(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    """:func:`nonlocal_attention_dense` of what fits."""
    source, target = source.to(value.dtype), target.to(value.dtype)
    result: Tensor = applied(_DenseAttention, source, target, value)[0]
    return result


def _scores(source: Tensor, target: Tensor) -> Tensor:  # [B, N, N]
    """Divided by N here, not in the result: sums of half precision could overflow."""
    n = source.shape[1]
    return ((source / n).unsqueeze(2) + (target / n).unsqueeze(1)).relu_()


class _DenseAttention(_KeepingAttention):
    """It keeps the scores. The batched products want tensors that lie batch by batch."""

    @staticmethod
    @keep_signature
    def forward(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        scores = _scores(source.contiguous(), target.contiguous())
        return torch.bmm(scores, value.contiguous()), scores

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source, target, value, scores = ctx.saved_tensors
        if torch.is_grad_enabled():
            scores = _scores(source, target)
        gradient = gradient.contiguous()
        for_value = torch.bmm(scores.transpose(1, 2), gradient)
        for_scores = torch.bmm(gradient, value.contiguous().transpose(1, 2))
        for_scores = torch.ops.aten.threshold_backward(for_scores, scores, 0)
        n = value.shape[1]
        return for_scores.sum(2) / n, for_scores.sum(1) / n, for_value


def nonlocal_attention_sorted(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """:func:`nonlocal_attention` in O(N log N) time and O(N) memory, exactly.

    The nodes j that node i sees are those with target_j > -source_i: in the order of falling
    targets they come first. So y_i needs two prefix sums, of value_j and of target_j value_j.
    Sums are taken in float32 or better.

    Parameters
    ----------
    source, target, value
        As in :func:`nonlocal_attention`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    nonlocal_attention : pairs without their scores

    Examples
    --------
    >>> import torch
    >>> source, target = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]])
    >>> nonlocal_attention_sorted(source, target, torch.tensor([[[1.0], [10.0]]]))
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    check_attention(source, target, value)
    return attend_sorted(source, target, value)


def attend_sorted(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    """:func:`nonlocal_attention_sorted` of what fits."""
    wide = torch.promote_types(value.dtype, torch.float32)
    result, _ = applied(_SortedAttention, source.to(wide), target.to(wide), value.to(wide))
    attended: Tensor = result.to(value.dtype)
    return attended


def _sums_along_order(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """N y_i, and the sum of the values that node i sees: its derivative by source_i."""
    falling, order = torch.sort(-target.contiguous(), dim=1)
    seen = torch.searchsorted(falling, source.contiguous())  # [B, N]: how many nodes i sees
    ranked = value.gather(1, order.unsqueeze(2).expand(value.shape))
    total = _first(ranked, seen)
    moment = _first(ranked.mul_(falling.unsqueeze(2)), seen)
    last = falling[:, -1:]  # not a number if any target is none: no source's score is one then
    source = source + torch.where(last.isnan(), last, 0.0)
    return torch.addcmul(moment.neg_(), source.unsqueeze(2), total), total


def _first(rows: Tensor, counts: Tensor) -> Tensor:
    """Sums of the first ``counts`` rows, [B, N, C]."""
    nothing = rows.new_zeros(rows.shape[0], 1, rows.shape[2])
    sums = torch.cat([nothing, rows], 1).cumsum(1)
    return sums.gather(1, counts.unsqueeze(2).expand(rows.shape))


class _SortedAttention(_KeepingAttention):
    """It keeps the sums. Source and target change places in the gradient of the values, so it is a
    second pass."""

    @staticmethod
    @keep_signature
    def forward(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        result, total = _sums_along_order(source, target, value)
        return result / value.shape[1], total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source, target, value, total = ctx.saved_tensors
        if torch.is_grad_enabled():
            total = _sums_along_order(source, target, value)[1]
        gradient = gradient / value.shape[1]
        for_value, seen_by = _sums_along_order(target, source, gradient)
        return (gradient * total).sum(2), (value * seen_by).sum(2), for_value
