"""Ratings that are one number for every stored entry, wherever it comes from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.constraints import Constraints
from multiscale_gcn.graph import Graph
from multiscale_gcn.ratings.formulas import EdgeWeight
from multiscale_gcn.ratings.rating import Ids, NodeTerms, Numbers, Rating


class EntryRating(Rating):
    """Base of the ratings that look at more than an edge and its two ends.

    Derive from it and write :meth:`values`. The kernels take the numbers in place of the weights,
    so every backend has it at once.
    """

    code: ClassVar[int] = EdgeWeight.code

    @abstractmethod
    def values(self, graph: Graph, constraints: Constraints) -> ArrayLike:
        """The rating of every stored entry, in the order of ``graph.edge_index()``.

        The same for (u, v) and (v, u); what stands at self loops is not read. Under a batch the
        values of a member must not depend on the others.
        """

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        return weight

    def evaluated(self, graph: Graph, constraints: Constraints) -> Rating:
        """The values, checked; under a symmetry an edge has the better of its own and its image's.

        Raises
        ------
        ValueError
            If the values are of another shape, not finite, or differ between (u, v) and (v, u),
            naming the first edge.
        """
        values = _checked(self.values(graph, constraints), graph, repr(self))
        if constraints.symmetry is not None:
            values = np.maximum(values, values[_images(graph, constraints.symmetry)])
        values.flags.writeable = False  # as the weights are, so that the same kernel takes them
        return _Evaluated(values)


@dataclass(frozen=True, eq=False)
class _Evaluated(Rating):
    array: np.ndarray

    code: ClassVar[int] = EdgeWeight.code

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        return weight

    def entries(self, graph: Graph) -> np.ndarray:
        return self.array


@dataclass(frozen=True, eq=False, repr=False)
class GivenRating(EntryRating):
    """A rating of your own: an array for the finest graph, or a function of any graph.

    Parameters
    ----------
    ratings : array of float, shape (nnz,), or callable
        One number for every stored entry of the graph, in the order of ``graph.edge_index()``; on
        coarser levels parallel edges add up their ratings. Or a function that takes a
        :class:`~multiscale_gcn.Graph` and returns such an array; it is called at every level.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from multiscale_gcn import GivenRating, HeavyEdgeMatching, as_graph, match
    >>> graph = as_graph(nx.path_graph(4))
    >>> graph.edge_index().tolist()
    [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]
    >>> inner = HeavyEdgeMatching(rating=GivenRating([1, 1, 9, 9, 1, 1]))
    >>> match(graph, inner).mate.tolist()
    [0, 2, 1, 3]
    >>> def fewest_members(graph):
    ...     u, v = graph.edge_index()
    ...     return -(graph.node_weights[u] + graph.node_weights[v])
    >>> HeavyEdgeMatching(rating=GivenRating(fewest_members)).rating
    GivenRating(fewest_members)
    """

    ratings: ArrayLike | Callable[[Graph], ArrayLike]

    def values(self, graph: Graph, constraints: Constraints) -> ArrayLike:
        return self.ratings(graph) if callable(self.ratings) else self.ratings

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> GivenRating:
        if callable(self.ratings):
            return self
        values = np.asarray(self.ratings, dtype=np.float64)
        rows, columns = parent[fine.rows()], parent[fine.indices]
        once = (fine.rows() < fine.indices) & (rows != columns)
        first = np.minimum(rows[once], columns[once])
        second = np.maximum(rows[once], columns[once])
        sums = np.bincount(
            entries_at(coarse, first, second),
            weights=values[once],
            minlength=coarse.num_entries,
        )
        # Added up for the upper triangle and mirrored, for sums of floats depend on their order.
        coarse_rows = coarse.rows()
        mirrored = entries_at(
            coarse,
            np.minimum(coarse_rows, coarse.indices),
            np.maximum(coarse_rows, coarse.indices),
        )
        return GivenRating(sums[mirrored])

    def __repr__(self) -> str:
        if callable(self.ratings):
            return f"GivenRating({getattr(self.ratings, '__name__', self.ratings)})"
        return f"GivenRating(array of {np.shape(self.ratings)})"


def entries_at(graph: Graph, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Positions of these entries, which must be stored."""
    n = graph.num_nodes
    keys = graph.rows().astype(np.int64) * n + graph.indices
    positions: np.ndarray = np.searchsorted(keys, rows.astype(np.int64) * n + columns)
    return positions


def _checked(values: ArrayLike, graph: Graph, name: str) -> np.ndarray:
    array = np.asarray(values).astype(np.float64)
    if array.shape != (graph.num_entries,):
        raise ValueError(
            f"{name} has ratings of shape {array.shape}, and the graph has {graph.num_entries} "
            "stored entries, two for an edge; see graph.edge_index()"
        )
    rows, columns = graph.rows(), graph.indices
    wrong = np.flatnonzero(~np.isfinite(array) & (rows != columns))
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"{name} rates the edge ({rows[at]}, {columns[at]}) as {array[at]}; "
            "ratings must be finite"
        )
    back = array[entries_at(graph, columns, rows)]
    wrong = np.flatnonzero((array != back) & (rows != columns))
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"{name} rates the edge ({rows[at]}, {columns[at]}) as {array[at]} and "
            f"({columns[at]}, {rows[at]}) as {back[at]}; give both directions the same"
        )
    return array


def _images(graph: Graph, mirror: np.ndarray) -> np.ndarray:
    """Position of the image of every entry."""
    return entries_at(graph, mirror[graph.rows()], mirror[graph.indices])
