"""Sums of rows that are named bag by bag."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def sum_bags(
    table: Tensor,  # [N, M]
    places: Tensor,  # [nnz]
    offsets: Tensor,  # [bags + 1]
    weights: Tensor | None,  # [nnz]; None: all 1
) -> Tensor:  # [bags, M]
    if table.shape[1] == 0:  # PyTorch refuses what an empty batch gives
        return table.new_zeros(offsets.shape[0] - 1, 0)
    return F.embedding_bag(
        places, table, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
