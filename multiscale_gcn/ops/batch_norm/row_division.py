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


@dataclass(frozen=True)
class WholeDivision:
    """How blocks, or clusters of them, that hold some channels of all rows are made."""

    vector: int
    lanes: int
    slices: int
    cluster: int
    """Blocks that share the rows."""
    held: int
    """Rows of a thread."""
    shared_memory: int
    """Bytes, if there is a second tensor."""


HOLDERS = 256
"""Threads of a block that holds rows."""
HELD = (4, 8)
"""Rows of a thread that there are kernels for: with more, two kernels each way are faster."""
CLUSTER, LEAST_OF_CLUSTER = 8, 5
"""Blocks of a cluster; and rows of a thread from which on a block alone is too slow."""
SLICE_BYTES, VECTOR_BYTES = 32, 16
"""Of a row, that a block and that a thread has: memory is read in pieces of 32."""
STATIC = 2048
"""Bytes of shared memory that are no room for rows."""


@cache
def divide_whole(
    rows: int, channels: int, vector: int, element_size: int, memory: int, has_clusters: bool
) -> WholeDivision | None:
    """For blocks with so many bytes of shared memory; None if they cannot hold all rows."""
    vector = min(vector, VECTOR_BYTES // element_size)
    lanes = 1
    while lanes < min(channels // vector, SLICE_BYTES // (vector * element_size)):
        lanes *= 2
    wanted = -(-rows * lanes // HOLDERS)
    cluster = CLUSTER if has_clusters and wanted >= LEAST_OF_CLUSTER else 1
    wanted = -(-rows * lanes // (HOLDERS * cluster))
    held = next((number for number in HELD if number >= wanted), None)
    alone = cluster == 1 and wanted >= LEAST_OF_CLUSTER
    if held is None or alone or rows * channels >= 2**31:
        return None
    room = held * HOLDERS * vector * element_size
    slices = -(-channels // (vector * lanes))
    fits = room + STATIC <= memory
    return WholeDivision(vector, lanes, slices, cluster, held, room) if fits else None
