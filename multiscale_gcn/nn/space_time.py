"""Graphs in space and time: a graph at every frame of a clip, and edges from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph

MOST = 2**31 - 1


def spatio_temporal(graph: Any, frames: int, *, window: int = 1) -> Graph:
    """The graph of a clip: the given graph at every frame, each node tied to itself in time.

    With ``window=1`` this is the Cartesian product of the graph with a path of ``frames`` nodes,
    the graph of Yan et al. 2018 (ST-GCN). Node v of frame t has the id ``t * N + v``: features of
    shape [B, T, N, C] are those of the new graph as ``x.flatten(1, 2)``.

    Parameters
    ----------
    graph : Graph, or anything that as_graph takes
        With N nodes.
    frames : int
        T, from 1.
    window : int
        A node is tied to itself in so many frames before and behind, by edges of weight 1.

    Returns
    -------
    Graph
        T x N nodes. Weights of edges, self loops and nodes are those of the graph, at every frame.

    Raises
    ------
    ValueError
        If a number is not at least 1, if there are 2^31 nodes or more, or if the graph is none.
    TypeError
        For what ``as_graph`` does not take.

    See Also
    --------
    spatio_temporal_ids : the ids of its nodes
    KHopConv : neighbours of each distance by weights of their own

    Examples
    --------
    >>> import networkx as nx
    >>> spatio_temporal(nx.path_graph(17), frames=9)
    Graph(153 nodes, 280 edges)
    """
    import scipy.sparse as sp

    space = as_graph(graph)
    frames = whole_number(frames, "frames", least=1, most=MOST)
    window = whole_number(window, "window", least=1, most=MOST)
    n = space.num_nodes
    if frames * n > MOST:
        raise ValueError(f"frames = {frames} of {n} nodes each are {frames * n}, 2^31 or more")
    moments = np.arange(frames)
    apart = np.arange(1, min(window, frames - 1) + 1)
    first = np.concatenate([moments[:0], *(moments[:-step] for step in apart)])
    then = np.concatenate([moments[:0], *(moments[step:] for step in apart)])
    ends = (np.append(first, then), np.append(then, first))
    time = sp.csr_array((np.ones(2 * len(first)), ends), shape=(frames, frames))
    weights = sp.kron(sp.eye_array(frames), space.to_scipy(), format="csr")
    weights = (weights + sp.kron(time, sp.eye_array(n), format="csr")).tocsr()
    weights.sort_indices()
    return Graph(weights.indptr, weights.indices, weights.data, np.tile(space.node_weights, frames))


def spatio_temporal_ids(frames: int, num_nodes: int) -> np.ndarray:
    """Ids of the nodes of a :func:`spatio_temporal` graph, frame by frame.

    Parameters
    ----------
    frames : int
        T, from 1.
    num_nodes : int
        N, from 1, of the graph in space.

    Returns
    -------
    array of int64, shape (T, N)
        ``ids[t]`` are the nodes of a frame, ``ids[:, v]`` is a node on its way through time. The
        way back is ``numpy.divmod(ids, N)``: frame and node.

    Raises
    ------
    ValueError
        If a number is not at least 1, or there are 2^31 nodes or more.

    See Also
    --------
    spatio_temporal : a graph at every frame

    Examples
    --------
    >>> spatio_temporal_ids(3, 4)
    array([[ 0,  1,  2,  3],
           [ 4,  5,  6,  7],
           [ 8,  9, 10, 11]])

    A coarsening that keeps frames apart:

    >>> import networkx as nx
    >>> import numpy as np
    >>> from multiscale_gcn import coarsen
    >>> ids = spatio_temporal_ids(3, 4)
    >>> clip = spatio_temporal(nx.path_graph(4), 3)
    >>> hierarchy = coarsen(clip, sizes=[6], labels=np.divmod(ids.ravel(), 4)[0])
    >>> hierarchy.parent(0, -1).reshape(3, 4).tolist()
    [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]
    """
    frames = whole_number(frames, "frames", least=1, most=MOST)
    num_nodes = whole_number(num_nodes, "num_nodes", least=1, most=MOST)
    if frames * num_nodes > MOST:
        raise ValueError(
            f"frames = {frames} of {num_nodes} nodes each are {frames * num_nodes}, 2^31 or more"
        )
    return np.arange(frames * num_nodes, dtype=np.int64).reshape(frames, num_nodes)
