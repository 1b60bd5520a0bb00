"""Schedules that nobody would write, and what of them their outputs depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from multiscale_gcn.nn import Schedule

Atom = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A schedule, and which scales have inputs and outputs."""

    schedule: Schedule
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@st.composite
def cases(draw: st.DrawFn, most_scales: int = 4, most_stages: int = 5) -> Case:
    count = draw(st.integers(1, most_scales))
    scale = st.integers(0, count - 1)
    some = st.lists(scale, min_size=1, max_size=count, unique=True)
    stages = draw(st.lists(some, min_size=1, max_size=most_stages))
    transfers = None
    if draw(st.booleans()):
        pair = st.tuples(scale, scale).filter(lambda ends: ends[0] != ends[1])
        pairs = st.lists(pair, max_size=4, unique=True) if count > 1 else st.just([])
        transfers = [draw(pairs) for _ in stages]
    widths = [tuple(int(k in draw(some)) for k in range(count)) for _ in range(2)]
    flags = [tuple(flags) if any(flags) else (1,) + (0,) * (count - 1) for flags in widths]
    return Case(Schedule(stages, transfers), *flags)


def dependencies(case: Case, sequential: bool) -> tuple[set[Atom], set[Atom]]:
    """Run the schedule on sets: all that was done, and what of it the outputs hold.

    Raises
    ------
    LookupError
        Where a scale sends, or is read, that has no features.
    """
    features: dict[int, frozenset[Atom]] = {
        k: frozenset({("input", k)}) for k, width in enumerate(case.inputs) if width
    }
    done: set[Atom] = {atom for has in features.values() for atom in has}
    assert case.schedule.transfers is not None
    for place, stage in enumerate(case.schedule.stages):
        everything = frozenset().union(*features.values())
        for k in stage:
            if k not in features:
                features[k] = everything | {("begin", k)}
        for k in stage:
            features[k] |= {("work", place, k)}
            done.add(("work", place, k))
        sent = case.schedule.transfers[place]
        for source, _ in sent:
            if source not in features:
                raise LookupError(source)
        had = set(features)
        order = [*stage, *(k for k in range(len(case.inputs)) if k not in stage)]
        before = dict(features)
        for target in order:
            read = features if sequential else before
            for source, k in sent:
                if k == target and target in had:
                    atom: Atom = ("send", place, source, target)
                    done.add(atom)
                    features[target] |= read[source] | {atom}
        after = dict(features)
        for source, target in sent:
            if target not in had:
                features[target] = features.get(target, frozenset({("begin", target)}))
                features[target] |= after[source]
    held: set[Atom] = set()
    for k, width in enumerate(case.outputs):
        if width:
            if k not in features:
                raise LookupError(k)
            held |= features[k]
    return done, held
