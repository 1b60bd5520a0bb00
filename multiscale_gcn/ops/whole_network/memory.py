"""Where in shared memory features lie: no longer than they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from multiscale_gcn.ops.whole_network.preparation import WIDTH, padded
from multiscale_gcn.ops.whole_network.program import (
    Features,
    Instruction,
    Make,
    Write,
    read_by,
)


class Place(NamedTuple):
    """Where features begin, how far rows are apart, and where they end, in numbers."""

    begin: int
    pitch: int
    end: int


def pitch_of(channels: int) -> int:
    """Rows begin 4 banks apart, or 20, so that tiles are read without conflicts."""
    return padded(channels, WIDTH) + 4


def places(instructions: Sequence[Instruction]) -> dict[Features, Place]:
    """For all features; those that are not needed any more make room for new ones."""
    last = {f: at for at, instruction in enumerate(instructions) for f in read_by(instruction)}
    found: dict[Features, Place] = {}
    alive: list[Features] = []
    for at, instruction in enumerate(instructions):
        if not isinstance(instruction, Write):
            target = instruction.target
            inherited = _inherited(instruction, at, last)
            if inherited is None:
                found[target] = _first_fit(target, [found[f] for f in alive])
            else:
                found[target] = found[inherited]
            alive.append(target)
        alive = [f for f in alive if last.get(f, -1) > at]
    return found


def _inherited(instruction: Instruction, at: int, last: dict[Features, int]) -> Features | None:
    """What is added, and no longer needed: every number is read by who writes there."""
    if not isinstance(instruction, Make) or instruction.add is None:
        return None
    add = instruction.add
    dies = last[add] == at and add not in instruction.multiplied()
    return add if dies and add.channels == instruction.target.channels else None


def _first_fit(features: Features, taken: Sequence[Place]) -> Place:
    pitch = pitch_of(features.channels)
    size = features.nodes * pitch
    begin = 0
    for place in sorted(taken):
        if begin + size <= place.begin:
            break
        begin = max(begin, place.end)
    return Place(begin, pitch, begin + size)
