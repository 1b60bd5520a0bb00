"""Product of a sparse matrix with features in plain PyTorch: as a dense matrix, or by entries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.bags import sum_bags
from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern, shape_of
from multiscale_gcn.ops.differentiable import DifferentiableFunction, applied, keep_signature
from multiscale_gcn.ops.layout import by_node, rows_mixed
from multiscale_gcn.ops.operand_checks import check_one_type, check_product

CPU_DENSITY = 0.25
"""From this share of entries on a CPU multiplies with a dense matrix, however many the nodes."""

DENSE_MATRIX_NODES = 512
"""Up to this many nodes all other cases take dense matrices."""


def propagates_dense(
    device: torch.device,
    num_rows: int,
    num_columns: int,
    num_entries: int,
    *,
    per_channel: bool = False,
) -> bool:
    """Whether :func:`propagate` multiplies with a dense matrix."""
    if device.type == "cpu" and not per_channel:
        return num_entries >= CPU_DENSITY * num_rows * num_columns
    return max(num_rows, num_columns) <= DENSE_MATRIX_NODES


def plain_product(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz] or [C, nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """:func:`propagate` in plain PyTorch, of what fits."""
    sizes = (*shape_of(pattern), pattern.rows.shape[0])
    dense = propagates_dense(x.device, *sizes, per_channel=values.dim() == 2)
    # ONNX has no embedding bags: exported, they become loops.
    dense |= torch.onnx.is_in_onnx_export() and max(sizes[:2]) <= DENSE_MATRIX_NODES
    return (_dense if dense else _sparse)(x, values, pattern)


def propagate_dense(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz] or [C, nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """:func:`propagate` as a product with an M x N matrix, or with one for every channel.

    Parameters
    ----------
    x, values, pattern
        As in :func:`propagate`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    propagate : a sparse matrix times features

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, values = torch.tensor([[[1.0], [10.0]]]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> propagate_dense(x, values, pattern)
    tensor([[[21.],
             [43.]]])
    """
    check_product(x, values, pattern)
    return _dense(x, values, pattern)


def _dense(x: Tensor, values: Tensor, pattern: Pattern | CrossPattern) -> Tensor:
    check_one_type(x=x, values=values)
    m, n = shape_of(pattern)
    flat = values.new_zeros((*values.shape[:-1], m * n))
    places = pattern.rows * n + pattern.columns
    matrix = torch.unflatten(flat.index_copy(-1, places, values), -1, (m, n))
    if values.dim() == 1:
        return rows_mixed(matrix, x)
    return torch.bmm(matrix, x.permute(2, 1, 0)).permute(2, 1, 0)


def propagate_sparse(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz] or [C, nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """:func:`propagate` in time and memory that grow with the entries; sums in float32 or better.

    One matrix for all channels runs as an embedding bag: no tensor of shape (nnz, C) is made.
    One matrix a channel gathers B x nnz x C numbers, B times as many as it has values.

    Parameters
    ----------
    x, values, pattern
        As in :func:`propagate`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    propagate : a sparse matrix times features

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, values = torch.tensor([[[1.0], [10.0]]]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> propagate_sparse(x, values, pattern)
    tensor([[[21.],
             [43.]]])
    """
    check_product(x, values, pattern)
    return _sparse(x, values, pattern)


def _sparse(x: Tensor, values: Tensor, pattern: Pattern | CrossPattern) -> Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    features, weights = x.to(wide), values.to(wide)
    if values.dim() == 2:
        messages = features.index_select(1, pattern.columns) * weights.t()
        empty = features.new_zeros(x.shape[0], shape_of(pattern)[0], x.shape[2])
        return empty.index_add(1, pattern.rows, messages).to(x.dtype)
    nodes = by_node(features)
    square = isinstance(pattern, Pattern)
    back = (None, None) if square else (pattern.back_indptr, pattern.back_columns)
    result: Tensor = applied(
        _SparseProduct,
        nodes.flatten(1),
        weights,
        False,
        pattern.indptr,
        pattern.rows,
        pattern.columns,
        pattern.mirror,
        *back,
    )
    return torch.unflatten(result, 1, nodes.shape[1:]).transpose(0, 1).to(x.dtype)


class _OneByOne(DifferentiableFunction):
    """Under ``torch.vmap`` it runs for one member after the other: PyTorch's bags know no batch.

    Dynamo counts the arguments, so they are listed one by one, and takes no tensor twice: a
    symmetric pattern, which is its own transpose, leaves out the last two.
    """

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], *arguments: Any
    ) -> tuple[Tensor, int]:
        members = [
            [
                a if dim is None else a.select(dim, k)
                for a, dim in zip(arguments, in_dims, strict=True)
            ]
            for k in range(info.batch_size)
        ]
        return torch.stack([cls.apply(*member) for member in members]), 0


class _SparseProduct(_OneByOne):
    """A x or, transposed, A^T x, row by row; each is the other's gradient."""

    @staticmethod
    @keep_signature
    def forward(
        table: Tensor,
        values: Tensor,
        transposed: bool,
        indptr: Tensor,
        rows: Tensor,
        columns: Tensor,
        mirror: Tensor,
        back_indptr: Tensor | None,
        back_columns: Tensor | None,
    ) -> Tensor:
        if transposed:
            values = values.index_select(0, mirror)
            if back_indptr is not None and back_columns is not None:
                indptr, columns = back_indptr, back_columns
        return sum_bags(table, columns, indptr, values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        table, values, ctx.transposed, *pattern = inputs
        ctx.save_for_backward(table, values, *pattern)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        table, values, *pattern = ctx.saved_tensors
        gradient = gradient.contiguous()
        for_table = for_values = None
        if ctx.needs_input_grad[0]:
            for_table = _SparseProduct.apply(gradient, values, not ctx.transposed, *pattern)
        if ctx.needs_input_grad[1]:
            ends = (table, gradient) if ctx.transposed else (gradient, table)
            for_values = _SparseDots.apply(*ends, *pattern)
        return for_table, for_values, None, *[None] * len(pattern)


class _SparseDots(_OneByOne):
    """Of every entry (i, j) the product <left_i, right_j>."""

    @staticmethod
    @keep_signature
    def forward(
        left: Tensor,
        right: Tensor,
        indptr: Tensor,
        rows: Tensor,
        columns: Tensor,
        mirror: Tensor,
        back_indptr: Tensor | None,
        back_columns: Tensor | None,
    ) -> Tensor:
        dots: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            left, right, columns, indptr, rows, 0
        )
        return dots

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        left, right, *pattern = ctx.saved_tensors
        for_left = for_right = None
        if ctx.needs_input_grad[0]:
            for_left = _SparseProduct.apply(right, gradient, False, *pattern)
        if ctx.needs_input_grad[1]:
            for_right = _SparseProduct.apply(left, gradient, True, *pattern)
        return for_left, for_right, *[None] * len(pattern)
