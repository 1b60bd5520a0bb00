"""How channels are divided among blocks and threads that walk: no device is needed to tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

STEP = 8
"""Entries whose rows a thread reads at once."""
WIDTH_BYTES = 4
"""Of the channels that a thread has."""
MOST_WALKERS = 128
"""Threads that walk in one direction."""
TILE_BYTES = 72 << 10
"""More than this much shared memory is avoided: too few blocks would run at once."""


@dataclass(frozen=True)
class WalkDivision:
    """How the channels are divided among blocks and threads."""

    width: int
    copy: int
    slice: int
    slices: int
    walkers: int
    shared_memory: int


@dataclass(frozen=True)
class WalkSizes:
    """All that the division depends on: a tile of rows, read along a list of entries.

    Attributes
    ----------
    channels : int
    number : int
        Bytes of a number.
    reading, writing : int
        Bytes that divide the address and the length of every row that is read, and of every row.
    rows, entries : int
    ways : {1, 2}
        Directions that are walked in at once.
    sorted_nodes : int
        Nodes that the block must sort.
    memory : int
        Bytes of shared memory that a block may have.
    """

    channels: int
    number: int
    reading: int
    writing: int
    rows: int
    entries: int
    ways: int
    sorted_nodes: int
    memory: int


@cache
def divide_walk(sizes: WalkSizes) -> WalkDivision:
    """Slices of the channels as wide as shared memory and threads allow."""
    number, real = sizes.number, max(sizes.number, 4)
    width = max(1, min(WIDTH_BYTES, sizes.writing) // number)
    unit = max(sizes.reading // number, width)
    padded = -(-sizes.entries // STEP) * STEP
    entry = 4 * real
    sorting = 2 * (3 * real + 4) * (-(-sizes.sorted_nodes // 4) * 4)
    parts = (
        -(-sizes.channels // (slices * unit)) * unit
        for slices in range(1, sizes.channels // unit + 1)
    )
    for part in parts:
        walkers = 32 * -(-part // (32 * width))
        dots = walkers // 32 * real * padded if sizes.ways == 2 else 0
        tile = -(-(sizes.rows + 1) * part * number // 16) * 16
        memory = entry * padded + dots + tile + sorting
        small = tile <= TILE_BYTES or walkers == 32
        if walkers <= MOST_WALKERS and small and memory <= sizes.memory:
            slices = -(-sizes.channels // part)
            return WalkDivision(width, sizes.reading, part, slices, walkers, memory)
    raise RuntimeError(f"{sizes.rows} rows do not fit into {sizes.memory} bytes of shared memory")
