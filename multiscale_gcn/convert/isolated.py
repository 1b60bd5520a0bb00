"""Nodes without edges: told where nobody may have meant them, and dropped on request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.graph import Graph


class UnreferencedNodes(UserWarning):
    """Vertices of a mesh that nothing names, or gaps in the ids of edges, are isolated nodes.

    Not told where ``num_nodes`` was said, nor for matrices and graphs of other libraries, which
    say how many nodes they have. :func:`drop_isolated` takes isolated nodes away.

    Examples
    --------
    >>> import warnings
    >>> from multiscale_gcn import UnreferencedNodes
    >>> warnings.simplefilter("ignore", UnreferencedNodes)
    """


@dataclass(frozen=True)
class Unreferenced:
    """What the warning says."""

    first: int
    number: int
    num_nodes: int
    what: str
    remedy: str

    @classmethod
    def among(cls, ids: np.ndarray, num_nodes: int, what: str, remedy: str) -> Unreferenced | None:
        missing = np.ones(num_nodes, dtype=np.bool_)
        missing[ids] = False
        number = int(np.count_nonzero(missing))
        return cls(int(missing.argmax()), number, num_nodes, what, remedy) if number else None

    def __str__(self) -> str:
        from_one = " (do the ids count from 1?)" if (self.first, self.number) == (0, 1) else ""
        return (
            f"{self.number} of {self.num_nodes} {self.what}, the first is {self.first}{from_one}; "
            f"they are isolated nodes, which drop_isolated(graph) takes away: {self.remedy}"
        )


def drop_isolated(graph: Graph) -> tuple[Graph, np.ndarray]:
    """The graph without the nodes that have no edge, and the nodes that stay.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    graph : Graph
        The nodes that stay keep their order. A node with a self loop stays.
    kept : array of int64, shape (m,)
        Number in the given graph of every node that stays: ``values[kept]`` are its values.

    Raises
    ------
    TypeError
        For anything but a ``Graph``.

    See Also
    --------
    as_graph : reads graphs, meshes, matrices, frames and files
    weld_map : which vertices lie at one position

    Examples
    --------
    >>> from multiscale_gcn import as_graph
    >>> from multiscale_gcn.convert import drop_isolated
    >>> graph = as_graph([(1, 4)], kind="edge_list", symmetrize=True, num_nodes=5)
    >>> drop_isolated(graph)
    (Graph(2 nodes, 1 edges), array([1, 4]))
    """
    if not isinstance(graph, Graph):
        raise TypeError(
            f"drop_isolated takes a Graph, got {type(graph).__name__}; as_graph(...) makes one"
        )
    stays = np.diff(graph.indptr) > 0
    kept = np.flatnonzero(stays).astype(np.int64)
    number = np.cumsum(stays) - 1
    smaller = Graph._of_valid(
        np.concatenate([graph.indptr[:1], graph.indptr[1:][stays]]),
        number[graph.indices].astype(graph.indices.dtype),
        graph.weights,
        graph.node_weights[kept],
        graph.quantum,
        None if graph.names is None else tuple(graph.names[u] for u in kept),
    )
    return smaller, kept
