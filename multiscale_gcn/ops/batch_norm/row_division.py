"""How rows and channels are divided among the blocks of the kernels: no device is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

THREADS, WARP = 512, 32
MOST_CHANNELS = 128
"""Of a block."""
ROWS_OF_THREAD = 4
"""That are read at once: with fewer rows there are fewer parts."""


@dataclass(frozen=True)
class RowDivision:
    """How rows and channels are divided among blocks and threads."""

    vector: int
    lanes: int
    slices: int
    parts: int
    blocks: int


@cache
def divide_rows(rows: int, channels: int, vector: int, processors: int) -> RowDivision:
    """For threads that read ``vector`` channels at once."""
    lanes = 1
    while lanes < min(channels // vector, MOST_CHANNELS // vector, WARP):
        lanes *= 2
    slices = -(-channels // (vector * lanes))
    teams = THREADS // lanes
    most = max(1, processors // slices)
    parts = min(most, -(-rows // (ROWS_OF_THREAD * teams)))
    return RowDivision(vector, lanes, slices, parts, min(most, -(-rows // teams)))
