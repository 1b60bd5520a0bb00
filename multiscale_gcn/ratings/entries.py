"""Ratings that are one number for every stored entry, wherever it comes from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings.rating import Ids, NodeTerms, Numbers, Rating
from multiscale_gcn.ratings.values import entries_at


class EntryRating(Rating):
    """Base of the ratings that look at more than an edge and its two ends.

    Derive from it and write :meth:`values`; every backend has it at once.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from multiscale_gcn import HeavyEdgeMatching, as_graph, match
    >>> from multiscale_gcn.ratings import EntryRating
    >>> class NearIds(EntryRating):
    ...     def values(self, graph, constraints):
    ...         rows, columns = graph.edge_index()
    ...         return -np.abs(rows - columns)
    >>> match(as_graph(nx.cycle_graph(4)), HeavyEdgeMatching(rating=NearIds())).mate.tolist()
    [1, 0, 3, 2]
    """

    @abstractmethod
    def values(self, graph: Graph, constraints: Constraints) -> ArrayLike:
        """See :meth:`Rating.values`. In a batch those of a member must not depend on the others."""

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        return weight


@dataclass(frozen=True, eq=False, repr=False)
class GivenRating(EntryRating):
    """A rating of your own: an array for the finest graph, or a function of any graph.

    Parameters
    ----------
    ratings : array of float, shape (nnz,), or callable
        One number for every stored entry of the graph, in the order of ``graph.edge_index()``; on
        coarser levels parallel edges add up their ratings. Or a function that takes a
        :class:`~multiscale_gcn.Graph` and returns such an array; it is called at every level.

    See Also
    --------
    AlgebraicDistance : how alike relaxation makes two nodes
    InnerProduct : how alike features of nodes are
    EdgeWeight : the weight itself

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
        values = real_array(self.ratings, "ratings").astype(np.float64)
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
