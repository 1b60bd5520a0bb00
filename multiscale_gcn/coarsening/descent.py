"""From level to level: one loop, wherever the arrays are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiscale_gcn.coarsening.how_far import HowFar
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.methods.method import ClusteringMethod


class Stage(ABC):
    """One level on the way, and how it is coarsened."""

    method: ClusteringMethod

    @property
    @abstractmethod
    def member_sizes(self) -> np.ndarray:
        """Number of nodes of each member of a batch; of the graph, where nothing is counted."""

    @abstractmethod
    def coarser(
        self, merges: np.ndarray, exact: bool, min_nodes: int | None
    ) -> tuple[Any, Stage] | None:
        """Take one step.

        Parameters
        ----------
        merges : array of int, shape (number of members,)
            How many nodes each member has that it may lose.
        exact : bool
            Whether the step must not merge more than these.
        min_nodes : int, optional
            Nothing is merged to fewer nodes.

        Returns
        -------
        parent : array of int, shape (n,)
        Stage
            The next level. None instead of both, if no two nodes merge.
        """

    @abstractmethod
    def levels(self, stages: Sequence[Any], parents: Sequence[Any]) -> tuple[Level, ...]:
        """All levels on the host: those that began here, with the parent maps between them."""


@dataclass(frozen=True, eq=False)
class Descent:
    """What the loop came to.

    Attributes
    ----------
    stages : tuple of Stage
        From the finest to the coarsest.
    parents : tuple of arrays
        One fewer.
    missing : array of int, or None
        How many nodes each member still had to lose when no two would merge any more.
    """

    stages: tuple[Stage, ...]
    parents: tuple[Any, ...]
    missing: np.ndarray | None

    def levels(self) -> tuple[Level, ...]:
        return self.stages[0].levels(self.stages, self.parents)


def descend(
    stage: Stage, how_far: HowFar, tell: Callable[[Stage], None] = lambda stage: None
) -> Descent:
    """Coarsen as far as is asked, or as nodes can be merged; ``tell`` is called with each level."""
    stages, parents = [stage], list[Any]()
    while how_far.levels is None or len(parents) < how_far.levels:
        merges = how_far.merges(stages[-1].member_sizes)
        if not merges.any():
            break
        step = stages[-1].coarser(merges, how_far.exact, how_far.min_nodes)
        if step is None:
            return Descent(tuple(stages), tuple(parents), merges if how_far.exact else None)
        parent, coarse = step
        parents.append(parent)
        stages.append(coarse)
        tell(coarse)
    return Descent(tuple(stages), tuple(parents), None)
