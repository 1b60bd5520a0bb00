"""How products over rows are divided among the blocks of a device: no device is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

ROWS = 32
"""Of a slice, that a block takes at once."""
THREADS, WARPS = 512, 16
MOST_TASKS = 4
"""Tiles of 16 x 32 results that a warp has registers for."""
MOST_SUMMED = 128
STATIC = 5120
"""Bytes of shared memory that are no room for rows."""
LEAST_SLICES = 2
"""Of a block, if there are as many: its sums are written once."""


def _up_to(number: int, unit: int) -> int:
    return -(-number // unit) * unit


@dataclass(frozen=True)
class Pair:
    """Columns of A and of B in A' B, and whether the rows of A are summed up."""

    left: int
    right: int
    summed: bool


@dataclass(frozen=True)
class RowDivision:
    """Blocks, slices that a block holds at once, and bytes of shared memory."""

    blocks: int
    stages: int
    shared_memory: int


def places(pairs: tuple[Pair, ...]) -> list[int]:
    """Where the products begin, then the sums that are wanted, then their end."""
    sizes = [pair.left * pair.right for pair in pairs]
    sizes += [pair.left for pair in pairs if pair.summed]
    begins = [0]
    for size in sizes:
        begins.append(begins[-1] + _up_to(size, 4))
    return begins


def tasks(pairs: tuple[Pair, ...]) -> int:
    """Tiles for a warp, at most."""
    tiles = sum(-(-pair.left // 16) * -(-pair.right // 32) for pair in pairs)
    return -(-tiles // WARPS)


@cache
def divide_row_products(
    pairs: tuple[Pair, ...], rows: int, processors: int, memory: int
) -> RowDivision | None:
    """The division; None if no kernel takes them.

    Parameters
    ----------
    pairs : tuple of Pair
    rows, processors : int
    memory : int
        Bytes of shared memory for a block.
    """
    widths = [width for pair in pairs for width in (pair.left, pair.right)]
    if not (
        1 <= len(pairs) <= 2
        and rows > 0
        and tasks(pairs) <= MOST_TASKS
        and all(pair.left <= MOST_SUMMED for pair in pairs if pair.summed)
    ):
        return None
    slices = -(-rows // ROWS)
    blocks = max(1, min(slices // LEAST_SLICES, processors))
    slice_bytes = 4 * ROWS * sum(_up_to(width, 16) + 8 for width in widths)
    stages = min(2, (memory - STATIC) // slice_bytes, -(-slices // blocks))
    return None if stages < 1 else RowDivision(blocks, stages, stages * slice_bytes)
