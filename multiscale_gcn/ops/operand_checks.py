"""Checks that the operators make of their arguments: kernels would read past the end of memory."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern, shape_of


def check_features_fit(x: Tensor, pattern: Pattern | CrossPattern) -> None:
    columns = shape_of(pattern)[1]
    if x.dim() != 3 or x.shape[1] != columns:
        raise ValueError(
            f"x has shape {list(x.shape)}, expected [B, {columns}, C]: one row for each column of "
            "the pattern"
        )


def check_entry_values(
    values: Tensor, pattern: Pattern | CrossPattern, channels: int, name: str = "values"
) -> None:
    num_entries = pattern.rows.shape[0]
    if tuple(values.shape) not in ((num_entries,), (channels, num_entries)):
        raise ValueError(
            f"{name} has shape {list(values.shape)}, expected [{num_entries}] or [{channels}, "
            f"{num_entries}]: the pattern has {num_entries} entries"
        )


def check_weight(weight: Tensor, x: Tensor) -> None:
    if weight.dim() != 3 or weight.shape[0] not in (1, 2) or weight.shape[1] != x.shape[2]:
        raise ValueError(
            f"weight has shape {list(weight.shape)}, expected [1 or 2, {x.shape[2]}, C_out]: x has "
            f"{x.shape[2]} channels"
        )
