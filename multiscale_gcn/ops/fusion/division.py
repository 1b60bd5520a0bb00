"""How the maps between scales are divided among the blocks of a device: no device is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from multiscale_gcn.ops.multiples import up_to

MOST_SCALES = 4
SLICES = ((64, 3), (64, 2), (32, 2))
"""Columns of a slice, that a block takes at once, and slices that are there or on their way: the
first for which there is room. One slice is computed while the others come."""
SUM_SLICES = ((32, 4), (32, 3), (32, 2))
"""The same, of what is summed up over columns."""
THREADS, WARPS = 512, 16
TILE = 32
"""Rows and columns of the gradients that a warp makes at once."""
BEYOND = 24
"""Rows behind the last slice that whole tiles read."""
MOST_TASKS, MOST_ROWS = 2, 16
"""That a warp has registers for: tiles of gradients, and rows whose sums it takes."""
STATIC = 2048
"""Bytes of shared memory that are no room for features or matrices."""


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
        """Tiles of the gradients of matrices for a warp."""
        tiles = sum(-(-self.nodes[t] // TILE) * -(-self.nodes[s] // TILE) for t, s in self.maps)
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

    def words(self, back: bool, columns: int, stages: int) -> int:
        """Of 4 bytes in shared memory, for all matrices and biases and for slices of features."""
        matrices = sum(self._matrix(self.nodes[t], self.nodes[s], back) for t, s in self.maps)
        return matrices + self._padded(16) + stages * self._padded(8) * (columns + 8)

    def words_of_sums(self, columns: int, stages: int) -> int:
        """For slices of features and of their gradients."""
        return (stages * (self._padded(16) + self._padded(8)) + BEYOND) * columns


@dataclass(frozen=True)
class FusionDivision:
    """How kernels divide the columns.

    Attributes
    ----------
    slices, sum_slices : pair of int
        Columns of a slice, and slices that a block holds at once; and where columns are summed up.
    blocks, sum_blocks : int
    forward, back, sums : int
        Bytes of shared memory.
    """

    slices: tuple[int, int]
    sum_slices: tuple[int, int]
    blocks: int
    sum_blocks: int
    forward: int
    back: int
    sums: int

    def options(self) -> dict[str, int]:
        """What the kernels are compiled with."""
        names = ("COLUMNS", "STAGES", "SUM_COLUMNS", "SUM_STAGES")
        return dict(zip(names, (*self.slices, *self.sum_slices), strict=True))


@cache
def divide_fusion(
    scales: Scales, columns: int, processors: int, memory: int
) -> FusionDivision | None:
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
    room = (memory - STATIC) // 4
    chosen = [c for c in SLICES if max(scales.words(b, *c) for b in (False, True)) <= room]
    summing = [c for c in SUM_SLICES if scales.words_of_sums(*c) <= room]
    if not chosen or not summing:
        return None
    # Sums are written once for each block: it should take two slices at least.
    sum_blocks = min(-(-columns // summing[0][0]) // 2, processors)
    return FusionDivision(
        chosen[0],
        summing[0],
        min(-(-columns // chosen[0][0]), processors),
        max(1, sum_blocks),
        4 * scales.words(False, *chosen[0]),
        4 * scales.words(True, *chosen[0]),
        4 * scales.words_of_sums(*summing[0]),
    )
