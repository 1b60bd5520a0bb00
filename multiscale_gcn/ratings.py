"""What makes an edge heavy: ratings, computed the same from either end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from multiscale_gcn.graph import Graph

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
    """

    degree: np.ndarray
    inverse_degree: np.ndarray
    loop: np.ndarray

    @classmethod
    def of(cls, graph: Graph) -> NodeTerms:
        n = graph.num_nodes
        rows = graph.rows()
        degree = np.bincount(rows, weights=graph.weights, minlength=n)
        on_diagonal = rows == graph.indices
        loop = np.zeros(n)
        loop[rows[on_diagonal]] = graph.weights[on_diagonal]
        inverse = np.divide(1.0, degree, out=np.zeros(n), where=degree > 0)
        return cls(degree, inverse, loop)


class Rating(ABC):
    """A number for every edge; the matching takes the edges of the highest first."""

    code: ClassVar[int]
    """By which the compiled kernels know the rating."""

    @abstractmethod
    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        """The rating of the edge (u, v) with this weight; bit for bit that of (v, u)."""


@dataclass(frozen=True)
class EdgeWeight(Rating):
    """The weight itself. It favours nodes that have merged before, since their edges add up.

    Examples
    --------
    >>> from multiscale_gcn import EdgeWeight, HeavyEdgeMatching
    >>> HeavyEdgeMatching(rating=EdgeWeight()).rating
    EdgeWeight()
    """

    code: ClassVar[int] = 0

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        return weight


@dataclass(frozen=True)
class NormalizedCut(Rating):
    """w_uv (1 / d_u + 1 / d_v), with weighted degrees d that count self loops.

    The gain in normalised cut of merging the two (Dhillon, Guan and Kulis, "Weighted graph cuts
    without eigenvectors", PAMI 2007). Merged nodes have large degrees, so they wait: levels stay
    balanced.
    """

    code: ClassVar[int] = 1

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        return weight * (terms.inverse_degree[u] + terms.inverse_degree[v])


@dataclass(frozen=True)
class NormalizedAssociation(Rating):
    """(2 w_uv + w_uu + w_vv) / (d_u + d_v): the share of the merged node's weight that is inner.

    The rating of the published implementation of HGN (Li et al., BMVC 2021).
    """

    code: ClassVar[int] = 2

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        inner = 2.0 * weight + (terms.loop[u] + terms.loop[v])
        return inner / (terms.degree[u] + terms.degree[v])
