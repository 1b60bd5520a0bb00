"""Supersteps as tasks of Dask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.foreign import has
from multiscale_gcn.supersteps import tasks
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.sources import InFolder
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.supersteps.tasks import superstep


@dataclass(frozen=True)
class Dask(SuperstepEngine):
    """Takes levels in supersteps, each partition's a task of Dask.

    Dask takes the tasks of a worker that dies again, with all that they stand on. All workers must
    see the folder.

    Parameters
    ----------
    client : dask.distributed.Client
    partitions : int
        Ranges of nodes that a level is divided into.
    fits : int
        A level of so many entries is one partition, and so much of a matching is finished by one.

    Raises
    ------
    TypeError
        If ``client`` has no ``submit`` and no ``gather``.
    ValueError
        For numbers that are none.

    See Also
    --------
    Spark : levels on a cluster of Spark
    Ray : levels on a cluster of Ray
    EdgeFiles : files of edges, larger than memory

    Examples
    --------
    >>> from multiscale_gcn import Dask, coarsen
    >>> from dask.distributed import Client  # doctest: +SKIP
    >>> engine = Dask(Client("tcp://scheduler:8786"), partitions=16)  # doctest: +SKIP
    >>> coarsen("edges/", levels=8, out="levels/", engine=engine)  # doctest: +SKIP
    """

    client: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not has(self.client, "submit", "gather"):
            raise TypeError(f"client = {shown(self.client)} must be a dask.distributed.Client")

    def run(self, task: LevelTask, sources: Sequence[InFolder], watch: Watch) -> bool:
        results = range(3 + len(sources))

        def submit(arguments: tuple[Any, ...]) -> list[Any]:
            whole = self.client.submit(superstep, *arguments, pure=False)
            return [self.client.submit(itemgetter(i), whole, pure=False) for i in results]

        return tasks.run(task, sources, None, submit, self.client.gather, task, watch)
