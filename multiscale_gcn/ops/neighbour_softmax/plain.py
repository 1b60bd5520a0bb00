"""Softmax of the entries of every row in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern, shape_of


def plain_softmax(
    logits: Tensor,  # [..., nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [..., nnz]
    """:func:`neighbour_softmax` of what fits."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = pattern.rows
    per_row = (*wide.shape[:-1], shape_of(pattern)[0])
    # The shift cancels, so no gradient flows through it.
    highest = wide.new_full(per_row, -torch.inf).scatter_reduce(
        -1, rows.expand(wide.shape), wide.detach(), "amax"
    )
    powers = (wide - highest.index_select(-1, rows)).exp()
    sums = wide.new_zeros(per_row).index_add(-1, rows, powers)
    return (powers / sums.index_select(-1, rows)).to(logits.dtype)
