"""The supersteps of one level, and which comes after which.

A superstep is a pure function of what is fixed, of a partition's state, of the mail that has come
and of what all partitions counted in the superstep before. It knows no engine. Whoever runs it
gives every partition what the others sent to it, and asks :func:`following` what is next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from multiscale_gcn.matching import PairKind
from multiscale_gcn.supersteps import (
    cutting,
    isolated,
    numbering,
    residue,
    rounds,
    snapshots,
    terms,
    two_hop,
)
from multiscale_gcn.supersteps.messages import Mail, Message, size_of
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood, neighbourhood
from multiscale_gcn.supersteps.packing import size_packed
from multiscale_gcn.supersteps.pairs import Pairs, hear_mates, pairs_of
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.rows import merge_rows, send_rows
from multiscale_gcn.supersteps.sources import Source
from multiscale_gcn.supersteps.task import Answer, Attempt, LevelTask, Tally

FIRST = "describe"
CONTRACT = ("number", "tell", "rows", "merge", "make_room")
"""Supersteps that do not ask for the order of the edges any more."""
FEW = 16
"""Fewer than one node in so many goes on: what is left is finished by one worker."""
CHIEF = 0
"""The partition where few things of all come together."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a superstep stands: one partition, and what is known of it.

    Parameters
    ----------
    task : LevelTask
    source : Source
    part : Partition
    near : Neighbourhood
        Not in the first superstep.
    terms : Terms
        Not in the first two.
    state : Any
    mail : Mail
        By sender.
    tallies : sequence of Tally
        Of all partitions, of the superstep before.
    """

    task: LevelTask
    source: Source
    part: Partition
    near: Neighbourhood
    terms: terms.Terms
    state: Any
    mail: Mail
    tallies: Sequence[Tally]


def take(
    name: str,
    task: LevelTask,
    fixed: Sequence[Any],
    state: Any,
    mail: Mail,
    tallies: Sequence[Tally],
) -> Answer:
    """Take one superstep of one partition.

    Parameters
    ----------
    name : str
        Of the superstep.
    task : LevelTask
    fixed : sequence
        Whence the partition comes, and what the answers before had as ``fixed``, if any.
    state : Any
        Of the answer before.
    mail : Mail
        What was sent to this partition in the superstep before, by sender.
    tallies : sequence of Tally
        Of all partitions in the superstep before.
    """
    source, *given = fixed
    part = source.open()
    near, known = (*chain.from_iterable(given), None, None)[:2]
    attempt = task.attempt
    paid, goes_on = None, False
    if attempt is not None and attempt.start is not None and not given:
        goes_on = True
        near = neighbourhood(part)
        state, mail, tallies, known = snapshots.read(attempt, part.index)
        known = terms.with_weights(known, part, task)
    elif attempt is not None and _is_due(attempt, name, tallies):
        order = None if name in CONTRACT else terms.without_weights(known, task)
        content = (state, mail, tuple(tallies), order)
        paid = snapshots.write(attempt, name, part.index, content)
    place = Place(task, source, part, near, known, state, mail, tallies)
    begin = time.perf_counter_ns()
    answer = _STEPS[name](place)
    sent = {q: one for q, one in answer.mail.items() if q != part.index}
    counted = {
        "superstep": tallies[0]["superstep"] + 1 if tallies else 1,
        "nodes": part.num_nodes,
        "bytes": size_of(sent),
        "microseconds": (time.perf_counter_ns() - begin) // 1000,  # nothing depends on it
    }
    if attempt is not None:
        order = terms.without_weights(answer.fixed[0] if name == "look" else known, task)
        sizes = size_packed((answer.state, answer.mail)), size_packed(order)
        counted |= snapshots.counted(tallies, sizes, paid)
    added = (near, *(answer.fixed or (known,))) if goes_on else answer.fixed
    return Answer(answer.state, answer.mail, counted | answer.tally, added)


def _is_due(attempt: Attempt, name: str, tallies: Sequence[Tally]) -> bool:
    """Whether everybody writes down what a superstep begins with."""
    if name in (FIRST, LAST):  # the first begins with nothing, the last with files that were made
        return False
    return snapshots.due(attempt, tallies, with_order=name not in CONTRACT)


def first_of(task: LevelTask) -> str:
    """The superstep that an attempt begins with."""
    first = None if task.attempt is None else task.attempt.first
    return FIRST if first is None else first


def adds(name: str, fixed: Sequence[Any]) -> bool:
    """Whether the answers of a superstep add to what is fixed so far in a partition."""
    return name == "look" or len(fixed) == 1


def following(name: str, task: LevelTask, tallies: Sequence[Tally]) -> str | None:
    """The superstep after this one; None: the level is made, or there is none.

    Parameters
    ----------
    name : str
    task : LevelTask
    tallies : sequence of Tally
        Of all partitions in this superstep.
    """
    total = {key: sum(tally[key] for tally in tallies) for key in tallies[0]}
    if name in ("look", "round") and total["live"]:
        few = FEW * total["live"] < total["nodes"] and total["rows"] <= task.fits
        return "gather" if few else "round"
    if name in ("look", "round", "return"):
        return _after_edges(task, total)
    if name in ("join", "turn") and total["turns"]:
        return "turn"
    if name == "turn":
        return "unify"
    if name in ("join", "unify") and _too_many(task, total):
        return "weigh"
    if name in ("join", "unify", "single"):
        merges = total["leads"] < total["nodes"] and total["leads"] >= task.min_nodes
        return "number" if merges else None
    return _NEXT.get(name)


_NEXT = {
    "describe": "look",
    "gather": "finish",
    "finish": "return",
    "wait": "meet",
    "meet": "join",
    "skip": "join",
    "weigh": "sample",
    "sample": "bracket",
    "bracket": "between",
    "between": "last",
    "last": "cut",
    "cut": "single",
    "number": "tell",
    "tell": "rows",
    "rows": "merge",
    "merge": "make_room",
    "make_room": "write",
}


def _too_many(task: LevelTask, total: Tally) -> bool:
    return task.max_pairs is not None and total["nodes"] - total["leads"] > task.max_pairs


def _after_edges(task: LevelTask, total: Tally) -> str:
    wanted = task.method.two_hop
    if wanted and total["left"] and (wanted != "auto" or total["left"] > total["married"]):
        return "wait"
    return "skip" if task.method.isolated == "pair" and total["isolated"] else "join"


def _describe(at: Place) -> Answer:
    near = neighbourhood(at.part)
    return Answer(None, terms.tell(at.part, near, at.task), fixed=(near,))


def _look(at: Place) -> Answer:
    known = terms.hear(at.part, at.near, at.task, at.mail)
    search = rounds.advance(None, at.part, at.near, known, at.task, {})
    answer = _told(at, search)
    return Answer(answer.state, answer.mail, answer.tally, fixed=(known,))


def _round(at: Place) -> Answer:
    return _told(at, rounds.advance(at.state, at.part, at.near, at.terms, at.task, at.mail))


def _told(at: Place, search: rounds.Search) -> Answer:
    search, mail = rounds.tell(search, at.part, at.near)
    return Answer(search, mail, rounds.tally(search, at.part, at.near))


def _gather(at: Place) -> Answer:
    search = rounds.advance(at.state, at.part, at.near, at.terms, at.task, at.mail)
    left = residue.residue(search, at.part, at.near, at.terms, at.task)
    search, mail = rounds.tell(search, at.part, at.near)
    return Answer(search, mail | {CHIEF: mail.get(CHIEF, {}) | left})


def _finish(at: Place) -> Answer:
    search = rounds.accept(at.state, at.part, at.near, at.mail)
    mail = residue.finish(at.part, at.mail) if at.part.index == CHIEF else {}
    return Answer(pairs_of(search, at.part, at.near), mail)


def _return(at: Place) -> Answer:
    pairs = hear_mates(at.state, at.part, at.mail, PairKind.EDGE)
    single = pairs.kind == PairKind.SINGLE
    alone = at.near.neighbours == 0
    tally = {
        "married": int(np.count_nonzero(~single)),
        "left": int(np.count_nonzero(single & ~alone)),
        "isolated": int(np.count_nonzero(alone)),
    }
    return Answer(pairs, tally=tally)


def _pairs(at: Place) -> Pairs:
    """The pairs so far, after rounds that left nobody or after what one worker finished."""
    if isinstance(at.state, rounds.Search):
        return pairs_of(at.state, at.part, at.near)
    known: Pairs = at.state
    return known


def _wait(at: Place) -> Answer:
    pairs = _pairs(at)
    return Answer(pairs, two_hop.go_to_hubs(pairs, at.part, at.near, at.terms, at.task))


def _summaries(at: Place) -> Mail:
    if at.task.method.isolated != "pair" or isolated.by_turns(at.part, at.task):
        return {}
    own = isolated.summary(at.part, at.near)
    return dict.fromkeys(range(at.part.num_partitions), own) if own else {}


def _meet(at: Place) -> Answer:
    mail = _summaries(at)
    for owner, mates in two_hop.pair_at_hubs(at.part, at.near, at.task, at.mail).items():
        mail[owner] = mail.get(owner, {}) | mates
    return Answer(at.state, mail)


def _skip(at: Place) -> Answer:
    return Answer(_pairs(at), _summaries(at))


def _join(at: Place) -> Answer:
    pairs = hear_mates(_pairs(at), at.part, at.mail, PairKind.TWO_HOP)
    by_turns = at.task.method.isolated == "pair" and isolated.by_turns(at.part, at.task)
    summaries = {q: one for q, one in at.mail.items() if "count" in one}
    if summaries:
        pairs = isolated.pair_by_number(pairs, at.part, at.near, summaries)
    alone = int(np.count_nonzero(at.near.neighbours == 0)) if by_turns else 0
    return _made((pairs, 0), at.part, alone)


def _turn(at: Place) -> Answer:
    pairs, turn = at.state
    pairs = isolated.hear_turn(pairs, at.part, at.mail)
    mine = turn == at.part.index
    mail = isolated.take_turn(pairs, at.part, at.near, at.task, at.mail) if mine else {}
    return Answer((pairs, turn + 1), mail, {"turns": at.part.num_partitions - turn - 1})


def _unify(at: Place) -> Answer:
    pairs, turn = at.state
    return _made((isolated.hear_turn(pairs, at.part, at.mail), turn), at.part)


def _made(state: tuple[Pairs, Any], part: Partition, turns: int = 0) -> Answer:
    return Answer(state, tally={"leads": state[0].num_leads(part), "turns": turns})


def _weigh(at: Place) -> Answer:
    return Answer(at.state, cutting.weigh(at.state[0], at.part, at.near))


def _sample(at: Place) -> Answer:
    pairs, _ = at.state
    ranking = cutting.rank(pairs, at.part, at.near, at.terms, at.task, at.mail)
    return Answer((pairs, ranking), {CHIEF: cutting.sample(ranking)})


def _to_all(at: Place, judged: Callable[[Mail, int], Message]) -> Answer:
    if at.part.index != CHIEF:
        return Answer(at.state)
    assert at.task.max_pairs is not None
    everybody = range(at.part.num_partitions)
    return Answer(at.state, dict.fromkeys(everybody, judged(at.mail, at.task.max_pairs)))


def _bracket(at: Place) -> Answer:
    return _to_all(at, cutting.bracket)


def _between(at: Place) -> Answer:
    return Answer(at.state, {CHIEF: cutting.between(at.state[1], at.mail)})


def _last(at: Place) -> Answer:
    return _to_all(at, cutting.last_kept)


def _cut(at: Place) -> Answer:
    pairs, ranking = at.state
    pairs, mail = cutting.cut(pairs, ranking, at.part, at.mail)
    return Answer(pairs, mail)


def _single(at: Place) -> Answer:
    return _made((cutting.hear(at.state, at.part, at.mail), None), at.part)


def _bounds(at: Place) -> np.ndarray:
    return numbering.coarse_bounds([tally["leads"] for tally in at.tallies])


def _number(at: Place) -> Answer:
    bounds = _bounds(at)
    parent, mail = numbering.number(at.state[0], at.part, bounds)
    return Answer((parent, bounds), mail)


def _tell(at: Place) -> Answer:
    parent, bounds = at.state
    parent = numbering.hear(parent, at.part, at.mail)
    return Answer((parent, bounds), numbering.tell(parent, at.near))


def _rows(at: Place) -> Answer:
    parent, bounds = at.state
    parents = numbering.with_ghosts(parent, at.near, at.mail)
    return Answer((parents, bounds), send_rows(parents, at.part, at.near, bounds))


def _merge(at: Place) -> Answer:
    parents, bounds = at.state
    coarse = merge_rows(parents, at.part, at.near, bounds, at.mail)
    parent = parents[: at.part.num_nodes].astype(coarse.indices.dtype)
    return Answer((parent, coarse), tally={"entries": int(coarse.indptr[-1])})


def _make_room(at: Place) -> Answer:
    entries = np.cumsum([0, *(tally["entries"] for tally in at.tallies)])
    if at.part.index == CHIEF:
        _, coarse = at.state
        at.source.make_room(int(coarse.bounds[-1]), int(entries[-1]))
    return Answer((*at.state, int(entries[at.part.index])))


def _write(at: Place) -> Answer:
    parent, coarse, begin = at.state
    return Answer(at.source.write(parent, coarse, begin))


_STEPS: dict[str, Callable[[Place], Answer]] = {
    "describe": _describe,
    "look": _look,
    "round": _round,
    "gather": _gather,
    "finish": _finish,
    "return": _return,
    "wait": _wait,
    "meet": _meet,
    "skip": _skip,
    "join": _join,
    "turn": _turn,
    "unify": _unify,
    "weigh": _weigh,
    "sample": _sample,
    "bracket": _bracket,
    "between": _between,
    "last": _last,
    "cut": _cut,
    "single": _single,
    "number": _number,
    "tell": _tell,
    "rows": _rows,
    "merge": _merge,
    "make_room": _make_room,
    "write": _write,
}
LAST = "write"
"""After it the level is made."""
