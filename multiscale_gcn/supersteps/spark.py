"""Supersteps in a barrier stage of Spark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.foreign import has
from multiscale_gcn.supersteps.crew import Crew
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.letters import post, received
from multiscale_gcn.supersteps.level import LAST, first_of, following
from multiscale_gcn.supersteps.messages import Mail
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
        told = stage.mapPartitions(lambda _: _take_part(task, sources)).repartition(1).collect()
        (log,) = [one for one in told if isinstance(one, list)]
        for name, tallies in log:
            watch(name, tallies)
        for refusal in told:
            if isinstance(refusal, Exception):
                raise refusal
        return bool(log) and log[-1][0] == LAST


def _take_part(task: LevelTask, sources: Sequence[InFolder]) -> Iterator[Any]:
    """What a task of the stage does with its share of the partitions.

    The first one answers with the supersteps and what was counted in them. What every attempt would
    end in is an answer too, so that none but the first is made.
    """
    from pyspark import BarrierTaskContext

    context = BarrierTaskContext.get()
    count, rank = len(context.getTaskInfos()), context.partitionId()
    attempt = context.allGather(uuid4().hex)[0]
    crew = Crew(task.again(attempt), {p: sources[p] for p in range(rank, len(sources), count)})
    log = list[tuple[str, list[Tally]]]()
    name: str | None = first_of(crew.task)
    inboxes: dict[int, Mail] = {}
    tallies = list[Tally]()
    while name is not None:
        box = sources[0].letters() / attempt / str(len(log))
        try:
            answers = crew.take(name, inboxes, tallies)
            post(box, answers)
            counted = json.dumps([(p, answer.tally) for p, answer in answers.items()])
        except (ValueError, OSError) as error:
            yield error
            counted = ""
        every = context.allGather(counted)
        if "" in every:
            break
        inboxes = received(box, crew.fixed)
        tallies = [tally for _, tally in sorted(one for some in every for one in json.loads(some))]
        log.append((name, tallies))
        name = following(name, task, tallies)
    if rank == 0:
        yield log
