"""What of a schedule a network has to make: where scales begin, and which transfers are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiscale_gcn.nn.schedules import Pair, Schedule


@dataclass(frozen=True)
class Plan:
    """A schedule for scales of which some have inputs, and some outputs."""

    beginnings: tuple[dict[int, tuple[int, ...]], ...]
    """Before each stage, and after the last: the scales that begin, and what they begin from."""
    exchanges: tuple[tuple[Pair, ...], ...]
    """After each stage: the transfers, of those to scales that have begun, that are read."""


def members(stage: Sequence[int], pairs: Sequence[Pair]) -> list[int]:
    """Who takes part in an exchange: those of the stage in its order, then the others."""
    named = {k for pair in pairs for k in pair}
    return [*(k for k in stage if k in named), *sorted(named.difference(stage))]


def plan(
    schedule: Schedule,
    in_channels: Sequence[int],
    out_channels: Sequence[int],
    sequential: bool = False,
) -> Plan:
    """Where scales begin and what is read; all that would change no output is left out or refused.

    Raises
    ------
    ValueError
        Naming the first scale that is none, transfer that sends what is not there, output of a
        scale that never begins, and stage or input that reaches no output.
    """
    _check_scales(schedule, len(out_channels))
    beginnings, exchanges = _forward(schedule, in_channels)
    begun = {k for k, width in enumerate(in_channels) if width}
    begun.update(k for begin in beginnings for k in begin)
    for k, width in enumerate(out_channels):
        if width and k not in begun:
            raise ValueError(
                f"scale {k} has an output but no stage names it; add it to a stage, "
                f"or set out_channels[{k}] to 0"
            )
    return _backward(schedule, in_channels, out_channels, beginnings, exchanges, sequential)


def _check_scales(schedule: Schedule, count: int) -> None:
    assert schedule.transfers is not None
    for place, (stage, pairs) in enumerate(zip(schedule.stages, schedule.transfers, strict=True)):
        for what, scales in (("stages", stage), ("transfers", sum(pairs, ()))):
            for k in scales:
                if not 0 <= k < count:
                    raise ValueError(
                        f"{what}[{place}] names scale {k}; scales run from 0 to {count - 1}, one "
                        "for each graph"
                    )


def _forward(
    schedule: Schedule, in_channels: Sequence[int]
) -> tuple[list[dict[int, tuple[int, ...]]], list[tuple[Pair, ...]]]:
    """Where scales begin, and the transfers to those that have begun."""
    assert schedule.transfers is not None
    begun = {k for k, width in enumerate(in_channels) if width}
    beginnings: list[dict[int, tuple[int, ...]]] = [{}]
    exchanges = []
    for place, (stage, pairs) in enumerate(zip(schedule.stages, schedule.transfers, strict=True)):
        had = tuple(sorted(begun))
        beginnings[-1].update({k: had for k in stage if k not in begun})
        begun.update(stage)
        for source, target in pairs:
            if source not in begun:
                raise ValueError(
                    f"transfers[{place}] sends from scale {source} to scale {target}, but scale "
                    f"{source} has no features yet; let it work or receive first"
                )
        exchanges.append(tuple(pair for pair in pairs if pair[1] in begun))
        new = list(dict.fromkeys(target for _, target in pairs if target not in begun))
        beginnings.append({k: tuple(source for source, t in pairs if t == k) for k in new})
        begun.update(new)
    return beginnings, exchanges


def _backward(
    schedule: Schedule,
    in_channels: Sequence[int],
    out_channels: Sequence[int],
    beginnings: list[dict[int, tuple[int, ...]]],
    exchanges: list[tuple[Pair, ...]],
    sequential: bool,
) -> Plan:
    """From the outputs back: which scales' features are still read."""
    needed = {k for k, width in enumerate(out_channels) if width}
    useless = None
    for place in range(len(schedule.stages), -1, -1):
        if place < len(schedule.stages):
            stage = schedule.stages[place]
            exchanges[place] = _read(exchanges[place], stage, needed, sequential)
            needed |= {source for source, _ in exchanges[place]}
            idle = [k for k in stage if k not in needed]
            useless = (place, idle[0]) if idle else useless
        beginnings[place] = {k: of for k, of in beginnings[place].items() if k in needed}
        needed -= set(beginnings[place])
        needed |= {source for of in beginnings[place].values() for source in of}
    if useless is not None:
        place, k = useless
        raise ValueError(
            f"stages[{place}] lets scale {k} work, but its features reach no output: leave it out, "
            f"name it in a later stage together with a scale that is read, give it an output in "
            f"out_channels[{k}], or take a Schedule that sends from it, such as 'v_cycle'"
        )
    for k, width in enumerate(in_channels):
        if width and k not in needed:
            raise ValueError(
                f"the input of scale {k} reaches no output; set in_channels[{k}] to 0, or name the "
                "scale in a stage"
            )
    return Plan(tuple(beginnings), tuple(exchanges))


def _read(
    pairs: tuple[Pair, ...], stage: Sequence[int], needed: set[int], sequential: bool
) -> tuple[Pair, ...]:
    """The pairs whose targets are needed; in sequence, a later target reads an earlier one."""
    wanted, kept = set(needed), set()
    for k in reversed(members(stage, pairs)):
        if k in wanted:
            kept.add(k)
            if sequential:
                wanted |= {source for source, target in pairs if target == k}
    return tuple(pair for pair in pairs if pair[1] in kept)
