"""Sums of rows that are named bag by bag."""

from __future__ import annotations

import torch
from torch import Tensor

_SUM = 0  # the kind of bag


def sum_bags(
    table: Tensor,  # [N, M]
    places: Tensor,  # [nnz]
    offsets: Tensor,  # [bags + 1]
    weights: Tensor | None,  # [nnz]; None: all 1
) -> Tensor:  # [bags, M]
    if table.shape[1] == 0:  # PyTorch refuses what an empty batch gives
        return table.new_zeros(offsets.shape[0] - 1, 0)
    return torch.embedding_bag(table, places, offsets, False, _SUM, False, weights, True)[0]
