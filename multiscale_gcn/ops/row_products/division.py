"""How products over rows are divided among the blocks of a device: no device is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from multiscale_gcn.ops.multiples import up_to

SLICES = ((32, 3), (16, 3), (16, 2))
"""Rows of a slice, that a block takes at once, and slices that are there or on their way: the first
for which there is room. One slice is computed while the others come."""
THREADS, WARPS = 512, 16
TILE = 32
"""Rows and columns of the results that a warp makes at once."""
MOST_TASKS = 2
"""Tiles that a warp has registers for."""
MOST_SUMMED = 128
STATIC = 5120
"""Bytes of shared memory that are no room for rows."""
LEAST_SLICES = 2
"""Of a block, if there are as many: its sums are written once."""


@dataclass(frozen=True)
class Pair:
    """Columns of A and of B in A' B, and whether the rows of A are summed up."""

    left: int
    right: int
    summed: bool


@dataclass(frozen=True)
class RowDivision:
    """Blocks, rows of a slice, slices that a block holds at once, and bytes of shared memory."""

    blocks: int
    rows: int
    stages: int
    shared_memory: int


def places(pairs: tuple[Pair, ...]) -> list[int]:
    """Where the products begin, then the sums that are wanted, then their end."""
    sizes = [pair.left * pair.right for pair in pairs]
    sizes += [pair.left for pair in pairs if pair.summed]
    begins = [0]
    for size in sizes:
        begins.append(begins[-1] + up_to(size, 4))
    return begins


def tasks(pairs: tuple[Pair, ...]) -> int:
    """Tiles for a warp, at most."""
    tiles = sum(-(-pair.left // TILE) * -(-pair.right // TILE) for pair in pairs)
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
    row_bytes = 4 * sum(up_to(width, TILE) + 8 for width in widths)
    for slice_rows, stages in SLICES:
        shared_memory = stages * slice_rows * row_bytes
        if shared_memory + STATIC <= memory:
            slices = -(-rows // slice_rows)
            blocks = max(1, min(slices // LEAST_SLICES, processors))
            return RowDivision(blocks, slice_rows, stages, shared_memory)
    return None
