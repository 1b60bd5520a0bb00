"""What a rating is, and what it reads of the nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings.values import checked_values, images

Ids = Any
"""One node id, or an array of them."""
Numbers = Any
"""One float, or an array of as many."""


@dataclass(frozen=True)
class NodeTerms:
    """What the ratings read of the nodes, shape (n,), float64.

    Attributes
    ----------
    degree : array
        Weighted degree: sum of the node's row, its self loop included.
    inverse_degree : array
        1 / degree; 0 where the degree is 0.
    loop : array
        Weight of the self loop, 0 without one.
    node_weight : array
        Weight of the node.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import as_graph
    >>> from multiscale_gcn.ratings import NodeTerms
    >>> NodeTerms.of(as_graph(nx.path_graph(3))).degree
    array([1., 2., 1.])
    """

    degree: np.ndarray
    inverse_degree: np.ndarray
    loop: np.ndarray
    node_weight: np.ndarray

    @classmethod
    def of(cls, graph: Graph) -> NodeTerms:
        n = graph.num_nodes
        degree, loop = np.zeros(n), np.zeros(n)
        for rows, entries in graph._by_rows():
            if len(rows) == 0:
                continue
            first, weights = int(rows[0]), graph.weights[entries]
            sums = np.bincount(rows - first, weights=weights)
            degree[first : first + len(sums)] = sums
            on_diagonal = rows == graph.indices[entries]
            loop[rows[on_diagonal]] = weights[on_diagonal]
        inverse = np.divide(1.0, degree, out=np.zeros(n), where=degree > 0)
        return cls(degree, inverse, loop, graph.node_weights)


class Rating(ABC):
    """A number for every edge; the matching takes the edges of the highest first.

    Derive from it to bring your own: :meth:`edge` is all that it takes, and every backend has it
    at once.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from multiscale_gcn import HeavyEdgeMatching, as_graph, match
    >>> from multiscale_gcn.ratings import Rating
    >>> class Cosine(Rating):
    ...     def edge(self, weight, u, v, terms):
    ...         return weight / np.sqrt(terms.degree[u] * terms.degree[v])
    >>> path = as_graph(nx.path_graph(4))
    >>> match(path, HeavyEdgeMatching(rating=Cosine())).mate.tolist()
    [1, 0, 3, 2]
    """

    @abstractmethod
    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        """The rating of the edge (u, v) with this weight; bit for bit that of (v, u).

        Parameters
        ----------
        weight : float, or array of float64
        u, v : int, or arrays of int
            The two ends.
        terms : NodeTerms

        Returns
        -------
        float, or array of as many
        """

    def values(self, graph: Graph, constraints: Constraints) -> ArrayLike:
        """The rating of every stored entry, in the order of ``graph.edge_index()``.

        What stands at self loops is not read.
        """
        terms = NodeTerms.of(graph)
        rated: ArrayLike = self.edge(graph.weights, graph.rows(), graph.indices, terms)
        return rated

    def entries(self, graph: Graph) -> np.ndarray:
        """What :meth:`edge` takes as the weight of each stored entry, shape (nnz,)."""
        return graph.weights

    def evaluated(self, graph: Graph, constraints: Constraints) -> Rating:
        """The rating for this graph alone, with all computed that no kernel computes itself.

        Under a symmetry an edge has the better of its own value and its image's.

        Raises
        ------
        ValueError
            If the values are of another shape, not finite, or differ between (u, v) and (v, u),
            naming the first edge.
        """
        with np.errstate(all="ignore"):  # what is not finite is refused with its place
            values = checked_values(self.values(graph, constraints), graph, repr(self))
        if constraints.symmetry is not None:
            values = np.maximum(values, values[images(graph, constraints.symmetry)])
        values.flags.writeable = False  # as the weights are, so that the same kernel takes them
        return Evaluated(values)

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> Rating:
        """The rating of the next level: itself, unless it holds something of the nodes."""
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True, eq=False)
class Evaluated(Rating):
    """The values of another rating, which backends take in place of the weights."""

    array: np.ndarray

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        return weight

    def entries(self, graph: Graph) -> np.ndarray:
        return self.array
