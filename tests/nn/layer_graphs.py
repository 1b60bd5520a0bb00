"""Graphs and patterns for the tests of the layers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.nn import GraphPattern
from multiscale_gcn.ops import Pattern


def random_graph(n: int, density: float, seed: int, weighted: bool = False) -> Graph:
    """Every pair, and every self loop, is there with the given probability."""
    generator = np.random.default_rng(seed)
    upper = np.triu(generator.random((n, n)) < density).astype(float)
    if weighted:
        upper *= generator.uniform(0.5, 4.0, (n, n))
    dense = upper + np.triu(upper, 1).T
    if not dense.any():
        return Graph(np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    return as_graph(dense)


def ring(n: int, reach: int = 1) -> Graph:
    """Every node is tied to the ``reach`` next ones on both sides."""
    steps = np.arange(1, reach + 1)
    nodes = np.arange(n)
    edges = [np.repeat(nodes, reach), (nodes[:, None] + steps).ravel() % n]
    return as_graph(np.array(edges), kind="edge_index", num_nodes=n, symmetrize=True)


def pattern_of(graph: Graph) -> Pattern:
    return GraphPattern(graph).entries


def neighbourhoods(graph: Graph) -> Tensor:
    """The dense pattern of A + I, from the graph itself, float64."""
    dense = graph.to_scipy().toarray() > 0
    np.fill_diagonal(dense, True)
    return torch.from_numpy(dense.astype(float))


def as_matrix(values: Tensor, graph: Graph) -> Tensor:
    """Values on the pattern, placed row by row where A + I is: [..., N, N]."""
    mask = neighbourhoods(graph) > 0
    matrix = values.new_zeros((*values.shape[:-1], *mask.shape))
    matrix[..., mask] = values
    return matrix
