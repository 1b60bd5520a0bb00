"""Nodes with like features merge first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings.entries import EntryRating


@dataclass(frozen=True, eq=False, repr=False)
class InnerProduct(EntryRating):
    """<f_u, f_v>: the inner product of the features of the two ends.

    With rows of norm 1 it is their cosine similarity; normals of a mesh make flat parts merge
    first.

    Parameters
    ----------
    features : array of float, shape (n, C)
        Of the nodes of the finest graph.
    restriction : {"mean", "weighted_mean"}
        How coarse nodes get theirs: the mean of their children's, or the mean by node weight.

    Raises
    ------
    ValueError
        If ``features`` are no matrix, or ``restriction`` is neither; when it is run, if they are
        of another graph.

    See Also
    --------
    AlgebraicDistance : how alike relaxation makes two nodes
    GivenRating : numbers of your own
    EdgeWeight : the weight itself

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import HeavyEdgeMatching, InnerProduct, coarsen
    >>> colours = [[1, 0], [0, 1], [0, 1], [1, 0]]
    >>> method = HeavyEdgeMatching(rating=InnerProduct(colours))
    >>> coarsen(nx.cycle_graph(4), levels=1, method=method).parent(0, 1).tolist()
    [0, 1, 1, 0]
    """

    features: ArrayLike
    restriction: Literal["mean", "weighted_mean"] = "mean"

    def __post_init__(self) -> None:
        features = real_array(self.features, "features").astype(np.float64)
        if features.ndim != 2:
            raise ValueError(f"features has shape {features.shape}, expected (n, C)")
        one_of(self.restriction, "restriction", ("mean", "weighted_mean"))
        object.__setattr__(self, "features", features)

    def values(self, graph: Graph, constraints: Constraints) -> np.ndarray:
        features = np.asarray(self.features)
        if len(features) != graph.num_nodes:
            raise ValueError(
                f"features has {len(features)} rows, and the graph has {graph.num_nodes} nodes"
            )
        u, v = graph.rows(), graph.indices
        total = np.zeros(graph.num_entries)
        for channel in features.T:  # one after the other: the sum is the same on every machine
            total += channel[u] * channel[v]
        return total

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> InnerProduct:
        weights = fine.node_weights if self.restriction == "weighted_mean" else np.ones(len(parent))
        total = np.bincount(parent, weights=weights)
        features = np.asarray(self.features)
        columns = [np.bincount(parent, weights=weights * c) / total for c in features.T]
        return replace(self, features=np.array(columns).T.reshape(len(total), -1))

    def __repr__(self) -> str:
        option = "" if self.restriction == "mean" else f", restriction={self.restriction!r}"
        return f"InnerProduct(features of {np.shape(self.features)}{option})"
