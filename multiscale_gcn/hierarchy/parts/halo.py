"""The nodes that outputs depend on: backward through the steps of a receptive field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.parts.families import of_rows
from multiscale_gcn.hierarchy.parts.field import ReceptiveField

if TYPE_CHECKING:
    import scipy.sparse as sp

Families = Callable[[int], "sp.csr_array"]
"""Of the index of a level: its nodes by their parents."""


class Halo:
    """Sets of nodes, one on each level, that grow.

    Parameters
    ----------
    levels : sequence of Level
    families : callable (level) -> csr_array
    core : sequence of arrays of int, one for each level
        What they begin with.
    """

    def __init__(
        self, levels: Sequence[Level], families: Families, core: Sequence[np.ndarray]
    ) -> None:
        self._levels = levels
        self._families = families
        self._sets = [_Set(level.num_nodes) for level in levels]
        for own, nodes in zip(self._sets, core, strict=True):
            own.add(nodes)

    def grow(self, field: ReceptiveField) -> list[np.ndarray]:
        """All that a network reads for the core, and what makes a hierarchy of it.

        Beyond the field that is one more ring on each level where nodes read their neighbours, so
        that the degree of every node that is read is whole; all parents, and for them what they
        are interpolated from; and the samples of coarse nodes.

        Returns
        -------
        list of arrays of int, one for each level
            Increasing.
        """
        for step in reversed(field.steps):
            before = [own.count for own in self._sets]
            for source, target in step:
                self._read(source, target, before[target])
        for level in field.with_neighbours:
            self._hop(level, self._sets[level].count)
        for level in range(len(self._levels) - 1):
            self._climb(level, self._sets[level].count)
        for level in reversed(range(len(self._levels) - 1)):
            sampled = self._levels[level].sampled
            if sampled is not None:
                self._sets[level].add(sampled[self._sets[level + 1].nodes()])
        return [own.nodes() for own in self._sets]

    def _read(self, source: int, target: int, count: int) -> None:
        """Add what the first so many chunks of the target read."""
        if source == target:
            self._hop(target, count)
        for level in range(target, source):
            self._climb(level, count if level == target else self._sets[level].count)
        for level in range(target, source, -1):
            self._descend(level, count if level == target else self._sets[level].count)

    def _hop(self, level: int, count: int) -> None:
        graph, own = self._levels[level].graph, self._sets[level]
        own.add(graph.indices[of_rows(graph.indptr, own.new("neighbours", count))])

    def _climb(self, level: int, count: int) -> None:
        nodes = self._sets[level].new("parents", count)
        parent, matrix = self._levels[level].parent, self._levels[level].interpolation
        assert parent is not None
        self._sets[level + 1].add(parent[nodes])
        if matrix is not None:
            self._sets[level + 1].add(matrix.indices[of_rows(matrix.indptr, nodes)])

    def _descend(self, level: int, count: int) -> None:
        nodes = self._sets[level].new("children", count)
        rows = self._families(level - 1)
        self._sets[level - 1].add(rows.indices[of_rows(rows.indptr, nodes)])


class _Set:
    """Nodes of a level, in chunks in the order in which they came."""

    def __init__(self, num_nodes: int) -> None:
        self._has = np.zeros(num_nodes, bool)
        self._chunks: list[np.ndarray] = []
        self._done: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return len(self._chunks)

    def add(self, nodes: np.ndarray) -> None:
        new = np.unique(nodes[~self._has[nodes]])
        if len(new):
            self._has[new] = True
            self._chunks.append(new)

    def new(self, what: str, count: int) -> np.ndarray:
        """Those of the first so many chunks of which this was not asked yet."""
        done = self._done.get(what, 0)
        self._done[what] = max(done, count)
        return _joined(self._chunks[done:count])

    def nodes(self) -> np.ndarray:
        """All, increasing."""
        return np.sort(_joined(self._chunks))


def _joined(chunks: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int64), *chunks]).astype(np.int64, copy=False)
