"""The result of one matching step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from multiscale_gcn.checks.arrays import integer_array, plain_array
from multiscale_gcn.checks.immutable import ReadOnlyArrays
from multiscale_gcn.graph import LARGEST_INT32


class PairKind(IntEnum):
    """Why two nodes merge.

    Examples
    --------
    >>> from multiscale_gcn import Graph, PairKind, match
    >>> star = Graph([0, 3, 4, 5, 6], [1, 2, 3, 0, 0, 0])
    >>> [PairKind(kind).name for kind in match(star).kind]
    ['EDGE', 'EDGE', 'TWO_HOP', 'TWO_HOP']
    """

    SINGLE = 0
    """The node has no mate."""
    EDGE = 1
    """An edge joins the two."""
    TWO_HOP = 2
    """Both waited at the same neighbour, which was taken."""
    ISOLATED = 3
    """Neither has a neighbour."""


@dataclass(frozen=True, eq=False)
class Matching(ReadOnlyArrays):
    """Who merges with whom.

    Parameters
    ----------
    mate : array of int, shape (n,)
        The other node of the pair; the node itself where it has none.
    kind : array of int, shape (n,)
        A :class:`PairKind` for every node. Kept as int8.

    Raises
    ------
    ValueError
        Naming the first node whose mate is another's, or whose kind is none.

    See Also
    --------
    match : the pairs of one step
    contract : the coarse graph of a matching

    Examples
    --------
    >>> from multiscale_gcn import Graph, match
    >>> matching = match(Graph([0, 1, 3, 4], [1, 0, 2, 1], [1, 1, 2, 2]))
    >>> matching.mate.tolist(), matching.num_pairs
    ([0, 2, 1], 1)
    """

    mate: np.ndarray
    kind: np.ndarray

    def __post_init__(self) -> None:
        given, mate = plain_array(self.mate, "mate"), integer_array(self.mate, "mate")
        kind = integer_array(self.kind, "kind")
        if mate.ndim != 1 or kind.shape != mate.shape:
            raise ValueError(
                f"mate has shape {mate.shape} and kind {kind.shape}, expected (n,) for both"
            )
        _check_mates(mate, kind)
        wide = len(mate) > LARGEST_INT32 or given.dtype.itemsize > 4
        object.__setattr__(self, "mate", mate.astype(np.int64 if wide else np.int32))
        object.__setattr__(self, "kind", kind.astype(np.int8))
        super().__post_init__()

    @property
    def num_nodes(self) -> int:
        """Number of nodes of the graph."""
        return len(self.mate)

    @property
    def num_pairs(self) -> int:
        """Number of pairs, of all kinds."""
        return int(np.count_nonzero(self.kind)) // 2

    def pairs(self) -> np.ndarray:
        """The pairs, smaller id first, in increasing order of it.

        Returns
        -------
        array of int64, shape (num_pairs, 2)

        Examples
        --------
        >>> from multiscale_gcn import Graph, match
        >>> match(Graph([0, 1, 3, 4], [1, 0, 2, 1], [1, 1, 2, 2])).pairs().tolist()
        [[1, 2]]
        """
        first = np.flatnonzero(self.mate > np.arange(self.num_nodes))
        return np.stack([first, self.mate[first]], axis=1).astype(np.int64)

    def parents(self) -> np.ndarray:
        """Coarse id of every node, numbered by the first member of each pair.

        Returns
        -------
        array of the ids' type, shape (n,)

        Examples
        --------
        >>> from multiscale_gcn import Graph, match
        >>> match(Graph([0, 1, 3, 4], [1, 0, 2, 1], [1, 1, 2, 2])).parents().tolist()
        [0, 1, 1]
        """
        ids = np.arange(self.num_nodes, dtype=self.mate.dtype)
        leads = self.mate >= ids
        number = np.cumsum(leads, dtype=self.mate.dtype) - 1
        parent: np.ndarray = number[np.minimum(self.mate, ids)]
        return parent

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Matching):
            return NotImplemented
        return np.array_equal(self.mate, other.mate) and np.array_equal(self.kind, other.kind)

    def __repr__(self) -> str:
        of_kind = np.bincount(self.kind, minlength=len(PairKind)) // 2
        extra = "".join(
            f", {of_kind[kind]} {kind.name.lower().replace('_', '-')}"
            for kind in (PairKind.TWO_HOP, PairKind.ISOLATED)
            if of_kind[kind]
        )
        return f"Matching({self.num_pairs} pairs of {self.num_nodes} nodes{extra})"


def _check_mates(mate: np.ndarray, kind: np.ndarray) -> None:
    n = len(mate)
    wrong = np.flatnonzero((mate < 0) | (mate >= n))
    if len(wrong) == 0:
        wrong = np.flatnonzero(mate[mate] != np.arange(n))
    if len(wrong):
        u = wrong[0]
        raise ValueError(
            f"matching.mate[{u}] = {mate[u]}, whose mate is not {u}; a node that has none is its "
            "own mate"
        )
    unknown = np.flatnonzero((kind < 0) | (kind >= len(PairKind)) | (kind != kind[mate]))
    if len(unknown):
        u = unknown[0]
        raise ValueError(
            f"matching.kind[{u}] = {kind[u]}, and that of its mate is {kind[mate[u]]}; both are "
            f"the same PairKind, 0 to {len(PairKind) - 1}"
        )
    single = np.flatnonzero((kind == PairKind.SINGLE) != (mate == np.arange(n)))
    if len(single):
        u = single[0]
        raise ValueError(
            f"matching.kind[{u}] = {kind[u]} and matching.mate[{u}] = {mate[u]}; a node is its "
            "own mate where its kind is 0, and nowhere else"
        )
