"""What must hold of every result."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.contraction import aggregate
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.matching import Matching, PairKind


def assert_valid_matching(graph: Graph, matching: Matching) -> None:
    """Each node in at most one pair; edge pairs are edges, two-hop ones share a neighbour.

    Parameters
    ----------
    graph : Graph
    matching : Matching
        Of this graph.

    Raises
    ------
    AssertionError
        Naming the first node for which it does not hold.

    See Also
    --------
    assert_valid_hierarchy : whether levels follow each other

    Examples
    --------
    >>> from multiscale_gcn import Graph, match
    >>> from multiscale_gcn.testing import assert_valid_matching
    >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
    >>> assert_valid_matching(path, match(path))
    """
    n = graph.num_nodes
    assert matching.mate.shape == matching.kind.shape == (n,), "wrong number of nodes"
    neighbours = [
        set(graph.indices[graph.indptr[u] : graph.indptr[u + 1]].tolist()) - {u} for u in range(n)
    ]
    for u, (v, kind) in enumerate(zip(matching.mate, matching.kind, strict=True)):
        assert 0 <= v < n, f"the mate of node {u} is {v}, which is no node"
        assert matching.mate[v] == u, f"node {u} has mate {v}, whose mate is {matching.mate[v]}"
        assert matching.kind[v] == kind, f"the pair ({u}, {v}) has two kinds"
        if kind == PairKind.SINGLE:
            assert v == u, f"node {u} is single and has mate {v}"
            continue
        assert v != u, f"node {u} is its own mate and not single"
        if kind == PairKind.EDGE:
            assert v in neighbours[u], f"no edge joins the edge pair ({u}, {v})"
        elif kind == PairKind.TWO_HOP:
            assert neighbours[u] & neighbours[v], f"({u}, {v}) share no neighbour"
        else:
            assert kind == PairKind.ISOLATED, f"node {u} has unknown kind {kind}"
            assert not neighbours[u], f"node {u} is paired as isolated and has neighbours"


def assert_valid_hierarchy(hierarchy: Hierarchy, *, contraction: bool = True) -> None:
    """Each level is P^T A P of the one before, every coarse node has members, weights are kept.

    Parameters
    ----------
    hierarchy : Hierarchy
    contraction : bool
        Without it, coarse graphs may have edges of their own; their nodes weigh what belongs to
        them all the same.

    Raises
    ------
    AssertionError
        Naming the first level for which it does not hold.

    See Also
    --------
    assert_valid_matching : whether pairs are a matching

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.testing import assert_valid_hierarchy
    >>> assert_valid_hierarchy(coarsen(nx.cycle_graph(12), levels=2))
    """
    for level, coarser in zip(hierarchy.levels[:-1], hierarchy.levels[1:], strict=True):
        k = coarser.index
        assert coarser.index == level.index + 1, f"level {k} does not follow {level.index}"
        assert level.parent is not None, f"level {level.index} has no parent map"
        assert level.parent.shape == (level.num_nodes,), f"level {k}: parent map of wrong length"
        expected = aggregate(level.graph, level.parent, backend="python")
        if contraction:
            assert coarser.graph == expected, f"level {k} is not P^T A P of level {level.index}"
            assert np.array_equal(_totals(coarser), _totals(level)), f"level {k} lost weight"
        assert np.array_equal(coarser.graph.node_weights, expected.node_weights), (
            f"nodes of level {k} do not weigh what belongs to them"
        )
        Graph(
            coarser.graph.indptr,
            coarser.graph.indices,
            coarser.graph.weights,
            coarser.graph.node_weights,
        )
    assert hierarchy[-1].parent is None, "the coarsest level has a parent map"


def _totals(level: Level) -> np.ndarray:
    """Total weight of each member of the batch: sums are exact within a member."""
    member = level.constraints.member(level.num_nodes)
    return np.bincount(member[level.graph.rows()], weights=level.graph.weights)
