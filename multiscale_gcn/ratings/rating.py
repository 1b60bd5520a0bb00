"""What a rating is, and what it reads of the nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from multiscale_gcn.constraints import Constraints
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

    def entries(self, graph: Graph) -> np.ndarray:
        """What :meth:`edge` takes as the weight of each stored entry, shape (nnz,)."""
        return graph.weights

    def evaluated(self, graph: Graph, constraints: Constraints) -> Rating:
        """The rating for this graph alone, with everything computed that is not of one edge."""
        return self

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> Rating:
        """The rating of the next level: itself, unless it holds something of the nodes."""
        return self
