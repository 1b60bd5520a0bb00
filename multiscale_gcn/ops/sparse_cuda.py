"""Products with a sparse matrix, and softmax of its rows, by kernels for CUDA devices.

The kernels are in ``kernels/sparse.cu``. They add in a fixed order, so results repeat bit for bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops._launch import Kernels, define, num_processors
from multiscale_gcn.ops.layout import by_node
from multiscale_gcn.ops.pattern import CrossPattern, Pattern, as_pattern

DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.float64: 3}
THREADS = 256
LARGEST_GRID_Y = 65535


def propagate_cuda(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """y_i = sum_j values_ij x_j; sums in float32 or better."""
    wide = torch.promote_types(x.dtype, torch.float32)
    result: Tensor = _Product.apply(x, values.to(wide), *pattern)
    return result


def neighbour_softmax_cuda(
    logits: Tensor,  # [..., nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [..., nnz]
    """Softmax over the entries of every row, in float32 or better."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    result: Tensor = _RowSoftmax.apply(logits.to(wide), pattern.indptr)
    return result.to(logits.dtype)


class _Product(torch.autograd.Function):
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
            for_values = DOTS(gradient, x, pattern.rows, pattern.columns)
        return for_x, for_values, *[None] * len(tensors)


class _RowSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, indptr: Tensor) -> Tensor:
        shares: Tensor = SOFTMAX(logits, indptr)
        ctx.save_for_backward(shares, indptr)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return SOFTMAX_BACKWARD(gradient, *ctx.saved_tensors), None


# --------------------------------------------------------------------------------- the operators


@cache
def _kernels(element: int, vector: int = 1, lanes: int = 8) -> Kernels:
    options = {"ELEMENT": element, "VECTOR": vector, "LANES": lanes}
    return Kernels("sparse.cu", tuple(f"-D{name}={value}" for name, value in options.items()))


def _placed(x: Tensor) -> Tensor:
    """With channels side by side; a copy if need be."""
    return x if x.stride(2) == 1 or x.shape[2] == 1 else by_node(x).transpose(0, 1)


def _vector(*tensors: Tensor) -> int:
    """How many numbers a thread loads at once: 16 bytes, if all the tensors lie that way."""
    vector = 16 // tensors[0].element_size()
    for x in tensors:
        size = x.element_size()
        while x.data_ptr() % (vector * size) or any(
            number % vector for number in (x.shape[2], x.stride(0), x.stride(1))
        ):
            vector //= 2
    return vector


def _lanes(width: int, vector: int) -> int:
    return next((lanes for lanes in (8, 16) if width <= lanes * vector), 32)


def _new_by_node(x: Tensor, num_nodes: int) -> Tensor:
    batch, _, channels = x.shape
    return x.new_empty((num_nodes, batch, channels)).transpose(0, 1)


def _product(
    x: Tensor, values: Tensor, indptr: Tensor, columns: Tensor, places: Tensor | None
) -> Tensor:
    x, values = _placed(x), values.contiguous()
    batch, _, channels = x.shape
    num_rows = indptr.shape[0] - 1
    y = _new_by_node(x, num_rows)
    if y.numel() == 0:
        return y
    vector = _vector(x, y)
    lanes = _lanes(batch * channels, vector)
    teams = THREADS // lanes
    slices = min(-(-batch * channels // (lanes * vector)), LARGEST_GRID_Y)
    rounds = num_rows * slices // (teams * num_processors(x.device.index) * 8)
    rows_of_team = min(max(rounds, 1), 4)
    _kernels(DTYPES[x.dtype], vector, lanes).launch(
        "product",
        (-(-num_rows // (teams * rows_of_team)), slices),
        (THREADS,),
        (
            y,
            x,
            values,
            indptr,
            columns,
            places,
            num_rows,
            rows_of_team,
            batch,
            channels,
            x.stride(0),
            x.stride(1),
            y.stride(0),
            y.stride(1),
        ),
        x.device,
    )
    return y


def _product_fake(
    x: Tensor, values: Tensor, indptr: Tensor, columns: Tensor, places: Tensor | None
) -> Tensor:
    return _new_by_node(x, indptr.shape[0] - 1)


def _dots(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    left, right = _placed(left), _placed(right)
    batch, _, channels = left.shape
    num_entries = rows.shape[0]
    wide = torch.promote_types(left.dtype, torch.float32)
    if num_entries == 0 or batch * channels == 0:
        return left.new_zeros(num_entries, dtype=wide)
    vector = _vector(left, right)
    lanes = _lanes(batch * channels, vector)
    entries_of_team = 2 * lanes
    blocks = -(-num_entries // (THREADS // lanes * entries_of_team))
    slices = -(-batch * channels // (lanes * vector))
    parts = min(slices, -(-2 * num_processors(left.device.index) // blocks))
    sums = left.new_empty((parts, num_entries), dtype=wide)
    _kernels(DTYPES[left.dtype], vector, lanes).launch(
        "dots",
        (blocks, parts),
        (THREADS,),
        (
            sums,
            left,
            right,
            rows,
            columns,
            num_entries,
            entries_of_team,
            batch,
            channels,
            left.stride(0),
            left.stride(1),
            right.stride(0),
            right.stride(1),
        ),
        left.device,
    )
    return sums.sum(0) if parts > 1 else sums.view(num_entries)


def _dots_fake(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    wide = torch.promote_types(left.dtype, torch.float32)
    return left.new_empty(rows.shape[0], dtype=wide)


def _row_kernel(name: str, result: Tensor, *arguments: Tensor) -> Tensor:
    """One team for every row of the matrix, along y one grid for every leading index."""
    *inputs, indptr = arguments
    num_rows, num_entries = indptr.shape[0] - 1, result.shape[-1]
    if result.numel() > 0:
        grid = (-(-num_rows // (THREADS // 8)), result.numel() // num_entries)
        rest = (*inputs, indptr, num_rows, num_entries)
        kernels = _kernels(DTYPES[result.dtype])
        kernels.launch(name, grid, (THREADS,), (result, *rest), result.device)
    return result


def _softmax(logits: Tensor, indptr: Tensor) -> Tensor:
    return _row_kernel("row_softmax", _like(logits), logits.contiguous(), indptr)


def _softmax_backward(gradient: Tensor, shares: Tensor, indptr: Tensor) -> Tensor:
    inputs = gradient.contiguous(), shares.contiguous()
    return _row_kernel("row_softmax_backward", _like(shares), *inputs, indptr)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


PRODUCT = define(
    "sparse_product(Tensor x, Tensor values, Tensor indptr, Tensor columns, Tensor? places) "
    "-> Tensor",
    cuda=_product,
    fake=_product_fake,
)
DOTS = define(
    "sparse_dots(Tensor left, Tensor right, Tensor rows, Tensor columns) -> Tensor",
    cuda=_dots,
    fake=_dots_fake,
)
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
