"""A body's mesh, coarsened to the graphs that HGN works on."""

from __future__ import annotations

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.built_in import BuiltInBody, load_body
from multiscale_gcn import CoarseningStalled, HeavyEdgeMatching, Hierarchy, coarsen

MESH_SIZES = (48, 96)
"""Nodes of HGN's coarse graphs, in the order of its outputs."""

HEAVIEST = (1.5, 2.0, 3.0)
"""Vertices of a coarse node, relative to the mean on the coarsest level: no more than the first of
these that can be kept."""


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


def coarsen_body(body: BodyModel) -> Hierarchy:
    """A body's mesh coarsened to exactly 96 and 48 nodes.

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
        limit = heaviest * graph.num_nodes / min(MESH_SIZES)
        method = HeavyEdgeMatching(max_node_weight=limit)
        try:
            return coarsen(graph, sizes=MESH_SIZES, symmetry=body.mirror, method=method)
        except CoarseningStalled:
            continue
    return coarsen(graph, sizes=MESH_SIZES, symmetry=body.mirror)
