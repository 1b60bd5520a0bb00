"""A joined map on CUDA devices: ``joined_map.cu``, one kernel forward and one backward."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.arguments import up_to_16_bytes
from multiscale_gcn.ops.kernels.launch import kernels_of
from multiscale_gcn.ops.kernels.number_types import DTYPES
from multiscale_gcn.ops.kernels.registration import define

KERNELS = "joined_map/joined_map.cu"
THREADS, COLUMNS = 256, 8


class JoinedMapOnCuda(DifferentiableFunction):
    """Of scores, and of weight and bias of the value, of the left and of the right map.

    Behind the joined map are rows of zeros, as many as make rows of 16 bytes of what it gives.
    """

    @staticmethod
    def forward(ctx: Any, score: Tensor, *maps: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(score, *maps[2:])
        weight, bias = FORWARD(score, *maps)
        return weight, bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        inner = ctx.saved_tensors[0].shape[1]
        scores = slice(inner, inner + 2)
        for_score, *for_maps = BACKWARD(weight[scores], bias[scores], *ctx.saved_tensors)
        return (for_score, weight[:inner], bias[:inner], *for_maps)


def _forward(score: Tensor, *maps: Tensor) -> tuple[Tensor, Tensor]:
    weight, bias = _forward_fake(score, *maps)
    inner, channels = maps[0].shape
    read = (tensor.contiguous() for tensor in (score, *maps))
    arguments = (weight, bias, *read, inner, len(bias), channels)
    grid = (-(-(channels + 1) // COLUMNS),)
    kernels = kernels_of(KERNELS, ELEMENT=DTYPES[score.dtype])
    kernels.launch("join", grid, (THREADS,), arguments, score.device)
    return weight, bias


def _forward_fake(score: Tensor, *maps: Tensor) -> tuple[Tensor, Tensor]:
    inner, channels = maps[0].shape
    rows = up_to_16_bytes(inner + 2, score)
    return score.new_empty((rows, channels)), score.new_empty(rows)


def _backward(
    weight: Tensor, bias: Tensor, score: Tensor, *maps: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    results = _backward_fake(weight, bias, score, *maps)
    inner, channels = maps[0].shape
    read = (tensor.contiguous() for tensor in (weight, bias, score, *maps))
    arguments = (*results, *read, inner, channels)
    kernels = kernels_of(KERNELS, ELEMENT=DTYPES[score.dtype])
    kernels.launch("join_gradient", (inner, 2), (THREADS,), arguments, score.device)
    return results


def _backward_fake(
    weight: Tensor, bias: Tensor, score: Tensor, *maps: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    left, left_bias, right, right_bias = (x.new_empty(x.shape) for x in maps)
    return score.new_empty(score.shape), left, left_bias, right, right_bias


FORWARD = define(
    "joined_map(Tensor score, Tensor value, Tensor value_bias, Tensor left, Tensor left_bias, "
    "Tensor right, Tensor right_bias) -> (Tensor, Tensor)",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "joined_map_backward(Tensor weight, Tensor bias, Tensor score, Tensor left, Tensor left_bias, "
    "Tensor right, Tensor right_bias) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    cuda=_backward,
    fake=_backward_fake,
)
