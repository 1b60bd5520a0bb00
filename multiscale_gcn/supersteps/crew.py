"""Some partitions in one process: what an engine's worker does between two deliveries of mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multiscale_gcn.supersteps.level import take
from multiscale_gcn.supersteps.messages import Mail
from multiscale_gcn.supersteps.sources import Source
from multiscale_gcn.supersteps.task import Answer, LevelTask, Tally


class Crew:
    """The partitions of one process, with what they remember from superstep to superstep.

    Parameters
    ----------
    task : LevelTask
    sources : mapping of int to Source
        By the number of the partition.
    """

    def __init__(self, task: LevelTask, sources: Mapping[int, Source]) -> None:
        self.task = task
        self.fixed: dict[int, tuple[Any, ...]] = {p: (one,) for p, one in sources.items()}
        self.states: dict[int, Any] = dict.fromkeys(sources)

    def take(
        self, name: str, inboxes: Mapping[int, Mail], tallies: Sequence[Tally]
    ) -> dict[int, Answer]:
        """Take a superstep of each partition.

        Parameters
        ----------
        name : str
        inboxes : mapping of int to Mail
            By partition; none where nothing came.
        tallies : sequence of Tally
            Of all partitions in the superstep before.

        Returns
        -------
        dict of int to Answer
        """
        answers = {}
        for p, fixed in self.fixed.items():
            mail = inboxes.get(p, {})
            answer = take(name, self.task, fixed, self.states[p], mail, tallies)
            self.states[p] = answer.state
            if answer.fixed:
                self.fixed[p] = (*fixed, answer.fixed)
            answers[p] = answer
        return answers


def delivered(answers: Mapping[int, Answer]) -> dict[int, Mail]:
    """What was sent, by receiver."""
    inboxes: dict[int, Mail] = {}
    for sender in sorted(answers):
        for receiver, one in answers[sender].mail.items():
            inboxes.setdefault(receiver, {})[sender] = one
    return inboxes
