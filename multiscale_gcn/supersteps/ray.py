"""Supersteps as tasks of Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multiscale_gcn.backends import require
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.level import ADDS, FIRST, LAST, following, take
from multiscale_gcn.supersteps.sources import Source
from multiscale_gcn.supersteps.task import LevelTask, Tally


@dataclass(frozen=True)
class Ray(SuperstepEngine):
    """Takes levels in supersteps, each partition's a task of Ray, on whatever cluster it is
    connected to; without one it starts one on this machine.

    Ray takes the tasks of a worker that dies again, and makes again what was lost with a machine.
    All machines must see the folder.

    Parameters
    ----------
    partitions : int
        Ranges of nodes that a level is divided into.
    fits : int
        A level of so many entries is one partition, and so much of a matching is finished by one.

    Raises
    ------
    ValueError
        For numbers that are none.

    Examples
    --------
    >>> from multiscale_gcn import Ray
    >>> Ray(partitions=16).partitions
    16
    """

    def run(self, task: LevelTask, sources: Sequence[Source], watch: Watch) -> bool:
        require("ray", "pip install 'multiscale-gcn[ray]'")
        import ray

        everybody = range(len(sources))
        step = ray.remote(_take).options(max_retries=3, num_returns=3 + len(sources))
        nothing = ray.put(None)
        fixed: list[list[Any]] = [[ray.put(source)] for source in sources]
        states = [nothing] * len(sources)
        mail = [[nothing] * len(sources) for _ in everybody]  # by sender, then by receiver
        shared, name, tallies = ray.put(task), FIRST, list[Tally]()
        while True:
            told = ray.put(tallies)
            answers = [
                step.remote(
                    name, shared, told, len(fixed[p]), *fixed[p], states[p], *(m[p] for m in mail)
                )
                for p in everybody
            ]
            states, counted, added = ([answer[i] for answer in answers] for i in range(3))
            mail = [answer[3:] for answer in answers]
            if name in ADDS:
                for p in everybody:
                    fixed[p].append(added[p])
            tallies = ray.get(counted)
            watch(name, tallies)
            if name == LAST:
                return True
            after = following(name, task, tallies)
            if after is None:
                return False
            name = after


def _take(
    name: str, task: LevelTask, tallies: list[Tally], num_fixed: int, *arguments: Any
) -> tuple[Any, ...]:
    """One superstep: its state, tally and what is fixed, and a message for every partition."""
    fixed, state, mail = arguments[:num_fixed], arguments[num_fixed], arguments[num_fixed + 1 :]
    inbox = {sender: one for sender, one in enumerate(mail) if one is not None}
    answer = take(name, task, fixed, state, inbox, tallies)
    return answer.state, answer.tally, answer.fixed, *map(answer.mail.get, range(len(mail)))
