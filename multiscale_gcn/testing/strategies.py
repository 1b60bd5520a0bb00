"""Graphs to try a method on, drawn by hypothesis."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph

Shape = Literal["random", "star", "path", "grid", "mesh", "complete", "clusters", "edgeless"]
Weights = Literal["ties", "distinct", "wild"]
WEIGHTS: tuple[Weights, ...] = ("ties", "distinct", "wild")
SHAPES: tuple[Shape, ...] = (
    "random",
    "star",
    "path",
    "grid",
    "mesh",
    "complete",
    "clusters",
    "edgeless",
)


def weights(kind: Weights) -> st.SearchStrategy[float]:
    """Edge weights: from few values; all sorts; or over twenty decimal orders of magnitude.

    Parameters
    ----------
    kind : {"ties", "distinct", "wild"}

    Returns
    -------
    hypothesis.strategies.SearchStrategy of float

    See Also
    --------
    graphs : graphs to test with

    Examples
    --------
    >>> from hypothesis import given
    >>> from multiscale_gcn.testing import weights
    >>> @given(weights("wild"))
    ... def test(weight):
    ...     assert weight > 0
    >>> test()
    """
    if kind == "ties":
        return st.sampled_from([1.0, 2.0, 3.0])
    if kind == "distinct":
        return st.floats(0.01, 100.0)
    return st.floats(1e-10, 1e10)


@st.composite
def graphs(
    draw: st.DrawFn,
    max_nodes: int = 40,
    shapes: tuple[Shape, ...] = SHAPES,
    min_nodes: int = 0,
) -> Graph:
    """Graphs that break naive code: empty, stars, ties, disconnected, meshes, self loops.

    Parameters
    ----------
    max_nodes : int
    shapes : tuple
        Which families to draw from.
    min_nodes : int

    Returns
    -------
    hypothesis.strategies.SearchStrategy of Graph

    See Also
    --------
    weights : weights to test with
    assert_valid_hierarchy : whether levels follow each other

    Examples
    --------
    >>> from hypothesis import given
    >>> from multiscale_gcn import match
    >>> from multiscale_gcn.testing import assert_valid_matching, graphs
    >>> @given(graphs())
    ... def test(graph):
    ...     assert_valid_matching(graph, match(graph))
    >>> test()
    """
    n = draw(st.integers(min_nodes, max_nodes))
    ids = _edges(draw, draw(st.sampled_from(shapes)), n)
    if draw(st.booleans()):  # a numbering that does not follow the shape
        ids = np.array(draw(st.permutations(range(n))), dtype=np.int64)[ids]
    if n and draw(st.integers(0, 3)) == 0:
        loops = draw(st.lists(st.integers(0, n - 1), max_size=3))
        ids = np.concatenate([ids, np.array([loops, loops], dtype=np.int64)], axis=1)
    ids = np.unique(np.sort(ids, axis=0), axis=1)
    kind = draw(st.sampled_from(WEIGHTS))
    count = ids.shape[1]
    values = draw(st.lists(weights(kind), min_size=count, max_size=count))
    node_weights = None
    if draw(st.booleans()):
        node_weights = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    return as_graph(
        ids,
        kind="edge_index",
        weights=np.array(values, dtype=np.float64),
        node_weights=np.array(node_weights) if node_weights else None,
        num_nodes=n,
        symmetrize=True,
    )


def _edges(draw: st.DrawFn, shape: Shape, n: int) -> np.ndarray:  # [2, E]
    i = np.arange(n)
    if shape == "edgeless" or n < 2:
        pairs: Any = np.empty((2, 0))
    elif shape == "star":
        pairs = [np.zeros(n - 1), i[1:]]
    elif shape == "path":
        pairs = [i[:-1], i[1:]]
    elif shape == "complete":
        pairs = np.triu_indices(min(n, 12), 1)
    elif shape in ("grid", "mesh"):
        width = max(1, int(n**0.5))
        steps = (1, width) if shape == "grid" else (1, width, width + 1)
        pairs = np.concatenate(
            [[i[:-step], i[step:]] for step in steps if step < n],
            axis=1,
        )
        pairs = pairs[:, (pairs[1] - pairs[0] >= width) | (pairs[1] % width > 0)]
    else:
        node = st.integers(0, n - 1)
        if shape == "clusters":  # the ids of an edge agree modulo 3, so it is disconnected
            drawn = draw(st.lists(st.tuples(node, st.integers(1, 4)), max_size=2 * n))
            drawn = [(u, u + 3 * step) for u, step in drawn if u + 3 * step < n]
        else:
            drawn = draw(st.lists(st.tuples(node, node), max_size=3 * n))
            drawn = [(u, v) for u, v in drawn if u != v]
        pairs = np.array(drawn).reshape(-1, 2).T
    return np.asarray(pairs, dtype=np.int64)
