"""Softmax of rows on CUDA devices: ``row_softmax.cu``, one kernel forward and one backward.

Sums are taken in a fixed order: results repeat bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern
from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.launch import kernels_of
from multiscale_gcn.ops.kernels.number_types import DTYPES
from multiscale_gcn.ops.kernels.registration import define

KERNELS = "neighbour_softmax/row_softmax.cu"
THREADS = 256
LANES = 8
"""Of a team, which has one row."""


def neighbour_softmax_on_cuda(
    logits: Tensor,  # [..., nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [..., nnz]
    """Softmax over the entries of every row, in float32 or better."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    result: Tensor = _RowSoftmax.apply(logits.to(wide), pattern.indptr)
    return result.to(logits.dtype)


class _RowSoftmax(DifferentiableFunction):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, indptr: Tensor) -> Tensor:
        shares: Tensor = SOFTMAX(logits, indptr)
        ctx.save_for_backward(shares, indptr)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return SOFTMAX_BACKWARD(gradient, *ctx.saved_tensors), None


def _launch(name: str, result: Tensor, *arguments: Tensor) -> Tensor:
    """One team for every row of the matrix, along y one grid for every leading index."""
    *inputs, indptr = arguments
    num_rows, num_entries = indptr.shape[0] - 1, result.shape[-1]
    if result.numel() > 0:
        grid = (-(-num_rows // (THREADS // LANES)), result.numel() // num_entries)
        rest = (*inputs, indptr, num_rows, num_entries)
        kernels = kernels_of(KERNELS, ELEMENT=DTYPES[result.dtype], THREADS=THREADS)
        kernels.launch(name, grid, (THREADS,), (result, *rest), result.device)
    return result


def _softmax(logits: Tensor, indptr: Tensor) -> Tensor:
    return _launch("row_softmax", _like(logits), logits.contiguous(), indptr)


def _softmax_backward(gradient: Tensor, shares: Tensor, indptr: Tensor) -> Tensor:
    inputs = gradient.contiguous(), shares.contiguous()
    return _launch("row_softmax_backward", _like(shares), *inputs, indptr)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


SOFTMAX = define(
    "row_softmax(Tensor logits, Tensor indptr) -> Tensor",
    cuda=_softmax,
    fake=lambda logits, indptr: _like(logits),
)
SOFTMAX_BACKWARD = define(
    "row_softmax_backward(Tensor gradient, Tensor shares, Tensor indptr) -> Tensor",
    cuda=_softmax_backward,
    fake=lambda gradient, shares, indptr: _like(shares),
)
