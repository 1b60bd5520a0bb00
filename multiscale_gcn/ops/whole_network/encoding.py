"""How the kernels are told what to do: tables of int32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from multiscale_gcn.ops.whole_network.memory import Place, places
from multiscale_gcn.ops.whole_network.preparation import (
    POINTERS,
    TASK,
    WIDTH,
    Preparation,
    Task,
    Vectors,
    padded,
)
from multiscale_gcn.ops.whole_network.program import (
    Attention,
    Features,
    Instruction,
    Make,
    Mix,
    Program,
    Read,
    Write,
)

READ, WRITE, MAKE = range(3)
NO_NODES, NODE_MATRIX, ATTENTION = range(3)
"""By their numbers in ``walk.cu``."""
WORDS = 32
"""Numbers of an instruction there."""
TILES = (1, 2, 3, 6)
"""Of 16 rows, that a warp may take at once."""


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
    """The program, and how many numbers of shared memory it takes."""

    instructions: np.ndarray
    memory: int


def walk(program: Program, warps: int) -> Walk:
    """What the kernel reads."""
    found = places(program.instructions)
    shift = len(program.inputs)
    rows = [_instruction(each, found, shift, warps) for each in program.instructions]
    return Walk(np.array(rows, np.int32), max(place.end for place in found.values()))


def _instruction(
    instruction: Instruction, found: dict[Features, Place], inputs: int, warps: int
) -> list[int]:
    if isinstance(instruction, Make):
        return _make(instruction, found, warps)
    if isinstance(instruction, Read):
        kind, features, end = READ, instruction.target, instruction.end
    else:
        assert isinstance(instruction, Write)
        kind, features, end = WRITE, instruction.source, inputs + instruction.end
    head = _head(kind, features, found[features])
    return [*head, *[0] * (26 - len(head)), end, *[0] * 5]


def _head(kind: int, features: Features, place: Place) -> list[int]:
    columns = padded(features.channels, WIDTH)
    return [kind, features.nodes, features.channels, columns, place.begin, place.pitch]


def _make(make: Make, found: dict[Features, Place], warps: int) -> list[int]:
    target = make.target
    tiles, groups = division(target.nodes, padded(target.channels, WIDTH), warps)
    x = [-1, 0, 0, 0, 0]
    rows = None
    if make.product is not None:
        place, weights = found[make.product.x], make.product.weights
        steps = padded(weights.rows, 16) // 16
        x = [place.begin, place.pitch, make.product.x.nodes, steps, weights.begin]
        rows = make.product.rows
    z = [NO_NODES, 0, 0, 0, 0, 0, 0]
    if make.nodes is not None:
        of = make.nodes.z
        place = found[of]
        steps = padded(of.nodes, 8) // 8
        matrix = make.nodes.matrix.begin if isinstance(make.nodes, Mix) else 0
        kind = ATTENTION if isinstance(make.nodes, Attention) else NODE_MATRIX
        z = [kind, place.begin, place.pitch, of.nodes, steps, matrix, target.channels]
    add = [-1, 0] if make.add is None else list(found[make.add][:2])
    words = [
        *_head(MAKE, target, found[target]),
        *(tiles, groups),
        *x,
        _begin(rows),
        *z,
        *(_begin(make.vectors), _begin(make.node_shift), int(make.relu)),
        *add,
    ]
    assert len(words) == 26
    return [*words, *[0] * (WORDS - len(words))]


def _begin(vectors: Vectors | None) -> int:
    return -1 if vectors is None else vectors.begin


def division(nodes: int, columns: int, warps: int) -> tuple[int, int]:
    """Tiles of 16 rows that a warp takes at once, and how many times that makes all rows.

    Work is counted in tiles: an item takes two for each tile of rows, and one and a half for what
    all of them share.
    """

    def rounds(tiles: int) -> float:
        items = -(-nodes // (16 * tiles)) * (columns // WIDTH)
        return -(-items // warps) * (2 * tiles + 1.5)

    best = min(TILES, key=rounds)
    return best, -(-nodes // (16 * best))
