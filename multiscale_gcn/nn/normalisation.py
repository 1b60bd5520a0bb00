"""Batch normalisation over the channels of [B, N, C]."""

from __future__ import annotations

from torch import Tensor, nn


def normalise(
    norm: nn.Module,
    x: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """Apply a ``BatchNorm1d`` with statistics over batch and nodes, without a transposition."""
    result: Tensor = norm(x.reshape(-1, x.shape[2]))
    return result.view(x.shape)
