"""All parts of a hierarchy, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Generic, TypeVar, overload

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.parts.cutting import cut
from multiscale_gcn.hierarchy.parts.families import families, num_finest, of_rows
from multiscale_gcn.hierarchy.parts.field import ReceptiveField, as_field
from multiscale_gcn.hierarchy.parts.halo import Halo
from multiscale_gcn.hierarchy.parts.part import Part, levels_within
from multiscale_gcn.hierarchy.stored.arrays import release

if TYPE_CHECKING:
    import scipy.sparse as sp

H = TypeVar("H")

CLUSTERS = 32
"""Nodes of the level that is cut, for each part at least: its parts are then even to a few per
cent."""


class Parts(Sequence[Part[H]], Generic[H]):
    """The parts of a hierarchy: :meth:`Hierarchy.parts` makes them.

    A part is made when it is asked for, and not kept. What is kept grows with the nodes: on each
    level who belongs to whom, 16 bytes a node together.

    Parameters
    ----------
    levels : sequence of Level
    of_levels : callable (levels) -> Hierarchy
        What makes the hierarchy of a part.
    count : int
        How many parts.
    field : ReceptiveField
        Of their halos.

    Raises
    ------
    IndexError
        For a part that is not there.

    Attributes
    ----------
    level : int
        The level that was cut: the coarsest that has 32 nodes for each part, or the finest.
    field : ReceptiveField

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> parts = coarsen(nx.path_graph(12), levels=1).parts(3, halo=1)
    >>> len(parts), parts[1].nodes[0].tolist()
    (3, [2, 3, 4, 5, 6, 7, 8, 9])
    """

    def __init__(
        self,
        levels: Sequence[Level],
        of_levels: Callable[[tuple[Level, ...]], H],
        count: int,
        field: ReceptiveField,
    ) -> None:
        self._levels = tuple(levels)
        self._of_levels = of_levels
        self._count = min(count, levels[0].num_nodes)
        self._families: dict[int, sp.csr_array] = {}
        self.field = field
        enough = [k for k, level in enumerate(levels) if level.num_nodes >= CLUSTERS * self._count]
        self.level = max(enough, default=0)
        sizes = num_finest(levels, self.level)
        self._labels = [cut(levels[self.level].graph, sizes, max(self._count, 1))]
        for fine in range(self.level, len(levels) - 1):
            self._labels.append(self._of_first_child(fine))

    def _of_first_child(self, fine: int) -> np.ndarray:
        parent = self._levels[fine].parent
        assert parent is not None
        labels = np.zeros(self._levels[fine + 1].num_nodes, np.int64)
        labels[parent[::-1]] = self._labels[-1][::-1]
        return labels

    def labels(self, level: int = 0) -> np.ndarray:
        """The part that has each node of a level in its core.

        A coarse node, above the level that was cut, goes with its first child.

        Parameters
        ----------
        level : int

        Returns
        -------
        array of int64, shape (n_level,)

        Raises
        ------
        ValueError
            If there is no such level.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> coarsen(nx.path_graph(12), levels=1).parts(3).labels().tolist()
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
        """
        level = whole_number(level, "level", least=0, most=len(self._levels) - 1)
        labels = self._labels[max(level - self.level, 0)]
        for fine in range(self.level - 1, level - 1, -1):
            labels = labels[self._levels[fine].parent]
        return labels

    def with_halo(self, halo: int | ReceptiveField) -> Parts[H]:
        """The same parts with other halos.

        Parameters
        ----------
        halo : int or ReceptiveField
            As in :meth:`Hierarchy.parts`.

        Returns
        -------
        Parts

        Raises
        ------
        ValueError
            If it is neither, or reads a level that is not there.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> parts = coarsen(nx.path_graph(12), levels=1).parts(3)
        >>> parts[1], parts.with_halo(1)[1]
        (Part(1: 4 nodes, 0 around them), Part(1: 4 nodes, 4 around them))
        """
        made = copy(self)
        made.field = as_field(halo, len(self._levels))
        return made

    @property
    def num_nodes(self) -> int:
        """Of the finest level of the whole hierarchy."""
        return self._levels[0].num_nodes

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Part[H]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Part[H], ...]: ...

    def __getitem__(self, index: int | slice) -> Part[H] | tuple[Part[H], ...]:
        if isinstance(index, slice):
            return tuple(self._made(k) for k in range(self._count)[index])
        index = whole_number(index, "index")
        if not -self._count <= index < self._count:
            raise IndexError(f"part {index} does not exist; there are {self._count}, from 0")
        return self._made(index % self._count)

    def _made(self, index: int) -> Part[H]:
        core = self._core(index)
        nodes = Halo(self._levels, self._family, core).grow(self.field)
        levels = levels_within(self._levels, nodes)
        for level in self._levels:
            graph = level.graph
            release(graph.indptr, graph.indices, graph.weights, graph.node_weights)
            if level.parent is not None:
                release(level.parent)
        places = tuple(np.searchsorted(*pair) for pair in zip(nodes, core, strict=True))
        return Part(index, self._of_levels(levels), tuple(nodes), places)

    def _core(self, index: int) -> list[np.ndarray]:
        core = [np.flatnonzero(labels == index) for labels in self._labels]
        for fine in range(self.level - 1, -1, -1):
            rows = self._family(fine)
            core.insert(0, np.sort(rows.indices[of_rows(rows.indptr, core[0])]))
        return core

    def _family(self, fine: int) -> sp.csr_array:
        if fine not in self._families:
            self._families[fine] = families(self._levels, fine)
        return self._families[fine]

    def __repr__(self) -> str:
        return f"Parts({self._count} of level {self.level}, {self.field!r})"
