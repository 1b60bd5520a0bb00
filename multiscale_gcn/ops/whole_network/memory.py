"""Where in shared memory features lie: no longer than they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from multiscale_gcn.ops.multiples import up_to
from multiscale_gcn.ops.whole_network.preparation import WIDTH
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
    """For features of one size that follow each other, from one phase to another."""

    size: int
    first: int
    last: int
    tenants: list[Features] = field(default_factory=list)
    begin: int = 0


def pitch_of(channels: int) -> int:
    """Rows begin 4 banks apart, so that tiles are read without conflicts."""
    return up_to(channels, WIDTH) + 4


def places(phases: Sequence[Sequence[Instruction]]) -> dict[Features, Place]:
    """For all features, in phases whose instructions run at once.

    The largest get theirs first: small ones fit in between.
    """
    settled: list[_Room] = []
    for room in sorted(_rooms(phases), key=lambda room: (-room.size, room.first)):
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


def largest(instructions: Sequence[Instruction]) -> int:
    """Numbers of the largest features: no order of instructions needs less."""
    made = [each.target for each in instructions if not isinstance(each, Write)]
    return max(features.nodes * pitch_of(features.channels) for features in made)


def end_of(found: dict[Features, Place]) -> int:
    """Numbers that all of them need."""
    return max(place.end for place in found.values())


def _rooms(phases: Sequence[Sequence[Instruction]]) -> list[_Room]:
    readers: dict[Features, list[tuple[int, Instruction]]] = {}
    for at, phase in enumerate(phases):
        for instruction in phase:
            for features in read_by(instruction):
                readers.setdefault(features, []).append((at, instruction))
    found: dict[Features, _Room] = {}
    for at, phase in enumerate(phases):
        for instruction in phase:
            if isinstance(instruction, Write):
                continue
            target = instruction.target
            inherited = _inherited(instruction, at, readers)
            if inherited is None:
                room = _Room(target.nodes * pitch_of(target.channels), at, at)
            else:
                room = found[inherited]
            room.tenants.append(target)
            room.last = max(at, *(when for when, _ in readers.get(target, [(at, instruction)])))
            found[target] = room
    return list({id(room): room for room in found.values()}.values())


def _inherited(
    instruction: Instruction, at: int, readers: dict[Features, list[tuple[int, Instruction]]]
) -> Features | None:
    """What is added, if nobody else needs it any more: who writes a number has read it."""
    if not isinstance(instruction, Make) or instruction.add is None:
        return None
    add = instruction.add
    if add in instruction.multiplied() or add.channels != instruction.target.channels:
        return None
    others = [when for when, reader in readers[add] if reader is not instruction]
    return add if all(when < at for when in others) else None
