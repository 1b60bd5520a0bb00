"""One part of a hierarchy: its own nodes, and those around it that a network reads for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.graph import LARGEST_INT32, Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.parts.families import of_rows

H = TypeVar("H")


@dataclass(frozen=True, eq=False, repr=False)
class Part(Generic[H]):
    """One of the :meth:`~multiscale_gcn.Hierarchy.parts` of a hierarchy, with its halo.

    Attributes
    ----------
    index : int
        Which part.
    hierarchy : Hierarchy
        Of the core and the halo: as many levels as the whole one. Nodes of each level are numbered
        from 0 in the order of ``nodes``; edges between them, weights, and who belongs to whom are
        those of the whole. A node at the rim may lack neighbours and children.
    nodes : tuple of arrays of int, one for each level
        The numbers in the whole hierarchy, increasing.
    core : tuple of arrays of int, one for each level
        Places in ``nodes`` of the part's own nodes. Every node of every level belongs to the core
        of one part.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> hierarchy = coarsen(nx.path_graph(12), levels=1)
    >>> part = hierarchy.parts(3, halo=1)[1]
    >>> part
    Part(1: 4 nodes, 4 around them)
    >>> part.core_nodes(0).tolist(), part.nodes[0].tolist()
    ([4, 5, 6, 7], [2, 3, 4, 5, 6, 7, 8, 9])
    >>> part.hierarchy.sizes
    (8, 4)
    """

    index: int
    hierarchy: H
    nodes: tuple[np.ndarray, ...]
    core: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        for name in ("nodes", "core"):
            object.__setattr__(self, name, tuple(map(read_only, getattr(self, name))))

    def core_nodes(self, level: int = 0) -> np.ndarray:
        """Numbers in the whole hierarchy of the part's own nodes.

        Parameters
        ----------
        level : int
            Negative ones count from the coarsest.

        Returns
        -------
        array of int64, increasing

        Raises
        ------
        IndexError
            If there is no such level.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> coarsen(nx.path_graph(12), levels=1).parts(3, halo=1)[2].core_nodes(1).tolist()
        [4, 5]
        """
        level = whole_number(level, "level")
        if not -len(self.nodes) <= level < len(self.nodes):
            raise IndexError(f"level {level} does not exist; there are {len(self.nodes)}, from 0")
        nodes: np.ndarray = self.nodes[level][self.core[level]]
        return nodes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.hierarchy, self.nodes, self.core)

    def __repr__(self) -> str:
        own = len(self.core[0])
        return f"Part({self.index}: {own} nodes, {len(self.nodes[0]) - own} around them)"


def levels_within(levels: Sequence[Level], nodes: Sequence[np.ndarray]) -> tuple[Level, ...]:
    """The levels of these nodes alone; all parents and samples are among them."""
    return tuple(
        _level(level, own, coarse)
        for level, own, coarse in zip(levels, nodes, [*nodes[1:], None], strict=True)
    )


def _level(level: Level, nodes: np.ndarray, coarse: np.ndarray | None) -> Level:
    parent = sampled = interpolation = None
    if coarse is not None:
        assert level.parent is not None
        parent = np.searchsorted(coarse, level.parent[nodes])
        if level.sampled is not None:
            sampled = np.searchsorted(nodes, level.sampled[coarse])
        if level.interpolation is not None:
            interpolation = level.interpolation[nodes][:, coarse]
    labels, survivors = level.constraints.labels, level.constraints.survivors
    return Level(
        level.index,
        _graph(level.graph, nodes),
        parent,
        Constraints(
            labels=None if labels is None else labels[nodes],
            survivors=None if survivors is None else survivors[nodes],
        ),
        sampled,
        interpolation,
    )


def _graph(graph: Graph, nodes: np.ndarray) -> Graph:
    places, columns, indptr = entries_within(graph, nodes)
    names = graph.names
    return Graph._of_valid(
        indptr,
        columns.astype(np.int32 if len(nodes) <= LARGEST_INT32 else np.int64),
        graph.weights[places],
        graph.node_weights[nodes],
        graph.quantum,
        None if names is None else tuple(names[node] for node in nodes.tolist()),
    )


def entries_within(
    graph: Graph, nodes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # [nnz], [nnz], [n + 1]
    """Entries between these nodes: their places in the graph's arrays, new columns, and rows."""
    places = of_rows(graph.indptr, nodes)
    found = graph.indices[places]
    columns = np.searchsorted(nodes, found)
    inside = nodes[np.minimum(columns, len(nodes) - 1)] == found if len(nodes) else found == -1
    lengths = np.diff(graph.indptr.take(np.stack([nodes, nodes + 1])), axis=0)[0]
    kept = np.concatenate([[0], np.cumsum(inside)])
    indptr = kept[np.concatenate([[0], np.cumsum(lengths)])]
    return places[inside], columns[inside], indptr
