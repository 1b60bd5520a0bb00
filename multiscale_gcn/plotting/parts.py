"""What pictures of hierarchies share: levels, places of nodes, colours and borders of clusters."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import items
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.convert import to_networkx
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy

LARGEST_LAYOUT = 1000
"""Up to so many nodes a layout is computed where no positions are given."""
MOST_PANELS = 50
"""Levels that one figure shows."""
LARGEST_SEED = 2**32 - 1
"""Of the layout."""
INK = (0.13, 0.14, 0.17)
PAPER = (1.0, 1.0, 1.0)


def chosen_levels(hierarchy: Hierarchy, levels: Iterable[int] | None, most: int) -> list[int]:
    """Those that are named, or up to ``most``, from the second to the coarsest."""
    if levels is not None:
        chosen = [
            hierarchy[index].index for index in islice(items(levels, "levels"), MOST_PANELS + 1)
        ]
        if not 1 <= len(chosen) <= MOST_PANELS:
            raise ValueError(
                f"levels names {len(chosen)} levels or more; name from 1 to {MOST_PANELS}"
                if chosen
                else "levels is empty; name at least one"
            )
        return chosen
    last = len(hierarchy) - 1
    return sorted({round(x) for x in np.linspace(min(1, last), last, most)})


def places(
    graph: Graph, positions: ArrayLike | None, seed: int, axes: int
) -> np.ndarray:  # [n, 2 or 3]
    """Positions that were checked, or a layout of springs in so many axes."""
    n = graph.num_nodes
    if n == 0:
        raise ValueError("the graph has no nodes; there is nothing to draw")
    if positions is None:
        if n > LARGEST_LAYOUT:
            raise ValueError(
                f"the graph has {n} nodes, and a layout is computed for {LARGEST_LAYOUT} at most; "
                "give positions"
            )
        import networkx as nx

        layout = nx.spring_layout(to_networkx(graph), seed=seed, iterations=200, dim=axes)
        return np.array([layout[u] for u in range(n)])
    points = real_array(positions, "positions").astype(np.float64)
    if points.ndim != 2 or points.shape[0] != n or points.shape[1] not in (2, 3):
        raise ValueError(f"positions has shape {points.shape}, expected ({n}, 2) or ({n}, 3)")
    if not np.isfinite(points).all():
        at = int(np.argmin(np.isfinite(points).all(axis=1)))
        raise ValueError(f"positions[{at}] = {points[at].tolist()} must be finite")
    return points


def cluster_colours(coarse: Graph) -> np.ndarray:  # [n_coarse, 3]
    """A colour for every cluster, another one than those of its neighbours.

    Going through the clusters, each takes the colour that its neighbours, and then all others,
    have used least. Up to 24 clusters have a colour of their own, more share a dozen.
    """
    count = coarse.num_nodes if coarse.num_nodes <= 24 else 12
    palette = np.array([bright(0.618 * i, i % 3) for i in range(count)])
    chosen = np.full(coarse.num_nodes, -1)
    used = np.zeros(len(palette), dtype=np.int64)
    for u in np.argsort(-coarse.degrees(), kind="stable"):
        row = coarse.indices[coarse.indptr[u] : coarse.indptr[u + 1]]
        near = np.bincount(chosen[row][chosen[row] >= 0], minlength=len(palette))
        best = int(np.lexsort((used, near))[0])
        chosen[u] = best
        used[best] += 1
    colours: np.ndarray = palette[chosen]
    return colours


def bright(hue: float, shade: int = 0) -> tuple[float, float, float]:
    return colorsys.hls_to_rgb(hue % 1.0, (0.56, 0.68, 0.45)[shade], (0.68, 0.72, 0.55)[shade])


def edges_once(graph: Graph) -> np.ndarray:  # [E, 2]
    rows = graph.rows()
    once = rows < graph.indices
    return np.stack([rows[once], graph.indices[once]], axis=1)


def merged_edges(
    graph: Graph, parent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # [E, 2], [E], [n]
    """Edges, whether each lies within a cluster, and the nodes that merged without such an edge."""
    edges = edges_once(graph)
    inside = parent[edges[:, 0]] == parent[edges[:, 1]]
    stray = np.bincount(parent)[parent] > 1
    stray[edges[inside].reshape(-1)] = False
    return edges, inside, stray


def crisp(
    faces: np.ndarray,  # [F, 3]
    points: np.ndarray,  # [n, 2 or 3]
    parent: np.ndarray,  # [n]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mesh cut along the borders of its clusters.

    Of a triangle across a border each corner gets what is nearest to it.

    Returns
    -------
    polygons : float64 array, shape (P, 4, 2 or 3)
        Those of three corners have the last one twice.
    cluster, face : int64 arrays, shape (P,)
        Of each polygon.
    """
    corners, owner = points[faces], parent[faces]
    whole = (owner == owner[:, :1]).all(axis=1)
    pure, split = corners[whole], corners[~whole]
    middle = split.mean(axis=1)
    shares = [pure[:, [0, 1, 2, 2]]]
    for k in range(3):
        own, after, before = split[:, k], split[:, (k + 1) % 3], split[:, (k + 2) % 3]
        shares.append(np.stack([own, (own + after) / 2, middle, (own + before) / 2], axis=1))
    cluster = np.concatenate([owner[whole, 0], *(owner[~whole, k] for k in range(3))])
    face = np.concatenate([np.flatnonzero(whole), *[np.flatnonzero(~whole)] * 3])
    return np.concatenate(shares), cluster, face


def cluster_means(points: np.ndarray, parent: np.ndarray) -> np.ndarray:  # [n_coarse, 2 or 3]
    """The mean place of the members of every cluster."""
    members = np.bincount(parent)
    return np.stack([np.bincount(parent, weights=axis) / members for axis in points.T], axis=1)
