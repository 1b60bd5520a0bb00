"""Supersteps in a barrier stage of Spark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.foreign import has
from multiscale_gcn.supersteps.crew import Crew
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.letters import post, received
from multiscale_gcn.supersteps.level import LAST, first_of, following
from multiscale_gcn.supersteps.sources import InFolder
from multiscale_gcn.supersteps.task import LevelTask, Tally


@dataclass(frozen=True)
class Spark(SuperstepEngine):
    """Takes each level in supersteps in one barrier stage of Spark.

    All tasks of the stage run at once, as many as the session has cores or there are partitions,
    and wait for each other after each superstep. Mail lies in files beside the level that is being
    made. Spark takes the whole stage again when a task or an executor dies; mail bears the number
    of the attempt, so a second one reads nothing of the first. All machines must see the folder.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
    partitions : int
        Ranges of nodes that a level is divided into.
    fits : int
        A level of so many entries is one partition, and so much of a matching is finished by one.

    Raises
    ------
    TypeError
        If ``session`` has no ``sparkContext``.
    ValueError
        For numbers that are none.

    See Also
    --------
    Ray : levels on a cluster of Ray
    Dask : levels on a cluster of Dask
    EdgeFiles : files of edges, larger than memory

    Examples
    --------
    >>> from multiscale_gcn import Spark, coarsen
    >>> from pyspark.sql import SparkSession  # doctest: +SKIP
    >>> engine = Spark(SparkSession.builder.getOrCreate(), partitions=64)  # doctest: +SKIP
    >>> coarsen("edges/", levels=8, out="levels/", engine=engine)  # doctest: +SKIP
    """

    session: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not has(self.session, "sparkContext"):
            raise TypeError(f"session = {shown(self.session)} must be a pyspark.sql.SparkSession")

    def run(self, task: LevelTask, sources: Sequence[InFolder], watch: Watch) -> bool:
        context = self.session.sparkContext
        together = min(len(sources), context.defaultParallelism)
        stage = context.parallelize(range(together), together).barrier()
        # A stage that is the last of its job is not taken again, so that another one follows.
        told = stage.mapPartitions(_work(task, sources)).repartition(1)
        log = [line for lines in told.collect() for line in lines]
        for name, tallies in log:
            if name in REFUSALS:
                raise REFUSALS[name](tallies)
            watch(name, tallies)
        return bool(log) and log[-1][0] == LAST


Log = list[tuple[str, Any]]
"""Names of supersteps and what was counted in them; at the end, perhaps, a refusal and its text."""
REFUSALS: dict[str, Callable[[str], Exception]] = {"ValueError": ValueError, "OSError": OSError}
"""What every attempt would end in, so that none but the first is made."""


def _work(task: LevelTask, sources: Sequence[InFolder]) -> Callable[[Iterator[Any]], Iterator[Log]]:
    """What each task of the stage does with its share of the partitions."""

    def work(_: Iterator[Any]) -> Iterator[Log]:
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        count, rank = len(context.getTaskInfos()), context.partitionId()
        attempt = context.allGather(uuid4().hex)[0]
        asked = task.again(attempt)
        crew = Crew(asked, {p: sources[p] for p in range(rank, len(sources), count)})
        log: Log = []
        name, tallies = first_of(asked), list[Tally]()
        box = sources[0].letters() / attempt
        while True:
            inboxes = received(box / str(len(log)), crew.fixed)
            told: dict[Any, Any]
            try:
                answers = crew.take(name, inboxes, tallies)
                post(box / str(len(log) + 1), answers)
                told = {p: answer.tally for p, answer in answers.items()}
            except (ValueError, OSError) as error:
                kind = "OSError" if isinstance(error, OSError) else "ValueError"
                told = {kind: str(error)}
            counted = [json.loads(one) for one in context.allGather(json.dumps(told))]
            refused = [one for one in counted if one.keys() & REFUSALS.keys()]
            if refused:
                log.extend(refused[0].items())
                break
            every = {int(p): tally for one in counted for p, tally in one.items()}
            tallies = [every[p] for p in sorted(every)]
            log.append((name, tallies))
            after = following(name, task, tallies)
            if after is None:
                break
            name = after
        yield log if rank == 0 else []

    return work
