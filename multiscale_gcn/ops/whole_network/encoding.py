"""How the kernels are told what to do: tables of int32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from multiscale_gcn.ops.multiples import up_to
from multiscale_gcn.ops.whole_network.memory import Place, end_of, places
from multiscale_gcn.ops.whole_network.phases import Division, Phases, Piece, given_away
from multiscale_gcn.ops.whole_network.preparation import (
    POINTERS,
    TASK,
    WIDTH,
    Preparation,
    Task,
    Vectors,
)
from multiscale_gcn.ops.whole_network.program import (
    Attention,
    Features,
    Instruction,
    Make,
    Mix,
    Read,
)

IDLE, READ, WRITE, MAKE = range(4)
NO_NODES, NODE_MATRIX, ATTENTION = range(3)
"""By their numbers in ``walk.cu``."""
WORDS = 32
"""Numbers of a piece of work there."""


@dataclass(frozen=True)
class Launch:
    """Tasks, and the parameters that they name."""

    tasks: np.ndarray
    parameters: tuple[Tensor, ...]


def launches(preparation: Preparation) -> list[Launch]:
    """All tasks, in as few launches as can name what they read."""
    found: list[Launch] = []
    rows: list[list[int]] = []
    named: dict[int, Tensor] = {}
    for task in preparation.tasks:
        new = {id(tensor): tensor for tensor in task.tensors()}
        if len(named | new) > POINTERS:
            found.append(_launch(rows, named))
            rows, named = [], {}
        named |= new
        rows += _rows(task, {identity: place for place, identity in enumerate(named)})
    return [*found, _launch(rows, named)] if rows else found


def _launch(rows: list[list[int]], named: dict[int, Tensor]) -> Launch:
    return Launch(np.array(rows, np.int32), tuple(named.values()))


def _rows(task: Task, place: dict[int, int]) -> list[list[int]]:
    parts = [
        place[id(part)] if isinstance(part, Tensor) else -1 if part is None else part
        for part in task.parts
    ]
    parts += [0] * (TASK - 8 - len(parts))
    sizes = [task.rows, task.columns, task.padded_columns, 0]
    return [[task.kind, task.begin, *piece, *sizes, *parts] for piece in task.pieces()]


@dataclass(frozen=True)
class Walk:
    """The lists of work, and how many numbers of shared memory it takes.

    Attributes
    ----------
    lists : array of int32, shape (length, warps, WORDS)
    memory : int
    """

    lists: np.ndarray
    memory: int


def walk(phases: Phases, division: Division, inputs: int) -> Walk:
    """What the kernel reads, of a program with so many inputs."""
    found = places(phases)
    lists = [rows for phase in phases for rows in _lists(phase, division, found, inputs)]
    return Walk(np.array(lists, np.int32), end_of(found))


def _lists(
    phase: Sequence[Instruction],
    division: Division,
    found: dict[Features, Place],
    inputs: int,
) -> Iterator[list[list[int]]]:
    """What all warps do, place by place; in the last place they wait for each other."""
    for instruction in phase:
        if not isinstance(instruction, Make):
            yield [_end(instruction, found, inputs)] * division.warps
    given = given_away(phase, division)
    length = max(map(len, given))
    for place in range(length):
        wait = int(place == length - 1)
        yield [
            [MAKE, wait, *_piece(had[place], found, inputs)]
            if place < len(had)
            else [IDLE, wait, *[0] * (WORDS - 2)]
            for had in given
        ]


def _end(instruction: Instruction, found: dict[Features, Place], inputs: int) -> list[int]:
    """Of an input or output, in which all warps take part."""
    if isinstance(instruction, Read):
        kind, features, end = READ, instruction.target, instruction.end
    else:
        assert not isinstance(instruction, Make)
        kind, features, end = WRITE, instruction.source, inputs + instruction.end
    words = [kind, 1, 0, 0, 0, *_head(features, found[features])]
    return [*words, *[0] * (28 - len(words)), end, *[0] * 3]


def _head(features: Features, place: Place) -> list[int]:
    columns = up_to(features.channels, WIDTH)
    return [features.nodes, features.channels, columns, place.begin, place.pitch]


def _piece(piece: Piece, found: dict[Features, Place], inputs: int) -> list[int]:
    make = piece.make
    target = make.target
    x = [-1, 0, 0, 0, 0]
    rows = None
    if make.product is not None:
        place, weights = found[make.product.x], make.product.weights
        steps = up_to(weights.rows, 16) // 16
        x = [place.begin, place.pitch, make.product.x.nodes, steps, weights.begin]
        rows = make.product.rows
    z = [NO_NODES, 0, 0, 0, 0, 0, 0]
    if make.nodes is not None:
        of = make.nodes.z
        place = found[of]
        steps = up_to(of.nodes, 8) // 8
        matrix = make.nodes.matrix.begin if isinstance(make.nodes, Mix) else 0
        kind = ATTENTION if isinstance(make.nodes, Attention) else NODE_MATRIX
        z = [kind, place.begin, place.pitch, of.nodes, steps, matrix, target.channels]
    add = [-1, 0] if make.add is None else list(found[make.add][:2])
    return [
        *(piece.tiles, piece.row, piece.column),
        *_head(target, found[target]),
        *x,
        _begin(rows),
        *z,
        *(_begin(make.vectors), _begin(make.node_shift), int(make.relu)),
        *add,
        -1 if make.end is None else inputs + make.end,
        *[0] * 3,
    ]


def _begin(vectors: Vectors | None) -> int:
    return -1 if vectors is None else vectors.begin
