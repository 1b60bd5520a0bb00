"""Other clusters of a body than heavy edge matching's, to see what good clusters are worth.

All have the body's left-right symmetry, which the methods behind them do not know. So only one half
of the body is clustered, and the other half is its mirror image. A cluster with vertices on the
middle line is its own image; those are made of a strip along the line, as wide as a cluster, by
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, dijkstra

from examples.hgn_pose.body.body_model import BodyModel
from multiscale_gcn import (
    CentroidalClusters,
    ClusteringMethod,
    FarthestPoints,
    Graph,
    Hierarchy,
    aggregate,
    as_graph,
    coarsen,
)
from multiscale_gcn.methods.compact.found import Found

Control = Literal["area", "farthest", "random", "scattered"]
"""area: compact clusters of equal surface; farthest: of what is nearest to points far from each
other; random: around random vertices, connected; scattered: of any vertices, connected or not."""

Maps = tuple[np.ndarray, np.ndarray]
"""Clusters of the nodes, then the clusters of these."""


def control_clusters(
    body: BodyModel, control: Control, seed: int, sizes: tuple[int, int]
) -> Hierarchy:
    """A body's mesh in clusters for comparison.

    Parameters
    ----------
    body : BodyModel
    control : Control
    seed : int
        Of ``random`` and ``scattered``.
    sizes : tuple of int
        Clusters of the coarser and of the finer level, both even.

    Returns
    -------
    Hierarchy
        Of the body's graph, symmetric on all three levels, if the body has a mirror.

    Examples
    --------
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> hierarchy = control_clusters(load_body(), "area", 0, (48, 96))
    >>> hierarchy.sizes
    (13348, 96, 48)
    >>> hierarchy.level(48).constraints.symmetry.shape
    (48,)
    """
    graph = body.graph()
    halves = _Halves.of(body, min(sizes))
    random = np.random.default_rng(seed)
    cluster: dict[Control, Callable[[_Part, tuple[int, int]], Maps]] = {
        "area": _compact,
        "farthest": _far_apart,
        "random": lambda part, counts: _around_random_nodes(part, counts, random),
        "scattered": lambda part, counts: _scattered(part, counts, random),
    }
    by_area = control in ("area", "farthest")
    counts = [halves.in_the_strip(size, by_area) for size in sorted(sizes, reverse=True)]
    fine, coarse = sorted(sizes, reverse=True)
    line, side = (counts[0], counts[1]), ((fine - counts[0]) // 2, (coarse - counts[1]) // 2)
    halves.strip.check(control, line, "the strip along the middle line")
    strip = cluster[control](halves.strip, line)
    half = None
    if halves.half.size:
        halves.half.check(control, side, "what is left of a half")
        half = cluster[control](halves.half, side)
    method = _Given(halves.joined(strip, half), f"{control} clusters, seed {seed}")
    return coarsen(graph, sizes=sizes, symmetry=body.mirror, method=method)


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of the body: its nodes are pairs of vertices that are each other's image."""

    nodes: np.ndarray
    """Which of all pairs."""
    graph: Graph
    """It weighs its area."""
    positions: np.ndarray  # [n, 3]
    begin: np.ndarray
    """Nodes around which a cluster and its mirror image are in one piece each, or are one piece."""

    @property
    def size(self) -> int:
        return len(self.nodes)

    def check(self, control: Control, counts: tuple[int, int], which: str) -> None:
        """Raises ValueError where it cannot have so many clusters."""
        fine, coarse = counts
        piece = connected_components(self.graph.to_scipy(), directed=False)[1]
        pieces = len(np.unique(piece)) if control in ("area", "random") else 1
        places, begun = self.size, pieces
        if control == "random":
            places, begun = len(self.begin), len(np.unique(piece[self.begin]))
        if not pieces == begun <= coarse <= fine <= places:
            raise ValueError(
                f"clusters = {control} cannot be made of this body: {which} shall have {fine} and "
                f"{coarse} clusters, and has {places} places for them in {pieces} pieces; take "
                "heavy_edge, or a body of more vertices on its middle line"
            )


@dataclass(frozen=True, eq=False)
class _Halves:
    """A body as a strip along its middle line and the half of what is left."""

    pair: np.ndarray
    """Of every vertex."""
    left: np.ndarray
    """Whether a vertex is the one of its pair."""
    strip: _Part
    half: _Part

    @classmethod
    def of(cls, body: BodyModel, clusters: int) -> _Halves:
        """The strip is as wide as a square of the area of a cluster."""
        vertices = body.rest_vertices
        n = len(vertices)
        mirror = np.arange(n) if body.mirror is None else body.mirror
        _, pair = np.unique(np.minimum(np.arange(n), mirror), return_inverse=True)
        pair = pair.reshape(-1)
        faces = SimpleNamespace(vertices=vertices, faces=body.faces)
        weighted = as_graph(faces, node_weights="area")
        edges = body.graph()
        graph = aggregate(
            Graph(edges.indptr, edges.indices, edges.weights, weighted.node_weights), pair
        )
        left = vertices[:, 0] > vertices[mirror, 0]
        # Of the two the left one; of vertices on the line each is its own image.
        first = np.empty(graph.num_nodes, dtype=np.int64)
        first[pair] = np.arange(n)
        first[pair[left]] = np.flatnonzero(left)
        positions = vertices[first]
        middle = np.unique(pair[mirror == np.arange(n)])
        width = np.sqrt(graph.node_weights.sum() / clusters)
        in_strip = _near(graph, positions, middle, width / 2)
        smallest = graph.node_weights.sum() / (4 * clusters)
        in_strip |= ~in_strip & _in_small_pieces(graph, ~in_strip, smallest)
        return cls(
            pair,
            left,
            _part(graph, positions, np.flatnonzero(in_strip), middle),
            _part(graph, positions, np.flatnonzero(~in_strip), np.flatnonzero(~in_strip)),
        )

    def in_the_strip(self, size: int, by_area: bool) -> int:
        """How many of so many clusters: its share, and an even number as the others come in pairs.

        Parameters
        ----------
        size : int
        by_area : bool
            Whether the share is that of the area, or that of the vertices.
        """
        if not self.half.size:
            return size
        strip, half = (
            float(part.graph.node_weights.sum()) if by_area else 2.0 * part.size
            for part in (self.strip, self.half)
        )
        share = size * strip / (strip + half)
        return min(max(2 * round(share / 2), 2), size - 2)

    def joined(self, strip: Maps, half: Maps | None) -> Maps:
        """Clusters of all vertices: of the strip, of the left, of the right."""
        of_pair = np.empty(self.strip.size + self.half.size, dtype=np.int64)
        of_pair[self.strip.nodes] = strip[0]
        if half is None:
            return of_pair[self.pair], strip[1]
        strips, sides = (int(maps[0].max()) + 1 for maps in (strip, half))
        of_pair[self.half.nodes] = strips + half[0]
        fine = of_pair[self.pair]
        fine += np.where((fine >= strips) & ~self.left, sides, 0)
        coarse_strips, coarse_sides = (int(maps[1].max()) + 1 for maps in (strip, half))
        left = coarse_strips + half[1]
        return fine, np.concatenate([strip[1], left, coarse_sides + left])


class _Given(Found):
    """Clusters that were found for all levels at once, and keep the symmetry."""

    honours: ClassVar[frozenset[str]] = frozenset({"symmetry"})


def _compact(part: _Part, counts: tuple[int, int]) -> Maps:
    return _by(CentroidalClusters(positions=part.positions), part, counts)


def _far_apart(part: _Part, counts: tuple[int, int]) -> Maps:
    return _by(FarthestPoints(part.positions), part, counts)


def _by(method: ClusteringMethod, part: _Part, counts: tuple[int, int]) -> Maps:
    hierarchy = coarsen(part.graph, sizes=counts, method=method)
    fine, coarse = (hierarchy.level(count).index for count in counts)
    return hierarchy.parent(0, fine), hierarchy.parent(fine, coarse)


def _around_random_nodes(part: _Part, counts: tuple[int, int], random: np.random.Generator) -> Maps:
    fine = _grown(part.graph, part.begin, counts[0], random)
    return fine, _grown(aggregate(part.graph, fine), np.arange(counts[0]), counts[1], random)


def _grown(graph: Graph, begin: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Every node with the nearest of random ones, at least one of them in every piece."""
    n = graph.num_nodes
    order = random.permutation(begin)
    edges = graph.to_scipy()
    piece = connected_components(edges, directed=False)[1]
    first = order[np.unique(piece[order], return_index=True)[1]]
    seeds = np.concatenate([first, order[~np.isin(order, first)]])[:count]
    entry = edges.tocoo()
    # About one step each, and none as long as another: so every node has one nearest seed.
    extra = random.random(n) / 20
    length = 1 + extra[entry.row] + extra[entry.col]
    steps = sp.csr_array((length, (entry.row, entry.col)), shape=(n, n))
    _, _, nearest = dijkstra(
        steps, directed=False, indices=seeds, min_only=True, return_predecessors=True
    )
    return np.searchsorted(np.sort(seeds), nearest)


def _scattered(part: _Part, counts: tuple[int, int], random: np.random.Generator) -> Maps:
    fine, coarse = counts
    return (
        random.permutation(np.arange(part.size) * fine // part.size),
        random.permutation(np.arange(fine) * coarse // fine),
    )


def _near(graph: Graph, positions: np.ndarray, middle: np.ndarray, most: float) -> np.ndarray:
    """Which nodes lie so near to the middle line, along the surface."""
    edges = graph.to_scipy().tocoo()
    length = np.linalg.norm(positions[edges.row] - positions[edges.col], axis=1)
    # An edge across the line joins a pair to itself, and has no length here.
    paths = sp.csr_array((length, (edges.row, edges.col)), shape=edges.shape)
    distance: np.ndarray = dijkstra(paths, directed=False, indices=middle, min_only=True)
    return distance <= most


def _in_small_pieces(graph: Graph, chosen: np.ndarray, smallest: float) -> np.ndarray:
    """Which nodes are in connected pieces of the chosen ones that weigh less than that."""
    kept = sp.diags_array(chosen.astype(float))
    piece = connected_components(kept @ graph.to_scipy() @ kept, directed=False)[1]
    weight = np.bincount(piece, weights=graph.node_weights)
    return weight[piece] < smallest


def _part(graph: Graph, positions: np.ndarray, nodes: np.ndarray, begin: np.ndarray) -> _Part:
    edges = graph.to_scipy().tocsr()[nodes][:, nodes]
    edges.setdiag(0)
    edges.eliminate_zeros()
    part = as_graph(edges, node_weights=graph.node_weights[nodes])
    return _Part(nodes, part, positions[nodes], np.searchsorted(nodes, begin))
