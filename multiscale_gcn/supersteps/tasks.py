"""Supersteps as tasks of an engine that carries results from task to task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multiscale_gcn.supersteps.engine import Watch
from multiscale_gcn.supersteps.level import LAST, adds, first_of, following, take
from multiscale_gcn.supersteps.task import LevelTask, Tally

Submit = Callable[[tuple[Any, ...]], list[Any]]
"""Gives an engine a task with these arguments for :func:`superstep`; its results one by one, as
the engine holds them: state, tally, what is fixed, and a message for every partition."""


def run(
    task: Any,
    sources: Sequence[Any],
    nothing: Any,
    submit: Submit,
    gather: Callable[[list[Any]], list[Tally]],
    plan: LevelTask,
    watch: Watch,
) -> bool:
    """Take the supersteps of a level; whether it was made.

    Parameters
    ----------
    task, sources, nothing
        As the engine holds them: what the level is asked for, the sources, and None.
    submit : callable
    gather : callable
        Waits for tallies, and fetches them.
    plan : LevelTask
        As this process holds it.
    watch : callable
    """
    everybody = range(len(sources))
    fixed = [[source] for source in sources]
    states = [nothing for _ in everybody]
    mail = [[nothing for _ in everybody] for _ in everybody]  # by sender, then by receiver
    name, tallies = first_of(plan), list[Tally]()
    while True:
        answers = [
            submit(
                (name, task, tallies, len(fixed[p]), *fixed[p], states[p], *(m[p] for m in mail))
            )
            for p in everybody
        ]
        states = [answer[0] for answer in answers]
        mail = [answer[3:] for answer in answers]
        if adds(name, fixed[0]):
            for p in everybody:
                fixed[p].append(answers[p][2])
        tallies = gather([answer[1] for answer in answers])
        watch(name, tallies)
        if name == LAST:
            return True
        after = following(name, plan, tallies)
        if after is None:
            return False
        name = after


def superstep(
    name: str, task: LevelTask, tallies: list[Tally], num_fixed: int, *arguments: Any
) -> tuple[Any, ...]:
    """One superstep: its state, tally and what is fixed, and a message for every partition.

    It is a pure function: whoever takes it again gets the same.
    """
    fixed, state, mail = arguments[:num_fixed], arguments[num_fixed], arguments[num_fixed + 1 :]
    inbox = {sender: one for sender, one in enumerate(mail) if one is not None}
    answer = take(name, task, fixed, state, inbox, tallies)
    return answer.state, answer.tally, answer.fixed, *map(answer.mail.get, range(len(mail)))
