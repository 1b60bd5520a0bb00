"""Sparse matrices between the scales of a network, from a hierarchy of graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import one_of, whole_number
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.transfer import node_positions
from multiscale_gcn.nn.layer_checks import check_hierarchy, listed

if TYPE_CHECKING:
    import scipy.sparse as sp

Transfer = Callable[[int, int], Any]
"""Of (source, target), two scales: the sparse matrix, shape (N_target, N_source), of the entries
that a learned map between them has; None for a dense map."""

TransferKind = Literal["constant", "smoothed", "linear", "interpolated"]
RestrictionKind = Literal["mean", "weighted_mean", "sampled"]


class HierarchyTransfer:
    """The matrices between levels of a hierarchy, for the sparse maps of a network.

    To a finer level this is :meth:`Hierarchy.prolongation`: every node reads the one that it
    belongs to, or more, as ``kind`` says. To a coarser one it is :meth:`Hierarchy.restriction`. All
    of them keep constants, if those of the hierarchy's own interpolation do.

    Parameters
    ----------
    hierarchy : Hierarchy
    levels : sequence of int, optional
        The level of every scale. All levels by default.
    kind : {"constant", "smoothed", "linear", "interpolated"}
        As in :meth:`Hierarchy.prolongation`.
    positions : array of float, shape (n, d), optional
        Of the nodes of the finest level, for ``"linear"``.
    restriction : {"mean", "weighted_mean", "sampled"}, optional
        As in :meth:`Hierarchy.restriction`. The mean by default, of those that belong to a node;
        for ``"smoothed"`` the transpose of the prolongation, with rows that sum to 1.

    Raises
    ------
    ValueError
        For an unknown kind, restriction, level or scale; for positions that are missing, do not
        fit, or go with another kind; and for ``"sampled"`` where the hierarchy's coarse nodes are
        no fine ones.
    TypeError
        For what is no hierarchy.

    See Also
    --------
    DistanceTransfer : maps between scales by distances
    MultiScaleGCN : a network on several graphs

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
        *,
        positions: ArrayLike | None = None,
        restriction: RestrictionKind | None = None,
    ) -> None:
        check_hierarchy(hierarchy)
        one_of(kind, "kind", get_args(TransferKind))
        if restriction is not None:
            one_of(restriction, "restriction", get_args(RestrictionKind))
        self.hierarchy = hierarchy
        named = range(len(hierarchy)) if levels is None else listed(levels, "levels")
        self.levels: tuple[int, ...] = tuple(
            whole_number(k, f"levels[{i}]") for i, k in enumerate(named)
        )
        self.kind = kind
        self.restriction: RestrictionKind | None = restriction
        for place, level in enumerate(self.levels):
            if not 0 <= level < len(hierarchy):
                raise ValueError(
                    f"levels[{place}] = {level} is none of the hierarchy's, which run from 0 to "
                    f"{len(hierarchy) - 1}"
                )
        if kind == "linear" or positions is not None:
            hierarchy.prolongation(0, 0, kind, positions=positions)  # which checks them
        if restriction == "sampled":
            hierarchy.restriction(0, max(self.levels, default=0), "sampled")
        self._positions: np.ndarray | None = None
        if positions is not None:
            self._positions = node_positions(positions, hierarchy[0].num_nodes).copy()

    def __call__(self, source: int, target: int) -> sp.csr_array:  # [N_target, N_source]
        from_level, to_level = self._level(source, "source"), self._level(target, "target")
        if from_level >= to_level:
            return self._prolongation(from_level, to_level)
        if self.restriction is not None or self.kind != "smoothed":
            return self.hierarchy.restriction(from_level, to_level, self.restriction or "mean")
        spread = self._prolongation(to_level, from_level).T.tocsr()
        spread.data /= np.repeat(spread.sum(axis=1), np.diff(spread.indptr))
        return spread

    def _prolongation(self, coarse: int, fine: int) -> sp.csr_array:
        return self.hierarchy.prolongation(coarse, fine, self.kind, positions=self._positions)

    def _level(self, scale: int, name: str) -> int:
        return self.levels[whole_number(scale, name, least=0, most=len(self.levels) - 1)]

    def __repr__(self) -> str:
        down = f", restriction={self.restriction!r}" if self.restriction else ""
        return f"HierarchyTransfer(levels={list(self.levels)}, kind={self.kind!r}{down})"
