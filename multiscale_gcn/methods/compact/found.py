"""A method whose levels are there before the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.method import ClusteringMethod


@dataclass(frozen=True, eq=False)
class Found(ClusteringMethod):
    """Clusters that were found for all levels at once."""

    maps: tuple[np.ndarray, ...]
    described: str

    honours: ClassVar[frozenset[str]] = frozenset({"labels"})

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        return self.maps[0]

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> Found:
        return replace(self, maps=self.maps[1:])

    def describe(self) -> str:
        return self.described
