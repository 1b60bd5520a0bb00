"""A product with a sparse matrix on CUDA devices, as operators of PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern, as_pattern
from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.number_types import real_type
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.sparse_sums.aggregate_on_cuda import aggregate_neighbours
from multiscale_gcn.ops.sparse_sums.entry_gradient_on_cuda import entry_gradient


def propagate_on_cuda(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """y_i = sum_j values_ij x_j; sums in float32 or better."""
    wide = torch.promote_types(x.dtype, torch.float32)
    result: Tensor = _ProductOnCuda.apply(x, values.to(wide), *pattern)
    return result


class _ProductOnCuda(DifferentiableFunction):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor, *pattern: Tensor) -> Tensor:
        ctx.save_for_backward(x, values, *pattern)
        entries = as_pattern(pattern)
        result: Tensor = PRODUCT(x, values, entries.indptr, entries.columns, None)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, values, *tensors = ctx.saved_tensors
        pattern = as_pattern(tensors)
        for_x = for_values = None
        if ctx.needs_input_grad[0]:
            back = pattern.back_indptr, pattern.back_columns, pattern.mirror
            for_x = PRODUCT(gradient, values, *back)
        if ctx.needs_input_grad[1]:
            for_values = DOTS(gradient, x, pattern.indptr, pattern.columns)
        return for_x, for_values, *[None] * len(tensors)


def _product(
    x: Tensor, values: Tensor, indptr: Tensor, columns: Tensor, places: Tensor | None
) -> Tensor:
    return aggregate_neighbours(None, x, values, indptr, columns, places)


def _product_fake(
    x: Tensor, values: Tensor, indptr: Tensor, columns: Tensor, places: Tensor | None
) -> Tensor:
    return x.new_empty((indptr.shape[0] - 1, x.shape[0], x.shape[2])).transpose(0, 1)


def _dots(left: Tensor, right: Tensor, indptr: Tensor, columns: Tensor) -> Tensor:
    return entry_gradient(left, right, indptr, columns)


def _dots_fake(left: Tensor, right: Tensor, indptr: Tensor, columns: Tensor) -> Tensor:
    return left.new_empty(columns.shape[0], dtype=real_type(left.dtype))


PRODUCT = define(
    "sparse_product(Tensor x, Tensor values, Tensor indptr, Tensor columns, Tensor? places) "
    "-> Tensor",
    cuda=_product,
    fake=_product_fake,
)
DOTS = define(
    "sparse_dots(Tensor left, Tensor right, Tensor indptr, Tensor columns) -> Tensor",
    cuda=_dots,
    fake=_dots_fake,
)
