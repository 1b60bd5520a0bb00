"""Sparse matrices between the scales of a network, from a hierarchy of graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from multiscale_gcn.checks.arguments import one_of, whole_number
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.nn.layer_checks import check_hierarchy, listed

if TYPE_CHECKING:
    import scipy.sparse as sp

Transfer = Callable[[int, int], Any]
"""Of (source, target), two scales: the sparse matrix, shape (N_target, N_source), of the entries
that a learned map between them has; None for a dense map."""

TransferKind = Literal["constant", "smoothed"]


class HierarchyTransfer:
    """The matrices between levels of a hierarchy, for the sparse maps of a network.

    To a finer level this is :meth:`Hierarchy.prolongation`: every node reads the one that it
    belongs to. To a coarser one it is the mean :meth:`Hierarchy.restriction`: every node reads
    those that belong to it. The smoothed prolongation reads neighbours as well; its restriction
    is its transpose, with rows that sum to 1. All of them keep constants.

    Parameters
    ----------
    hierarchy : Hierarchy
    levels : sequence of int, optional
        The level of every scale. All levels by default.
    kind : {"constant", "smoothed"}
        As in :meth:`Hierarchy.prolongation`.

    Raises
    ------
    ValueError
        For an unknown kind, level or scale.
    TypeError
        For what is no hierarchy.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
    >>> transfer = HierarchyTransfer(hierarchy)
    >>> transfer(0, 1).toarray().tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    >>> transfer(1, 0).toarray().tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        levels: Sequence[int] | None = None,
        kind: TransferKind = "constant",
    ) -> None:
        check_hierarchy(hierarchy)
        one_of(kind, "kind", get_args(TransferKind))
        self.hierarchy = hierarchy
        named = range(len(hierarchy)) if levels is None else listed(levels, "levels")
        self.levels: tuple[int, ...] = tuple(
            whole_number(k, f"levels[{i}]") for i, k in enumerate(named)
        )
        self.kind = kind
        for place, level in enumerate(self.levels):
            if not 0 <= level < len(hierarchy):
                raise ValueError(
                    f"levels[{place}] = {level} is none of the hierarchy's, which run from 0 to "
                    f"{len(hierarchy) - 1}"
                )

    def __call__(self, source: int, target: int) -> sp.csr_array:  # [N_target, N_source]
        from_level, to_level = self._level(source, "source"), self._level(target, "target")
        if from_level >= to_level:
            return self.hierarchy.prolongation(from_level, to_level, self.kind)
        if self.kind == "constant":
            return self.hierarchy.restriction(from_level, to_level)
        spread = self.hierarchy.prolongation(to_level, from_level, self.kind).T.tocsr()
        spread.data /= np.repeat(spread.sum(axis=1), np.diff(spread.indptr))
        return spread

    def _level(self, scale: int, name: str) -> int:
        return self.levels[whole_number(scale, name, least=0, most=len(self.levels) - 1)]

    def __repr__(self) -> str:
        return f"HierarchyTransfer(levels={list(self.levels)}, kind={self.kind!r})"
