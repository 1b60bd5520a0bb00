"""Non-local attention on CUDA devices, as operators of PyTorch.

Both forms walk along the sorted sources and targets (``nonlocal.cuh``): beside the sort,
time and memory grow with N C. Up to ``MOST_BLOCK_NODES`` nodes one kernel sorts and walks. Beyond,
PyTorch sorts, and the walk is cut into chunks. Sums are taken in float32, or in float64 for
features of float64, and in a fixed order: results repeat bit for bit.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.nonlocal_attention.block_on_cuda import BACKWARD, FORWARD
from multiscale_gcn.ops.nonlocal_attention.chunks_on_cuda import SORTED_BACKWARD, SORTED_FORWARD
from multiscale_gcn.ops.nonlocal_attention.walks_on_cuda import parts_of

MOST_BLOCK_NODES = 256
"""Of a graph that one block sorts."""


def nonlocal_attention_on_cuda(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """y_i = (1 / N) sum_j ReLU(source_i + target_j) value_j."""
    result: Tensor = _AttentionOnCuda.apply(source.to(value.dtype), target.to(value.dtype), value)
    return result


def nonlocal_attention_joined_on_cuda(
    joined: Tensor,  # [B, N, C + 2 or more]
    channels: int,
) -> Tensor:  # [B, N, C]
    """The same of values, sources and targets that lie side by side, and so do their gradients."""
    result: Tensor = _JoinedAttentionOnCuda.apply(joined, channels)
    return result


def _attend(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The result, and what the backward pass needs besides the arguments."""
    if value.shape[1] <= MOST_BLOCK_NODES:
        whole: Tensor = FORWARD(source, target, value)
        return whole, []
    result, *kept = SORTED_FORWARD(source, target, value)
    return result, kept


def _gradient(
    gradient: Tensor, source: Tensor, target: Tensor, value: Tensor, kept: list[Tensor]
) -> Tensor:  # [B, N, C + 2], and zeros behind
    gradient = gradient.to(value.dtype)
    if kept:
        walked: Tensor = SORTED_BACKWARD(gradient, value, *kept)
        return walked
    joined: Tensor = BACKWARD(gradient, source, target, value)
    return joined


class _AttentionOnCuda(DifferentiableFunction):
    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, value: Tensor) -> Tensor:
        result, kept = _attend(source, target, value)
        ctx.save_for_backward(source, target, value, *kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source, target, value, *kept = ctx.saved_tensors
        return parts_of(_gradient(gradient, source, target, value, kept), value.shape[2])


class _JoinedAttentionOnCuda(DifferentiableFunction):
    @staticmethod
    def forward(ctx: Any, joined: Tensor, channels: int) -> Tensor:
        result, kept = _attend(*parts_of(joined, channels))
        ctx.save_for_backward(joined, *kept)
        ctx.channels = channels
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        joined, *kept = ctx.saved_tensors
        found = _gradient(gradient, *parts_of(joined, ctx.channels), kept)
        return found[..., : joined.shape[2]], None
