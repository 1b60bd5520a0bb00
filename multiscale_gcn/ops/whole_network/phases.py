"""Which instructions run at once: a program in phases, between which all warps wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from multiscale_gcn.ops.multiples import up_to
from multiscale_gcn.ops.whole_network.preparation import WIDTH
from multiscale_gcn.ops.whole_network.program import Features, Instruction, Make, Write, read_by

Phases = Sequence[Sequence[Instruction]]


TILES = (3, 2, 1)
"""Of 16 rows, that a warp may take at once."""


class Piece(NamedTuple):
    """Of an instruction: what a warp does, and how long it takes compared to others."""

    make: Make
    tiles: int
    row: int
    column: int
    cost: float


@dataclass(frozen=True)
class Division:
    """How warps share the work.

    Attributes
    ----------
    warps : int
        Of a block.
    sharing : int
        Warps among which an instruction is divided; the others have other instructions.
    most : int
        Pieces of work at once, unless a single instruction has more.
    """

    warps: int
    sharing: int
    most: int


def divisions(warps: int) -> list[Division]:
    """Those that are worth trying."""
    return [
        Division(warps, max(1, warps // parts), most)
        for parts in (1, 2, 4)
        for most in (1 << 30, 2 * warps, 3 * warps // 2, warps, 0)
    ]


def pieces(make: Make, division: Division) -> list[Piece]:
    """The work of an instruction. Each piece is of 32 columns and some tiles of 16 rows.

    Costs count products of tiles: four for each tile of rows, and three for what all of them share.
    """
    target = make.target
    columns = range(0, up_to(target.channels, WIDTH), WIDTH)
    steps = 0 if make.product is None else 2 * (up_to(make.product.weights.rows, 16) // 16)
    steps += 0 if make.nodes is None else up_to(make.nodes.z.nodes, 8) // 8

    def cost(tiles: int) -> int:
        return steps * (4 * tiles + 3) + 16 * tiles + 20

    def rounds(tiles: int) -> int:
        items = -(-target.nodes // (16 * tiles)) * len(columns)
        return -(-items // division.sharing) * cost(tiles)

    best = min(TILES, key=rounds)
    return [
        Piece(make, best, row, column, cost(best))
        for row in range(0, target.nodes, 16 * best)
        for column in columns
    ]


def given_away(phase: Sequence[Instruction], division: Division) -> list[list[Piece]]:
    """The work of each warp. Long pieces are given away first, to who has least to do."""
    given: list[list[Piece]] = [[] for _ in range(division.warps)]
    work = [p for make in phase if isinstance(make, Make) for p in pieces(make, division)]
    for piece in sorted(work, key=lambda piece: -piece.cost):
        min(given, key=cost_of).append(piece)
    return given


def cost_of(work: Sequence[Piece]) -> float:
    return sum(piece.cost for piece in work)


WAITING = 40
"""What it costs that warps wait for each other."""


def total_cost(phases: Phases, division: Division) -> float:
    return sum(WAITING + max(map(cost_of, given_away(phase, division))) for phase in phases)


def phases_of(instructions: Sequence[Instruction], division: Division) -> Phases:
    """All that is ready runs at once, as far as the division allows."""
    return list(_phases(instructions, division))


def _phases(instructions: Sequence[Instruction], division: Division) -> Iterator[list[Instruction]]:
    left = list(instructions)
    made: set[Features] = set()
    while left:
        phase: list[Instruction] = []
        busy = 0
        for instruction in left:
            if all(features in made for features in read_by(instruction)):
                count = _count(instruction, division)
                if not phase or busy + count <= division.most:
                    phase.append(instruction)
                    busy += count
        made.update(each.target for each in phase if not isinstance(each, Write))
        taken = set(map(id, phase))
        left = [instruction for instruction in left if id(instruction) not in taken]
        yield phase


def _count(instruction: Instruction, division: Division) -> int:
    return len(pieces(instruction, division)) if isinstance(instruction, Make) else 0
