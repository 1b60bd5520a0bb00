"""From a graph and its clusters to the coarser graph: P^T A P."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.arrays import integer_array, plain_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.matching import Matching


def contract(
    graph: Graph, matching: Matching, *, backend: str = "auto"
) -> tuple[Graph, np.ndarray]:
    """Merge the pairs of a matching.

    The coarse weight matrix is P^T A P, where P is the 0-1 matrix of ``parent``: parallel edges
    add up, and what lies inside a pair becomes a self loop of twice the edge's weight, since both
    directions of it are entries of A. So the total weight is conserved. Node weights add up.

    Parameters
    ----------
    graph : Graph
        Its weights are made exact first, see :func:`~multiscale_gcn.round_weights`.
    matching : Matching
        Of this graph.
    backend : str
        See :func:`~multiscale_gcn.select_backend`; all return the same arrays.

    Returns
    -------
    coarse : Graph
        Its nodes are numbered by the first member of each pair.
    parent : array of int, shape (n,)
        The coarse node of every node.

    Raises
    ------
    ValueError
        If the matching is of another number of nodes.
    TypeError
        If ``graph`` is no :class:`Graph`, or ``matching`` no :class:`Matching`.
    BackendUnavailable
        If the backend cannot run here.

    See Also
    --------
    match : the pairs of one step
    aggregate : the coarse graph of any clusters

    Examples
    --------
    >>> from multiscale_gcn import Graph, contract, match
    >>> path = Graph([0, 1, 3, 5, 6], [1, 0, 2, 1, 3, 2])
    >>> coarse, parent = contract(path, match(path))
    >>> parent.tolist(), coarse.to_scipy().toarray().tolist()
    ([0, 0, 1, 1], [[2.0, 1.0], [1.0, 2.0]])
    """
    graph, _ = round_weights(graph)
    if not isinstance(matching, Matching):
        raise TypeError(f"matching = {shown(matching)} must be a Matching; match(graph) makes one")
    if matching.num_nodes != graph.num_nodes:
        raise ValueError(
            f"matching is of {matching.num_nodes} nodes, the graph has {graph.num_nodes}"
        )
    return merged_pairs(graph, matching, backend)


def aggregate(graph: Graph, parent: ArrayLike, *, backend: str = "auto") -> Graph:
    """Merge clusters of any size: the Galerkin product P^T A P as in :func:`contract`.

    Parameters
    ----------
    graph : Graph
    parent : array of int, shape (n,)
        Cluster of every node; every number from 0 to the largest must occur.
    backend : str
        See :func:`~multiscale_gcn.select_backend`.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        If ``parent`` has another length, or leaves out a number.
    TypeError
        If ``graph`` is no :class:`Graph`, or ``parent`` no array.
    BackendUnavailable
        If the backend cannot run here.

    See Also
    --------
    contract : the coarse graph of a matching
    coarsen : all levels at once

    Examples
    --------
    >>> from multiscale_gcn import Graph, aggregate
    >>> aggregate(Graph([0, 1, 3, 4], [1, 0, 2, 1]), [0, 0, 0]).weights.tolist()
    [4.0]
    """
    graph, _ = round_weights(graph)
    return galerkin_product(graph, valid_parents(parent, graph), backend)


def merged_pairs(graph: Graph, matching: Matching, backend: str) -> tuple[Graph, np.ndarray]:
    """:func:`contract` of exact weights and a matching of this graph: for algorithms."""
    coarse, parent = engine_for(backend).contract(graph, matching)
    return _as_exact(coarse, graph), parent


def galerkin_product(graph: Graph, parent: np.ndarray, backend: str) -> Graph:
    """P^T A P of exact weights and a parent map that are known to be valid: for algorithms."""
    num_coarse = int(parent.max(initial=-1)) + 1
    return _as_exact(engine_for(backend).aggregate(graph, parent, num_coarse), graph)


def _as_exact(coarse: Graph, graph: Graph) -> Graph:
    """With the quantum of the graph that it was made of."""
    return coarse if coarse.quantum == graph.quantum else coarse._with_quantum(graph.quantum)


def valid_parents(parents: ArrayLike, graph: Graph) -> np.ndarray:
    """The cluster of every node as an array of the ids' type, checked."""
    given = plain_array(parents, "parent")
    if given.shape != (graph.num_nodes,):
        raise ValueError(f"parent has shape {given.shape}, expected ({graph.num_nodes},)")
    if len(given) == 0:
        return np.zeros(0, graph.indices.dtype)
    parent = integer_array(given, "parent")
    if parent.min() < 0:
        at = int(np.argmax(parent < 0))
        raise ValueError(f"parent[{at}] = {parent[at]} is negative; number clusters from 0")
    occurs = np.zeros(len(parent), dtype=np.bool_)  # a larger number would leave a gap anyway
    occurs[parent[parent < len(parent)]] = True
    if parent.max() >= len(parent) or not occurs[: parent.max() + 1].all():
        raise ValueError(
            f"no node has parent {np.argmin(occurs)}; number the clusters without gaps "
            "(numpy.unique(parent, return_inverse=True)[1] does)"
        )
    return parent.astype(graph.indices.dtype)
