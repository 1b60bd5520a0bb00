"""One graph of a hierarchy, and what holds between several of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import shown, whole_number
from multiscale_gcn.checks.arrays import integer_array, plain_array
from multiscale_gcn.checks.immutable import ReadOnlyArrays
from multiscale_gcn.graph import LARGEST_INT32, Graph
from multiscale_gcn.graph.constraints import Constraints


@dataclass(frozen=True, eq=False)
class Level(ReadOnlyArrays):
    """One graph of a hierarchy.

    Parameters
    ----------
    index : int
        0 is the finest.
    graph : Graph
    parent : array of int, shape (n,), or None
        Node of the next coarser level that each node belongs to; None at the coarsest.
    constraints : Constraints
        Labels, survivors, symmetry and batch of this level's nodes, where the hierarchy was
        made under such.

    Raises
    ------
    ValueError
        For a parent map of another length or type.
    TypeError
        For a graph or constraints that are none.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> level = coarsen(nx.path_graph(4), sizes=[2])[0]
    >>> level, level.parent.tolist()
    (Level(0: Graph(4 nodes, 3 edges)), [0, 0, 1, 1])
    """

    index: int
    graph: Graph
    parent: np.ndarray | None
    constraints: Constraints = field(default_factory=Constraints)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", whole_number(self.index, "index", least=0))
        for name, kind in (("graph", Graph), ("constraints", Constraints)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} = {shown(getattr(self, name))} must be a {kind.__name__}")
        self.constraints.check_length(self.num_nodes)
        if self.parent is not None:
            object.__setattr__(self, "parent", self._map(self.parent))
        super().__post_init__()

    def _map(self, parent: ArrayLike) -> np.ndarray:
        """A copy of the parent map, of the type of the graph's ids."""
        name = f"levels[{self.index}].parent"
        given = plain_array(parent, name)
        if given.shape != (self.num_nodes,):
            raise ValueError(f"{name} has shape {given.shape}, expected ({self.num_nodes},)")
        ids = integer_array(given, name)
        if len(ids) and not 0 <= ids.min() <= ids.max() <= LARGEST_INT32:
            at = int(np.argmax((ids < 0) | (ids > LARGEST_INT32)))
            raise ValueError(f"{name}[{at}] = {ids[at]} is no node; number the coarse nodes from 0")
        return ids.astype(self.graph.indices.dtype)

    @property
    def num_nodes(self) -> int:
        """Number of nodes of its graph."""
        return self.graph.num_nodes

    def __repr__(self) -> str:
        return f"Level({self.index}: {self.graph!r})"


def check_levels(levels: Sequence[Level]) -> None:
    """Refuse levels that do not follow each other.

    Raises
    ------
    ValueError
        Naming the first level that is out of place, or whose parent map is wrong.
    """
    if not levels:
        raise ValueError("levels is empty; a hierarchy has at least its finest graph")
    for k, level in enumerate(levels):
        if not isinstance(level, Level):
            raise TypeError(f"levels[{k}] = {shown(level)} must be a Level")
        if level.index != k:
            raise ValueError(f"levels[{k}].index = {level.index} must be {k}")
        if (level.parent is None) != (k == len(levels) - 1):
            raise ValueError(f"levels[{k}]: each level but the last needs a parent map")
        if level.parent is not None:
            _check_parent(f"levels[{k}].parent", level, levels[k + 1].num_nodes)


def _check_parent(name: str, level: Level, num_coarse: int) -> None:
    parent = level.parent
    assert parent is not None
    if len(parent) and parent.max() >= num_coarse:
        at = int(np.argmax(parent >= num_coarse))
        raise ValueError(
            f"{name}[{at}] = {parent[at]} is no node of the next level, which has {num_coarse}"
        )


def parent_between(levels: Sequence[Level], fine: int, coarse: int) -> np.ndarray:
    """Node of level ``coarse`` that each node of level ``fine`` belongs to, shape (n_fine,)."""
    result = np.arange(levels[fine].num_nodes)
    for level in levels[fine:coarse]:
        assert level.parent is not None
        result = level.parent[result]
    return result


def fingerprint(levels: Sequence[Level], order_version: int) -> str:
    """SHA-256 of the order's version and of every graph, weight and map, as 64 hex digits."""
    digest = hashlib.sha256(f"multiscale_gcn hierarchy, order {order_version}".encode())
    for level in levels:
        graph = level.graph
        for array, dtype in (
            (graph.indptr, "<i8"),
            (graph.indices, "<i8"),
            (graph.weights, "<f8"),
            (graph.node_weights, "<f8"),
            (level.parent, "<i8"),
        ):
            data = b"" if array is None else np.ascontiguousarray(array, dtype).tobytes()
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
    return digest.hexdigest()
