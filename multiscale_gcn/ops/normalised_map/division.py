"""How rows are divided among the blocks of a device: no device is needed to tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from multiscale_gcn.ops.multiples import up_to

SLICES = ((64, 3), (64, 2), (32, 2))
"""Rows of a slice, that a block takes at once, and slices that are there or on their way: the first
for which there is room. One slice is computed while the others come."""
THREADS = 512
LEAST_SLICES = 2
"""Of a block: where there are fewer, reading the weights costs more than what is saved."""


def _pitch(columns: int) -> int:
    return up_to(columns, 32) + 8


@dataclass(frozen=True)
class MapDivision:
    """Blocks, rows of a slice, slices that a block holds at once, and bytes of shared memory."""

    blocks: int
    rows: int
    stages: int
    shared_memory: int


@cache
def divide_map(
    inside: int, outside: int, rows: int, processors: int, memory: int
) -> MapDivision | None:
    """The division; None if no kernel takes the map, or there are too few rows.

    Parameters
    ----------
    inside, outside : int
        Columns of what is mapped and of the result.
    rows, processors : int
    memory : int
        Bytes of shared memory for a block.
    """
    if inside % 4 or outside % 4:
        return None
    weights = up_to(outside, 32) * _pitch(inside)
    numbers = 3 * outside
    for slice_rows, stages in SLICES:
        words = weights + stages * slice_rows * (_pitch(inside) + _pitch(outside))
        if 4 * (words + numbers) <= memory:
            slices = -(-rows // slice_rows)
            if slices < LEAST_SLICES * processors:
                return None
            return MapDivision(processors, slice_rows, stages, 4 * words)
    return None
