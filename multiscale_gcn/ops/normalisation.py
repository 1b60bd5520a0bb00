"""Batch normalisation with known statistics, and ReLU, behind a layer in evaluation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from multiscale_gcn.ops.layout import on_rows


class Normalisation(NamedTuple):
    """Batch normalisation with known statistics, each of shape (C_out,)."""

    mean: Tensor
    variance: Tensor
    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


def finish(
    y: Tensor,  # [B, N, C]
    norm: Normalisation | None,
    relu: bool,
) -> Tensor:  # [B, N, C]
    """Normalise and rectify, as far as asked for."""
    if norm is not None:
        mean, variance, weight, bias, epsilon = norm
        y = on_rows(
            lambda rows: torch.nn.functional.batch_norm(
                rows, mean, variance, weight, bias, False, 0.0, epsilon
            ),
            y,
        )
    return torch.relu(y) if relu else y
