"""Sums that blocks made in parts, added up in a fixed order: ``adding_parts.cuh``."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.kernels.launch import Kernels

ADDED, ADDERS = 32, 8
"""Numbers that a block adds up, and threads for each."""


def sum_of_parts(
    parts: Tensor,  # [P, S]
    kernels: Kernels,
) -> Tensor:  # [S]
    """By kernels of a file that includes the header."""
    count, size = parts.shape
    result = parts.new_empty(size)
    grid, threads = (-(-size // ADDED),), (ADDED * ADDERS,)
    kernels.launch("add_parts", grid, threads, (result, parts, count, size), parts.device)
    return result
