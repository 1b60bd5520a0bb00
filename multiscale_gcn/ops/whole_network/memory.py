"""Where in shared memory features lie: no longer than they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass
class _Room:
    """For features of one size that follow each other, from one instruction to another."""

    size: int
    first: int
    last: int
    tenants: list[Features] = field(default_factory=list)
    begin: int = 0


def pitch_of(channels: int) -> int:
    """Rows begin 4 banks apart, or 20, so that tiles are read without conflicts."""
    return padded(channels, WIDTH) + 4


def places(instructions: Sequence[Instruction]) -> dict[Features, Place]:
    """For all features. The largest get theirs first: small ones fit in between."""
    settled: list[_Room] = []
    for room in sorted(_rooms(instructions), key=lambda room: (-room.size, room.first)):
        neighbours = [o for o in settled if o.first <= room.last and room.first <= o.last]
        for other in sorted(neighbours, key=lambda other: other.begin):
            if room.begin + room.size <= other.begin:
                break
            room.begin = max(room.begin, other.begin + other.size)
        settled.append(room)
    return {
        tenant: Place(room.begin, pitch_of(tenant.channels), room.begin + room.size)
        for room in settled
        for tenant in room.tenants
    }


def _rooms(instructions: Sequence[Instruction]) -> list[_Room]:
    last = {f: at for at, instruction in enumerate(instructions) for f in read_by(instruction)}
    found: dict[Features, _Room] = {}
    for at, instruction in enumerate(instructions):
        if isinstance(instruction, Write):
            continue
        target = instruction.target
        inherited = _inherited(instruction, at, last)
        if inherited is None:
            room = _Room(target.nodes * pitch_of(target.channels), at, at)
        else:
            room = found[inherited]
        room.tenants.append(target)
        room.last = max(room.last, last.get(target, at))
        found[target] = room
    return list({id(room): room for room in found.values()}.values())


def _inherited(instruction: Instruction, at: int, last: dict[Features, int]) -> Features | None:
    """What is added, and no longer needed: every number is read by who writes there."""
    if not isinstance(instruction, Make) or instruction.add is None:
        return None
    add = instruction.add
    dies = last[add] == at and add not in instruction.multiplied()
    return add if dies and add.channels == instruction.target.channels else None
