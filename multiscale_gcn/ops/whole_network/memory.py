"""Where in shared memory features lie: no longer than they are read."""

from __future__ import annotations

import random
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

TRIES = 50
"""Orders in which features get their places, where room is short."""


class Place(NamedTuple):
    """Where features begin, how far rows are apart, and where they end, in words of 4 bytes."""

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

    @property
    def area(self) -> float:
        """That it takes in words and phases."""
        return self.size * (self.last - self.first + 1) ** 0.5


def pitch_of(channels: int, in_word: int) -> int:
    """Rows begin 4 banks apart, so that tiles are read without conflicts."""
    return padded(channels, WIDTH) // in_word + 4


def places(
    phases: Sequence[Sequence[Instruction]], in_word: int = 1, room: int = 0
) -> dict[Features, Place]:
    """For all features that are read, in phases whose instructions run at once.

    So many numbers are in a word. The largest features get theirs first: small ones fit in between.
    If that takes more words than there is room for, some other orders are tried.
    """
    rooms = _rooms(phases, in_word)
    begins = _settled(sorted(rooms, key=lambda each: (-each.size, each.first)))
    least = max(
        (sum(r.size for r in rooms if r.first <= at <= r.last) for at in range(len(phases))),
        default=0,
    )
    if least <= room:
        draws = random.Random(0)
        for _ in range(TRIES):
            if _end(begins) <= room:
                break
            weights = {id(each): each.area * draws.uniform(1, 2) for each in rooms}
            tried = _settled(sorted(rooms, key=lambda each: -weights[id(each)]))
            begins = min(begins, tried, key=_end)
    return {
        tenant: Place(begin, pitch_of(tenant.channels, in_word), begin + each.size)
        for each, begin in begins
        for tenant in each.tenants
    }


def _settled(rooms: Sequence[_Room]) -> list[tuple[_Room, int]]:
    """Where they begin if each goes to the first gap that remains."""
    settled: list[tuple[_Room, int]] = []
    for room in rooms:
        begin = 0
        at_once = [o for o in settled if o[0].first <= room.last and room.first <= o[0].last]
        for other, taken in sorted(at_once, key=lambda each: each[1]):
            if begin + room.size <= taken:
                break
            begin = max(begin, taken + other.size)
        settled.append((room, begin))
    return settled


def _end(begins: Sequence[tuple[_Room, int]]) -> int:
    return max((begin + room.size for room, begin in begins), default=0)


def largest(instructions: Sequence[Instruction], in_word: int) -> int:
    """Words of the largest features: no order of instructions needs less."""
    made = [each.target for each in instructions if not isinstance(each, Write)]
    return max(features.nodes * pitch_of(features.channels, in_word) for features in made)


def end_of(found: dict[Features, Place]) -> int:
    """Words that all of them need."""
    return max((place.end for place in found.values()), default=0)


def _rooms(phases: Sequence[Sequence[Instruction]], in_word: int) -> list[_Room]:
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
            if target not in readers:
                continue
            inherited = _inherited(instruction, at, readers)
            if inherited is None:
                room = _Room(target.nodes * pitch_of(target.channels, in_word), at, at)
            else:
                room = found[inherited]
            room.tenants.append(target)
            room.last = max(when for when, _ in readers[target])
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
