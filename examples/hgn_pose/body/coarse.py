"""A body's mesh, coarsened to the graphs that HGN works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.built_in import BuiltInBody, load_body
from examples.hgn_pose.body.controls import control_clusters
from multiscale_gcn import CoarseningStalled, HeavyEdgeMatching, Hierarchy, coarsen

MESH_SIZES = (48, 96)
"""Nodes of HGN's coarse graphs, in the order of its outputs."""

HEAVIEST = (1.5, 2.0, 3.0)
"""Vertices of a coarse node, relative to the mean on the coarsest level: no more than the first of
these that can be kept."""


PUBLISHED_REAL = (45, 83)
"""Nodes of the published graphs of 48 and 96 that stand for vertices; the others are padding."""

Clusters = Literal["heavy_edge", "area", "farthest", "random", "scattered"]
"""What the nodes of the coarse graphs are; all but the first are controls."""


@dataclass(frozen=True)
class CoarseGraphs:
    """Which coarse graphs of a body."""

    clusters: Clusters = "heavy_edge"
    seed: int = 0
    """Of random clusters."""
    sizes: tuple[int, int] = MESH_SIZES

    def of(self, body: BodyModel) -> Hierarchy:
        """A body's mesh coarsened so."""
        if self.clusters == "heavy_edge":
            return coarsen_body(body, self.sizes)
        return control_clusters(body, self.clusters, self.seed, self.sizes)


def coarse_body() -> tuple[BuiltInBody, Hierarchy]:
    """The built-in body, and its mesh coarsened to exactly 96 and 48 nodes.

    Examples
    --------
    >>> from examples.hgn_pose.body.coarse import coarse_body
    >>> body, hierarchy = coarse_body()
    >>> hierarchy.level(96).num_nodes, hierarchy.level(48).num_nodes
    (96, 48)
    >>> hierarchy.level(48).constraints.symmetry.shape
    (48,)
    """
    body = load_body()
    return body, coarsen_body(body)


def coarsen_body(body: BodyModel, sizes: tuple[int, int] = MESH_SIZES) -> Hierarchy:
    """A body's mesh coarsened to exactly 96 and 48 nodes, or to other sizes.

    By heavy edge matching that counts vertices, which gives hands, feet and face most of the nodes:
    the shipped weights were trained on these graphs. ``CentroidalClusters`` spreads nodes by
    surface, but knows no symmetry; see ``docs/geometry.md``.

    The hierarchy has the body's left-right symmetry on every level, if the body has a mirror. No
    node stands for more than 1.5 times the mean share of 48: vertices on the middle line merge only
    with each other or across it, and without that limit the last pairs would be heavy ones. Where
    no pair is left below the limit, which the built-in body does not meet, the next of ``HEAVIEST``
    holds.
    """
    graph = body.graph()
    for heaviest in HEAVIEST:
        limit = heaviest * graph.num_nodes / min(sizes)
        method = HeavyEdgeMatching(max_node_weight=limit)
        try:
            return coarsen(graph, sizes=sizes, symmetry=body.mirror, method=method)
        except CoarseningStalled:
            continue
    return coarsen(graph, sizes=sizes, symmetry=body.mirror)
