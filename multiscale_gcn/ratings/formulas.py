"""Ratings that are a formula of the edge's weight and of its two ends: one table of them.

Each formula is written once. The specification evaluates it, and ``fused`` hands it to the kernels.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import ClassVar

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings.rating import Ids, NodeTerms, Numbers, Rating

TERMS = ("degree", "inverse_degree", "loop", "node_weight")
"""Of :class:`NodeTerms`. In a formula each has the end that it is of: degree_u, degree_v."""


class FormulaRating(Rating):
    """Base of the ratings that one formula says.

    Derive from it and write the formula, the same from either end, of ``weight`` and of the terms
    ``degree_u``, ``degree_v``, ``inverse_degree_u``, ``inverse_degree_v``, ``loop_u``, ``loop_v``,
    ``node_weight_u`` and ``node_weight_v``, with numbers, + - * /, parentheses and ``sqrt``.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import HeavyEdgeMatching, as_graph, match
    >>> from multiscale_gcn.ratings.formulas import FormulaRating
    >>> class Cosine(FormulaRating):
    ...     formula = "weight / sqrt(degree_u * degree_v)"
    >>> match(as_graph(nx.path_graph(4)), HeavyEdgeMatching(rating=Cosine())).mate.tolist()
    [1, 0, 3, 2]
    """

    formula: ClassVar[str]

    def edge(self, weight: Numbers, u: Ids, v: Ids, terms: NodeTerms) -> Numbers:
        code, names = _compiled(self.formula)
        values = {"weight": weight, "sqrt": np.sqrt}
        for name in names:
            term, _, end = name.rpartition("_")
            values[name] = getattr(terms, term)[u if end == "u" else v]
        return eval(code, {"__builtins__": {}}, values)

    def evaluated(self, graph: Graph, constraints: Constraints) -> Rating:
        return self if type(self) in FUSED else super().evaluated(graph, constraints)


@dataclass(frozen=True)
class EdgeWeight(FormulaRating):
    """The weight itself. It favours nodes that have merged before, since their edges add up.

    See Also
    --------
    NormalizedCut : w_uv (1 / d_u + 1 / d_v)
    NormalizedAssociation : (2 w_uv + w_uu + w_vv) / (d_u + d_v)
    InnerOuter : w_uv / (out_u + out_v)

    Examples
    --------
    >>> from multiscale_gcn import EdgeWeight, HeavyEdgeMatching
    >>> HeavyEdgeMatching(rating=EdgeWeight()).rating
    EdgeWeight()
    """

    formula: ClassVar[str] = "weight"


@dataclass(frozen=True)
class NormalizedCut(FormulaRating):
    """w_uv (1 / d_u + 1 / d_v), with weighted degrees d that count self loops.

    The gain in normalised cut of merging the two (Dhillon, Guan and Kulis, "Weighted graph cuts
    without eigenvectors", PAMI 2007). Merged nodes have large degrees, so they wait: levels stay
    balanced.

    See Also
    --------
    EdgeWeight : the weight itself
    NormalizedAssociation : (2 w_uv + w_uu + w_vv) / (d_u + d_v)
    InnerOuter : w_uv / (out_u + out_v)

    Examples
    --------
    >>> from multiscale_gcn import HeavyEdgeMatching
    >>> HeavyEdgeMatching().rating
    NormalizedCut()
    """

    formula: ClassVar[str] = "weight * (inverse_degree_u + inverse_degree_v)"


@dataclass(frozen=True)
class NormalizedAssociation(FormulaRating):
    """(2 w_uv + w_uu + w_vv) / (d_u + d_v): the share of the merged node's weight that is inner.

    The rating of the published implementation of HGN (Li et al., BMVC 2021).

    See Also
    --------
    EdgeWeight : the weight itself
    NormalizedCut : w_uv (1 / d_u + 1 / d_v)
    InnerOuter : w_uv / (out_u + out_v)

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import HeavyEdgeMatching, NormalizedAssociation, coarsen
    >>> method = HeavyEdgeMatching(rating=NormalizedAssociation())
    >>> coarsen(nx.path_graph(8), levels=2, method=method).sizes
    (8, 4, 2)
    """

    formula: ClassVar[str] = "(2.0 * weight + (loop_u + loop_v)) / (degree_u + degree_v)"


@dataclass(frozen=True)
class Expansion(FormulaRating):
    """w_uv / (c_u + c_v), with node weights c.

    Heavy nodes wait, so clusters stay about as heavy as each other.

    Source: Holtgrewe, Sanders and Schulz, "Engineering a scalable high quality graph partitioner",
    IPDPS 2010.

    See Also
    --------
    ExpansionStar : w_uv / (c_u c_v)
    ExpansionStar2 : w_uv^2 / (c_u c_v)
    EdgeWeight : the weight itself

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import Expansion, HeavyEdgeMatching, as_graph, match
    >>> path = as_graph(nx.path_graph(4), node_weights=[1, 1, 9, 9])
    >>> match(path, HeavyEdgeMatching(rating=Expansion())).mate.tolist()
    [1, 0, 3, 2]
    """

    formula: ClassVar[str] = "weight / (node_weight_u + node_weight_v)"


@dataclass(frozen=True)
class ExpansionStar(FormulaRating):
    """w_uv / (c_u c_v), with node weights c. Source: see :class:`~multiscale_gcn.Expansion`.

    See Also
    --------
    Expansion : w_uv / (c_u + c_v)
    ExpansionStar2 : w_uv^2 / (c_u c_v)
    EdgeWeight : the weight itself

    Examples
    --------
    >>> from multiscale_gcn import ExpansionStar, HeavyEdgeMatching
    >>> HeavyEdgeMatching(rating=ExpansionStar()).rating
    ExpansionStar()
    """

    formula: ClassVar[str] = "weight / (node_weight_u * node_weight_v)"


@dataclass(frozen=True)
class ExpansionStar2(FormulaRating):
    """w_uv^2 / (c_u c_v), with node weights c.

    On a mesh whose vertices weigh their area, ``as_graph(mesh, node_weights="area")``, clusters get
    about as much surface as each other.

    Source: Holtgrewe, Sanders and Schulz, "Engineering a scalable high quality graph partitioner",
    IPDPS 2010, expansion*2.

    See Also
    --------
    Expansion : w_uv / (c_u + c_v)
    ExpansionStar : w_uv / (c_u c_v)
    EdgeWeight : the weight itself

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import ExpansionStar2, HeavyEdgeMatching, coarsen
    >>> method = HeavyEdgeMatching(rating=ExpansionStar2())
    >>> coarsen(nx.path_graph(8), levels=2, method=method).sizes
    (8, 4, 2)
    """

    formula: ClassVar[str] = "(weight / node_weight_u) * (weight / node_weight_v)"


@dataclass(frozen=True)
class InnerOuter(FormulaRating):
    """w_uv / (out_u + out_v), with out the weight of all edges that leave a node.

    The share of their edges that merging the two makes inner ones. The source divides by out_u +
    out_v - 2 w_uv, which puts the edges in the same order, and is infinite between two nodes that
    have no other neighbours.

    Source: Holtgrewe, Sanders and Schulz, "Engineering a scalable high quality graph partitioner",
    IPDPS 2010.

    See Also
    --------
    EdgeWeight : the weight itself
    NormalizedCut : w_uv (1 / d_u + 1 / d_v)
    NormalizedAssociation : (2 w_uv + w_uu + w_vv) / (d_u + d_v)

    Examples
    --------
    >>> from multiscale_gcn import HeavyEdgeMatching, InnerOuter
    >>> HeavyEdgeMatching(rating=InnerOuter()).rating
    InnerOuter()
    """

    formula: ClassVar[str] = "weight / ((degree_u - loop_u) + (degree_v - loop_v))"


FUSED: tuple[type[FormulaRating], ...] = (EdgeWeight, NormalizedCut, NormalizedAssociation)
"""Those that kernels compute edge by edge, on the fly; all others reach them as values. The first
is the one that takes no term of the nodes; each reads the degree or its inverse, not both."""


def terms_read(formula: str) -> frozenset[str]:
    """Which of ``TERMS`` a formula reads."""
    return frozenset(name.rpartition("_")[0] for name in _compiled(formula)[1])


@cache
def _compiled(formula: str) -> tuple[CodeType, tuple[str, ...]]:
    """The formula ready to be evaluated, and the terms that it reads."""
    tree = ast.parse(formula, mode="eval")
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known = {f"{term}_{end}" for term in TERMS for end in "uv"}
    unknown = sorted(used - known - {"weight", "sqrt"})
    if unknown:
        raise ValueError(
            f"the formula {formula!r} reads {unknown[0]}, which is none of weight, "
            f"{', '.join(sorted(known))}; write a Rating with edge() for more"
        )
    return compile(tree, "<formula>", "eval"), tuple(sorted(used & known))
