"""How whole layers are divided among the blocks of a device: no device is needed to tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import MOST_LAYER_NODES, LayerSizes

WARPS_AT_ONCE = 8
"""Of the kernel that runs everywhere, on a processor: each thread may have all 255 registers."""


@dataclass(frozen=True)
class ForwardDivision:
    """How a layer is divided among blocks."""

    columns: int
    graphs: int
    stages: int
    blocks: int
    shared_memory: int
    scratch: bool


def _forward_division(sizes: LayerSizes, columns: int, graphs: int) -> ForwardDivision | None:
    """The division with so many columns for a block and graphs for a tile, if it fits."""
    weights = sizes.copies * sizes.matrices * sizes.row_bytes * columns
    fixed = weights + 8 * columns + 4 * sizes.nodes + 4 * (sizes.nodes + 3) + 48
    tile = sizes.nodes * graphs * sizes.row_bytes
    tiles = -(-sizes.batch // graphs)
    blocks = max(1, min(tiles, sizes.processors // (sizes.out_channels // columns)))
    stages = min(2, (sizes.shared_memory - fixed) // tile, -(-tiles // blocks))
    if sizes.out_channels % columns or stages < 1:
        return None
    shared = fixed + stages * tile
    entries = 12 * sizes.entries
    scratch = shared + entries > sizes.shared_memory
    return ForwardDivision(
        columns, graphs, stages, blocks, shared + (0 if scratch else entries), scratch
    )


def _forward_clocks(sizes: LayerSizes, division: ForwardDivision) -> float:
    """A rough count of the clock cycles that a division takes."""
    rows = sizes.nodes * division.graphs
    rounds = -(-sizes.batch // (division.graphs * division.blocks))
    share = -(-sizes.out_channels // division.columns * division.blocks // sizes.processors)
    row = sizes.row_bytes
    multiplying = sizes.products * sizes.matrices * row / 32 * division.columns / 2
    mixing = rows * (sizes.entries / sizes.nodes + 1) * row / 128
    tile = 1000 + mixing + multiplying * (1 if rows <= 64 else 2) + 8 * rows
    return sizes.matrices * row * division.columns / 32 + max(1, share) * rounds * tile


@cache
def divide_forward(sizes: LayerSizes) -> ForwardDivision:
    """The division that takes the fewest clock cycles."""
    divisions = [
        _forward_division(sizes, columns, graphs)
        for columns in (128, 64, 32)
        if sizes.out_channels % columns == 0
        for graphs in range(1, MOST_LAYER_NODES // sizes.nodes + 1)
    ]
    return min((d for d in divisions if d is not None), key=lambda d: _forward_clocks(sizes, d))


@dataclass(frozen=True)
class PortableDivision:
    """How a layer is divided among blocks of the kernel that runs everywhere."""

    columns: int
    graphs: int
    stages: int
    split: int
    blocks: int
    shared_memory: int
    scratch: bool
    clocks: float
    """A rough count of the clock cycles that it takes."""

    def options(self) -> dict[str, int]:
        """What the kernel is compiled with."""
        return {
            "WIDTH": self.columns,
            "GRAPHS": self.graphs,
            "STAGES": self.stages,
            "SPLIT": self.split,
        }

    def threads(self, nodes: int) -> int:
        """Of a block: a warp has 16 rows, or shares them."""
        return 32 * -(-nodes * self.graphs // 16) * self.split


def _portable_division(
    sizes: LayerSizes, columns: int, graphs: int, stages: int
) -> PortableDivision | None:
    """The division with so many columns for a block, and graphs and stages of tiles, if it fits."""
    words, rows = sizes.row_bytes // 4, sizes.nodes * graphs
    slices, tiles = sizes.out_channels // columns, -(-sizes.batch // graphs)
    shared = 4 * (sizes.matrices * words * columns + stages * rows * words)
    shared += 4 * (2 * columns + 2 * sizes.nodes + 2)
    if shared > sizes.shared_memory:
        return None
    scratch = shared + 12 * sizes.entries > sizes.shared_memory
    shared += 0 if scratch else 12 * sizes.entries
    row_tiles = -(-rows // 16)
    split = next(s for s in (4, 2, 1) if s == 1 or (columns >= 32 * s and row_tiles * s <= 8))
    warps = row_tiles * split
    together = max(1, min(sizes.shared_memory // (shared + 1024), WARPS_AT_ONCE // warps))
    blocks = max(1, min(tiles, sizes.processors * together // slices))
    if stages > -(-tiles // blocks):
        return None
    rounds = -(-tiles // blocks) * max(1, -(-slices * blocks // (sizes.processors * together)))
    mixing = split * rows * (sizes.entries / sizes.nodes + 1) * sizes.row_bytes / 128
    multiplying = row_tiles * sizes.matrices * words * columns / 32 * sizes.copies
    busy = mixing + multiplying + rows * columns * 8 / 128
    alone = 1500 / min(together, stages) + (2 if warps < 4 else 1) * busy
    weights = sizes.matrices * words * columns / 4 / min(1, warps / 4)
    clocks = together * weights / 8 + rounds * max(alone, together * busy)
    return PortableDivision(columns, graphs, stages, split, blocks, shared, scratch, clocks)


@cache
def divide_portable(sizes: LayerSizes) -> PortableDivision:
    """The division that takes the fewest clock cycles."""
    divisions = [
        _portable_division(sizes, columns, graphs, stages)
        for columns in (128, 64, 32)
        if sizes.out_channels % columns == 0
        for graphs in range(1, min(sizes.batch, MOST_LAYER_NODES // sizes.nodes) + 1)
        for stages in (1, 2)
    ]
    return min((d for d in divisions if d is not None), key=lambda d: d.clocks)


@dataclass(frozen=True)
class BackwardDivision:
    """How the backward pass of a layer is divided among blocks."""

    columns: int
    graphs: int
    stages: int
    blocks: int
    shared_memory: int
    clocks: float
    """A rough count of the clock cycles that it takes."""

    def options(self, sizes: LayerSizes) -> dict[str, int]:
        """What the kernel is compiled with."""
        return {
            "WIDTH": sizes.matrices * self.columns,
            "GRAPHS": self.graphs,
            "STAGES": self.stages,
        }


def _backward_division(sizes: LayerSizes, columns: int, graphs: int) -> BackwardDivision | None:
    """The division with so many channels for a block and graphs for a tile, if it fits."""
    width, rows = sizes.matrices * columns, sizes.nodes * graphs
    depth = 2 * (-(-(rows + 1) // 2 // 16) * 16) // sizes.per_word
    up_words, x_words = sizes.out_channels // sizes.per_word, columns // sizes.per_word
    weights = sizes.copies * width * up_words
    mixed = max(sizes.copies * -(-depth // 32) * 32 * width, rows * x_words)
    tile = rows * (up_words + 16 + x_words)
    per_entry = 16 + 4 + 4 * graphs
    fixed = 4 * (weights + mixed) + per_entry * sizes.entries + 8 * sizes.nodes + 4 + 2 * 32
    stages = min(2, (sizes.shared_memory - fixed) // (4 * tile))
    if stages < 1:
        return None
    slices = sizes.in_channels // columns
    tiles = -(-sizes.batch // graphs)
    blocks = max(1, min(tiles, sizes.processors // slices))
    rounds = -(-tiles // blocks) * max(1, -(-slices * blocks // sizes.processors))
    products = sizes.products * width * (up_words + depth * sizes.out_channels / 128) / 8
    mixing = rows * (sizes.entries / sizes.nodes + 1) * x_words / 16
    a_tile = 2000 + products + mixing + 12 * rows
    clocks = weights / 8 + rounds * a_tile + blocks * 20
    return BackwardDivision(columns, graphs, stages, blocks, fixed + 4 * tile * stages, clocks)


@cache
def divide_backward(sizes: LayerSizes) -> BackwardDivision | None:
    """The division that takes the fewest clock cycles; None if the kernel does not take the layer.

    The channels of dY are one or two warpgroups' rows of the gradient of the weights.
    """
    if sizes.out_channels not in (64, 128):
        return None
    divisions = [
        _backward_division(sizes, columns, graphs)
        for columns in (64, 32)
        if sizes.in_channels % columns == 0
        and columns // sizes.per_word >= 32
        and sizes.matrices * columns <= 128
        for graphs in range(1, MOST_LAYER_NODES // sizes.nodes + 1)
    ]
    return min((d for d in divisions if d is not None), key=lambda d: d.clocks, default=None)


def _portable_backward_division(
    sizes: LayerSizes, graphs: int, stages: int
) -> BackwardDivision | None:
    """The division with so many graphs for a tile and tiles in shared memory, if it fits.

    A block has 128 bytes of every row of X.
    """
    row_words = 32
    columns = row_words * sizes.per_word
    width, rows = sizes.matrices * columns, sizes.nodes * graphs
    row_tiles, up_words = -(-rows // 16), sizes.out_channels // sizes.per_word
    padded = 16 * row_tiles
    slices, tiles = sizes.in_channels // columns, -(-sizes.batch // graphs)
    tile = padded * up_words + rows * row_words
    words = up_words * width + padded * sizes.matrices * row_words + rows * row_words
    per_entry = 16 + 4 + 4 * graphs
    shared = 4 * (words + stages * tile) + per_entry * sizes.entries + 8 * sizes.nodes + 4
    blocks = max(1, min(tiles, sizes.processors // slices))
    if shared > sizes.shared_memory or stages > -(-tiles // blocks):
        return None
    rounds = -(-tiles // blocks) * max(1, -(-slices * blocks // sizes.processors))
    products = row_tiles * width * (up_words + 2 * sizes.out_channels / sizes.per_word) / 32
    entries = 2 * rows * (sizes.entries / sizes.nodes + 2)
    a_tile = 3000 / stages + products * sizes.copies + entries + 400 * entries / rows / 8
    clocks = width * up_words / 8 + rounds * a_tile + blocks * 20
    return BackwardDivision(columns, graphs, stages, blocks, shared, clocks)


@cache
def divide_portable_backward(sizes: LayerSizes) -> BackwardDivision | None:
    """The division that takes the fewest clock cycles; None if the kernel does not take the layer.

    The channels of dY are those that a row of warps has.
    """
    if sizes.out_channels not in (64, 128):
        return None
    divisions = [
        _portable_backward_division(sizes, graphs, stages)
        for graphs in range(1, min(sizes.batch, MOST_LAYER_NODES // sizes.nodes) + 1)
        for stages in (1, 2)
    ]
    return min((d for d in divisions if d is not None), key=lambda d: d.clocks, default=None)
