"""Ratings that are a formula of the edge's weight and of its two ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from multiscale_gcn.ratings.rating import Ids, NodeTerms, Numbers, Rating


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
