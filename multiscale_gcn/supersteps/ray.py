"""Supersteps as tasks of Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiscale_gcn.backends import require
from multiscale_gcn.supersteps import tasks
from multiscale_gcn.supersteps.engine import SuperstepEngine, Watch
from multiscale_gcn.supersteps.sources import InFolder
from multiscale_gcn.supersteps.task import LevelTask
from multiscale_gcn.supersteps.tasks import superstep


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

    See Also
    --------
    Spark : levels on a cluster of Spark
    Dask : levels on a cluster of Dask
    EdgeFiles : files of edges, larger than memory

    Examples
    --------
    >>> from multiscale_gcn import Ray
    >>> Ray(partitions=16).partitions
    16
    """

    def run(self, task: LevelTask, sources: Sequence[InFolder], watch: Watch) -> bool:
        require("ray", "pip install 'multiscale-gcn[ray]'")
        import ray

        step = ray.remote(superstep).options(max_retries=3, num_returns=3 + len(sources))
        try:
            return tasks.run(
                ray.put(task),
                [ray.put(source) for source in sources],
                ray.put(None),
                lambda arguments: list(step.remote(*arguments)),
                ray.get,
                task,
                watch,
            )
        except ray.exceptions.RayTaskError as error:  # with the text of the worker's stack
            raise error.cause from None
