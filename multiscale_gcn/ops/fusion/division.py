"""How the maps between scales are divided among the blocks of a device: no device is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

MOST_SCALES = 4
COLUMNS = 64
"""Of a slice, that a block takes at once."""
THREADS, WARPS = 512, 16
MOST_TASKS, MOST_ROWS = 4, 16
"""That a warp has registers for: tiles of gradients, and rows whose sums it takes."""
STATIC = 1024
"""Bytes of shared memory that are no room for features or matrices."""


def up_to(number: int, unit: int) -> int:
    """The next multiple."""
    return -(-number // unit) * unit


@dataclass(frozen=True)
class Scales:
    """Scales with so many nodes each, and the maps between them.

    Attributes
    ----------
    nodes : tuple of int
    maps : tuple of pairs of int
        Target and source, in rising order.
    """

    nodes: tuple[int, ...]
    maps: tuple[tuple[int, int], ...]

    def options(self) -> dict[str, int]:
        """What the kernels are compiled with."""
        padded = (*self.nodes, *[0] * MOST_SCALES)[:MOST_SCALES]
        mask = sum(1 << (MOST_SCALES * target + source) for target, source in self.maps)
        named = {f"N{k}": nodes for k, nodes in enumerate(padded)}
        return {**named, "MAPS": mask, "TASKS": self.tasks, "ROWS": self.rows}

    @property
    def tasks(self) -> int:
        """Tiles of the gradients of matrices for a warp, of 16 rows and 32 columns."""
        tiles = sum(-(-self.nodes[t] // 16) * -(-self.nodes[s] // 32) for t, s in self.maps)
        return max(1, -(-tiles // WARPS))

    @property
    def rows(self) -> int:
        return -(-self._padded(16) // WARPS)

    def places(self) -> list[int]:
        """Where the gradients of the matrices begin, then those of the biases, then their end."""
        sizes = [self.nodes[t] * self.nodes[s] for t, s in self.maps]
        sizes += [self.nodes[t] for t, _ in self.maps]
        places = [0]
        for size in sizes:
            places.append(places[-1] + up_to(size, 4))
        return places

    def _padded(self, unit: int) -> int:
        return sum(up_to(nodes, unit) for nodes in self.nodes)

    def _matrix(self, lines: int, length: int, back: bool) -> int:
        if back:
            return up_to(lines, 8) * (up_to(length, 16) + 8)
        return up_to(lines, 16) * (up_to(length, 8) + 4)

    def words(self, back: bool) -> tuple[int, int]:
        """Of 4 bytes in shared memory, for all matrices and biases and for a slice of features."""
        matrices = sum(self._matrix(self.nodes[t], self.nodes[s], back) for t, s in self.maps)
        return matrices + self._padded(16), self._padded(8) * (COLUMNS + 8)

    def words_of_sums(self) -> int:
        """For a slice of features and of their gradients."""
        return (self._padded(16) + self._padded(8)) * (COLUMNS + 4)


@dataclass(frozen=True)
class FusionDivision:
    """Blocks, slices that a block holds at once, and bytes of shared memory."""

    blocks: int
    stages: int
    shared_memory: int


def _division(
    slices: int, blocks: int, fixed: int, slice_words: int, memory: int
) -> FusionDivision | None:
    room = (memory - STATIC) // 4 - fixed
    stages = min(2, room // slice_words if room > 0 else 0, -(-slices // blocks))
    if stages < 1:
        return None
    return FusionDivision(blocks, stages, 4 * (fixed + stages * slice_words))


@cache
def divide_fusion(
    scales: Scales, columns: int, processors: int, memory: int
) -> tuple[FusionDivision, FusionDivision, FusionDivision] | None:
    """For features, for their gradients and for those of the maps; None if no kernel takes them.

    Parameters
    ----------
    scales : Scales
    columns : int
        Numbers of a node: batch times channels.
    processors, memory : int
        Of the device, and bytes of shared memory for a block.
    """
    fits = (
        len(scales.nodes) <= MOST_SCALES
        and columns % 4 == 0
        and columns > 0
        and scales.tasks <= MOST_TASKS
        and scales.rows <= MOST_ROWS
    )
    if not fits:
        return None
    slices = -(-columns // COLUMNS)
    blocks = min(slices, processors)
    # Sums are written once for each block: it should take two slices at least.
    summing = max(1, min(slices // 2, processors))
    forward = _division(slices, blocks, *scales.words(False), memory)
    back = _division(slices, blocks, *scales.words(True), memory)
    sums = _division(slices, summing, 0, scales.words_of_sums(), memory)
    if forward is None or back is None or sums is None:
        return None
    return forward, back, sums
