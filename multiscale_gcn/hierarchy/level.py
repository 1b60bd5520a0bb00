"""One graph of a hierarchy, and what holds between several of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import shown, whole_number
from multiscale_gcn.checks.arrays import integer_array, plain_array
from multiscale_gcn.checks.immutable import ReadOnlyArrays, read_only
from multiscale_gcn.graph import LARGEST_INT32, Graph
from multiscale_gcn.graph.constraints import Constraints

if TYPE_CHECKING:
    import scipy.sparse as sp

CHUNK = 1 << 20
"""Entries of an array that are copied at a time."""


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
    sampled : array of int, shape (n_coarse,), or None
        The node of this level that each node of the next coarser one is, where that was made by
        choosing nodes.
    interpolation : scipy.sparse matrix, shape (n, n_coarse), or None
        How values come to this level from the next coarser one, where its nodes are no clusters.

    Raises
    ------
    ValueError
        For a parent map of another length or type, a sample that does not belong to its own coarse
        node, or an interpolation of another shape or with an entry that is not finite.
    TypeError
        For a graph or constraints that are none.

    See Also
    --------
    Hierarchy : levels and the maps between them

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
    sampled: np.ndarray | None = None
    interpolation: sp.csr_array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", whole_number(self.index, "index", least=0))
        for name, kind in (("graph", Graph), ("constraints", Constraints)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} = {shown(getattr(self, name))} must be a {kind.__name__}")
        self.constraints.check_length(self.num_nodes)
        if self.parent is not None:
            object.__setattr__(self, "parent", self._map(self.parent))
        if self.sampled is not None:
            object.__setattr__(self, "sampled", self._samples(self.sampled))
        if self.interpolation is not None:
            object.__setattr__(self, "interpolation", self._matrix(self.interpolation))
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

    def _samples(self, sampled: ArrayLike) -> np.ndarray:
        """A copy of the samples, of the type of the graph's ids."""
        name = f"levels[{self.index}].sampled"
        ids = integer_array(sampled, name)
        if ids.ndim != 1 or self.parent is None:
            raise ValueError(f"{name} has shape {ids.shape}; give it beside a parent map, one each")
        inside = (ids >= 0) & (ids < self.num_nodes)
        own = inside.copy()
        own[inside] = self.parent[ids[inside]] == np.flatnonzero(inside)
        if not own.all():
            at = int(np.argmin(own))
            raise ValueError(
                f"{name}[{at}] = {ids[at]} is no node whose parent is {at}; a sample belongs to "
                "the coarse node that it is"
            )
        return ids.astype(self.graph.indices.dtype)

    def _matrix(self, interpolation: sp.csr_array) -> sp.csr_array:
        """A copy of the interpolation that nobody can change, each entry once."""
        import scipy.sparse as sp

        name = f"levels[{self.index}].interpolation"
        if not sp.issparse(interpolation) or interpolation.dtype.kind not in "buif":
            raise TypeError(
                f"{name} = {shown(interpolation)} must be a scipy.sparse matrix of real numbers"
            )
        matrix = sp.csr_array(interpolation, dtype=np.float64, copy=True)
        matrix.sum_duplicates()
        if matrix.shape[0] != self.num_nodes or self.parent is None:
            raise ValueError(
                f"{name} has shape {matrix.shape}; give it beside a parent map, with a row for "
                f"each of the {self.num_nodes} nodes"
            )
        if not np.isfinite(matrix.data).all():
            at = int(np.argmin(np.isfinite(matrix.data)))
            row = int(np.searchsorted(matrix.indptr, at, side="right")) - 1
            raise ValueError(
                f"{name}[{row}, {matrix.indices[at]}] = {matrix.data[at]} must be finite"
            )
        for part in ("data", "indices", "indptr"):
            setattr(matrix, part, read_only(getattr(matrix, part)))
        return matrix

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
            _check_width(f"levels[{k}]", level, levels[k + 1].num_nodes)


def _check_parent(name: str, level: Level, num_coarse: int) -> None:
    parent = level.parent
    assert parent is not None
    if len(parent) and parent.max() >= num_coarse:
        at = int(np.argmax(parent >= num_coarse))
        raise ValueError(
            f"{name}[{at}] = {parent[at]} is no node of the next level, which has {num_coarse}"
        )


def _check_width(name: str, level: Level, num_coarse: int) -> None:
    if level.sampled is not None and len(level.sampled) != num_coarse:
        raise ValueError(
            f"{name}.sampled has {len(level.sampled)} entries, the next level {num_coarse} nodes"
        )
    if level.interpolation is not None and level.interpolation.shape[1] != num_coarse:
        raise ValueError(
            f"{name}.interpolation has {level.interpolation.shape[1]} columns, the next level "
            f"{num_coarse} nodes"
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
        arrays = [
            (graph.indptr, "<i8"),
            (graph.indices, "<i8"),
            (graph.weights, "<f8"),
            (graph.node_weights, "<f8"),
            (level.parent, "<i8"),
        ]
        if level.sampled is not None:
            digest.update(b"sampled")
            arrays.append((level.sampled, "<i8"))
        if level.interpolation is not None:
            digest.update(b"interpolation")
            matrix = level.interpolation
            arrays += [(matrix.indptr, "<i8"), (matrix.indices, "<i8"), (matrix.data, "<f8")]
        for array, dtype in arrays:
            values = np.zeros(0) if array is None else array
            digest.update((len(values) * np.dtype(dtype).itemsize).to_bytes(8, "little"))
            for begin in range(0, len(values), CHUNK):
                digest.update(np.ascontiguousarray(values[begin : begin + CHUNK], dtype).data)
    return digest.hexdigest()
