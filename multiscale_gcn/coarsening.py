"""Step by step from a graph to its hierarchy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from multiscale_gcn.contraction import contract
from multiscale_gcn.convert import as_graph
from multiscale_gcn.exact import round_weights
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy, Level
from multiscale_gcn.matching import HeavyEdgeMatching, MatchingMethod, match


class CoarseningStalled(RuntimeError):
    """No two nodes may merge any more, and the size that was asked for is not reached.

    Attributes
    ----------
    hierarchy : Hierarchy
        What was reached.
    """

    def __init__(self, message: str, hierarchy: Hierarchy) -> None:
        super().__init__(message)
        self.hierarchy = hierarchy


def coarsen(
    graph: Any,
    *,
    sizes: Iterable[int] | None = None,
    levels: int | None = None,
    min_nodes: int | None = None,
    method: MatchingMethod | None = None,
    backend: str = "auto",
) -> Hierarchy:
    """Coarsen a graph to a hierarchy, each level about half the size of the one before.

    Say how far with ``sizes``, or with ``levels``, ``min_nodes`` or both of these, whichever
    comes first.

    Parameters
    ----------
    graph
        Anything that :func:`~multiscale_gcn.as_graph` takes. Its weights are made exact first,
        see :func:`~multiscale_gcn.round_weights`; ``hierarchy.rounding`` tells what that changed.
    sizes : iterable of int, optional
        Numbers of nodes that levels must have exactly. A step that would overshoot the next of
        them marries only as many pairs as it takes, those of the smallest merged node weight
        first. The levels in between are kept too.
    levels : int, optional
        Number of steps.
    min_nodes : int, optional
        No step is taken to fewer nodes.
    method : MatchingMethod, optional
        ``HeavyEdgeMatching()`` by default, which rates edges by normalised cut.
    backend : {"auto", "numba", "python"}
        All return the same hierarchy, bit for bit.

    Returns
    -------
    Hierarchy

    Raises
    ------
    ValueError
        Before any work, if a size cannot be reached, or for bad input.
    CoarseningStalled
        If constraints of the method leave no pair before the sizes or levels are reached. It
        carries the partial hierarchy.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> coarsen(nx.path_graph(100), sizes=[30, 10]).sizes
    (100, 50, 30, 17, 10)
    >>> coarsen(nx.path_graph(100), min_nodes=10).sizes
    (100, 50, 25, 13)
    """
    method = HeavyEdgeMatching() if method is None else method
    fine, rounding = round_weights(as_graph(graph))
    targets = _targets(fine, sizes, levels, min_nodes, method)
    done: list[Level] = []

    def hierarchy() -> Hierarchy:
        return Hierarchy((*done, Level(len(done), fine, None)), _describe(method), rounding)

    while targets or sizes is None:
        if targets and targets[0] == fine.num_nodes:
            targets.pop(0)
            continue
        if levels is not None and len(done) == levels:
            break
        max_pairs = fine.num_nodes - targets[0] if targets else None
        matching = match(fine, method, max_pairs=max_pairs, backend=backend)
        if min_nodes is not None and fine.num_nodes - matching.num_pairs < min_nodes:
            break
        if matching.num_pairs == 0:
            if sizes is None and levels is None:
                break
            goal = f"{targets[0]} nodes" if targets else f"{levels} levels"
            raise CoarseningStalled(
                f"coarsening stalled at {fine.num_nodes} nodes after {len(done)} levels, short of "
                f"{goal}: no two nodes may merge under {_describe(method)}; loosen the method's "
                "constraints or ask for less",
                hierarchy(),
            )
        coarse, parent = contract(fine, matching, backend=backend)
        done.append(Level(len(done), fine, parent))
        fine = coarse
    return hierarchy()


def _targets(
    graph: Graph,
    sizes: Iterable[int] | None,
    levels: int | None,
    min_nodes: int | None,
    method: MatchingMethod,
) -> list[int]:
    """The sizes still to reach, largest first."""
    if sizes is None:
        if levels is None and min_nodes is None:
            raise ValueError("say how far to coarsen: sizes, levels or min_nodes")
        if levels is not None and levels < 0:
            raise ValueError(f"levels = {levels} must not be negative")
        if min_nodes is not None and min_nodes < 0:
            raise ValueError(f"min_nodes = {min_nodes} must not be negative")
        return []
    if levels is not None or min_nodes is not None:
        raise ValueError("sizes does not go with levels or min_nodes; leave those out")
    targets = sorted(set(sizes), reverse=True)
    if not targets:
        raise ValueError("sizes is empty; name at least one number of nodes")
    for size in targets:
        if not 1 <= size <= graph.num_nodes:
            raise ValueError(
                f"sizes has {size}, and the graph {graph.num_nodes} nodes; a coarser graph has "
                "from 1 node to as many"
            )
    if method.isolated == "keep":
        components = _num_components(graph)
        if targets[-1] < components:
            raise ValueError(
                f"sizes has {targets[-1]}, and the graph {components} components, which "
                "isolated='keep' never merges; use isolated='pair' or ask for more nodes"
            )
    return targets


def _num_components(graph: Graph) -> int:
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    n = graph.num_nodes
    matrix = sp.csr_array((graph.weights, graph.indices, graph.indptr), shape=(n, n))
    return int(connected_components(matrix, directed=False, return_labels=False))


def _describe(method: MatchingMethod) -> str:
    """The method's constructor call, without the options that have their default value."""
    default = type(method)()
    always = ("rating", "seed")
    options = ", ".join(
        f"{name}={value!r}"
        for name, value in vars(method).items()
        if name in always or value != getattr(default, name)
    )
    return f"{type(method).__name__}({options})"
