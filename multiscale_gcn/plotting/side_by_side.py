"""Levels side by side, above what merged, below what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import instance, real_number, whole_number
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.transfer import coarse_faces
from multiscale_gcn.plotting.parts import (
    INK,
    LARGEST_SEED,
    PAPER,
    chosen_levels,
    cluster_colours,
    cluster_means,
    crisp,
    edges_once,
    merged_edges,
    places,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 4
"""Levels that are shown unless others are named."""
PANEL = 3.6
"""Height of a panel, inches."""
SMALL = 4.0
"""Area in square points below which nodes are not drawn on a mesh."""
MOST_NAMED = 40
"""Nodes of a graph whose names are written beside them."""
LIGHT = np.array([-0.35, 0.45, 0.82]) / np.linalg.norm([-0.35, 0.45, 0.82])
"""Where the light comes from: left, above, the eye."""


def plot_hierarchy(
    hierarchy: Hierarchy,
    positions: ArrayLike | None = None,
    faces: ArrayLike | None = None,
    levels: Iterable[int] | None = None,
    *,
    azimuth: float = -60.0,
    elevation: float = 15.0,
    seed: int = 0,
) -> Figure:
    """Draw levels side by side: above what merged, below what came of it.

    The upper row is the finest graph or mesh, each node in the colour of its cluster; neighbouring
    clusters have different colours. The lower row is the coarse graph at the means of the
    clusters, in the same colours, the nodes as large as they are heavy.

    Parameters
    ----------
    hierarchy : Hierarchy
    positions : array of float, shape (n, 2) or (n, 3), optional
        Of the finest nodes. Without them networkx lays out graphs of up to 1000 nodes (springs).
    faces : array of int, shape (F, 3), optional
        Triangles of the finest mesh; with positions of shape (n, 3) they are shaded.
    levels : iterable of int, optional
        Indices of the levels to show; by default up to four, from the second to the coarsest.
    azimuth, elevation : float
        From where three-dimensional positions are seen, degrees: azimuth turns about z, -90 is
        from the side of negative y; elevation is the height of the eye.
    seed : int
        Of the layout.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("levels.png")`` writes it.

    Raises
    ------
    ValueError
        If positions are missing for a large graph, or arrays have the wrong shape.

    See Also
    --------
    plot_hierarchy_3d : levels to be turned
    plot_comparison : a picture of a comparison
    Hierarchy : levels and the maps between them

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen, plot_hierarchy
    >>> hierarchy = coarsen(nx.karate_club_graph(), sizes=[12, 4])
    >>> figure = plot_hierarchy(hierarchy)
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['20 of 34 nodes', '12 of 34 nodes', '6 of 34 nodes']
    """
    library("matplotlib", "plot_hierarchy", "plot")
    from matplotlib.figure import Figure

    instance(hierarchy, "hierarchy", Hierarchy, "coarsen(graph, ...) makes one")
    azimuth, elevation = real_number(azimuth, "azimuth"), real_number(elevation, "elevation")
    seed = whole_number(seed, "seed", least=0, most=LARGEST_SEED)
    chosen = chosen_levels(hierarchy, levels, PANELS)
    points = places(hierarchy[0].graph, positions, seed, 2)
    triangles = None if faces is None else coarse_faces(faces, np.arange(len(points)), len(points))
    camera = _camera(azimuth, elevation) if points.shape[1] == 3 else np.eye(2)
    view = points @ camera
    width = float(np.clip(PANEL * np.ptp(view[:, 0]) / (np.ptp(view[:, 1]) or 1.0), 2.2, 6.0))
    size = (width * len(chosen), 2 * PANEL + 0.4)
    figure = Figure(figsize=size, layout="constrained", facecolor=PAPER)
    grid = figure.subplots(2, len(chosen), squeeze=False)
    for column, index in enumerate(chosen):
        level = hierarchy[index]
        parent = hierarchy.parent(0, index)
        colours = cluster_colours(level.graph)
        means = cluster_means(points, parent)
        above, below = grid[0, column], grid[1, column]
        above.set_title(f"{level.num_nodes} of {len(points)} nodes", fontsize=12, color=INK)
        if triangles is None or len(triangles) == 0:
            _draw_clusters(above, hierarchy[0].graph, view, parent, colours)
        else:
            _draw_mesh(above, view, triangles, parent, colours)
        coarse_triangles = (
            None if triangles is None else coarse_faces(triangles, parent, len(points))
        )
        _draw_coarse(below, level.graph, means @ camera, coarse_triangles, colours)
        for axes in (above, below):
            _frame(axes, view)
    return figure


def _camera(azimuth: float, elevation: float) -> np.ndarray:
    """Matrix whose columns are right, up and towards the eye, shape (3, 3)."""
    a, e = np.radians([azimuth, elevation])
    right = [-np.sin(a), np.cos(a), 0.0]
    up = [-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)]
    eye = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
    return np.stack([right, up, eye], axis=1)


def _frame(axes: Axes, view: np.ndarray) -> None:
    """The same window for both rows, so that one stands above the other."""
    low, high = view[:, :2].min(axis=0), view[:, :2].max(axis=0)
    margin = 0.05 * float((high - low).max()) or 1.0
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _draw_clusters(
    axes: Axes, graph: Graph, view: np.ndarray, parent: np.ndarray, colours: np.ndarray
) -> None:
    """The finest graph: thick edges inside the clusters, thin grey ones between them."""
    from matplotlib.collections import LineCollection

    edges, inside, stray = merged_edges(graph, parent)
    size = _node_size(len(view))
    segments = view[edges][:, :, :2]
    axes.add_collection(LineCollection(list(segments[~inside]), colors="0.82", linewidths=0.7))
    axes.add_collection(
        LineCollection(
            list(segments[inside]),
            colors=colours[parent[edges[inside, 0]]],
            linewidths=0.55 * np.sqrt(size),
            capstyle="round",
        )
    )
    _tie_strays(axes, view, parent, stray, colours)
    axes.scatter(
        view[:, 0], view[:, 1], s=size, c=colours[parent], edgecolors="white", linewidths=0.4,
        zorder=3,
    )  # fmt: skip
    if graph.names is not None and len(view) <= MOST_NAMED:
        for name, point in zip(graph.names, view, strict=True):
            axes.annotate(
                str(name), point[:2], (4, 4), textcoords="offset points", fontsize=7, color=INK
            )


def _tie_strays(
    axes: Axes, view: np.ndarray, parent: np.ndarray, stray: np.ndarray, colours: np.ndarray
) -> None:
    """Dotted lines to the mean, for nodes that merged and have no edge within their cluster."""
    from matplotlib.collections import LineCollection

    lines = np.stack([view[stray, :2], cluster_means(view[:, :2], parent)[parent[stray]]], axis=1)
    axes.add_collection(
        LineCollection(
            list(lines), colors=colours[parent[stray]], linewidths=1.6, linestyles=(0, (1, 1.2))
        )
    )


def _draw_mesh(
    axes: Axes, view: np.ndarray, faces: np.ndarray, parent: np.ndarray, colours: np.ndarray
) -> None:
    """The finest mesh, its clusters with crisp borders."""
    from matplotlib.collections import PolyCollection

    polygons, cluster, face = crisp(faces, view, parent)
    filled = colours[cluster]
    if view.shape[1] == 3:
        corners = view[faces]
        filled = filled * _shade(corners)[face, None]
        order = np.argsort(corners[face, :, 2].mean(axis=1), kind="stable")
        polygons, filled = polygons[order], filled[order]
    axes.add_collection(
        PolyCollection(
            list(polygons[:, :, :2]), facecolors=filled, edgecolors=filled, linewidths=0.3
        )
    )


def _draw_coarse(
    axes: Axes, graph: Graph, view: np.ndarray, faces: np.ndarray | None, colours: np.ndarray
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    edges = edges_once(graph)
    depth = view[:, 2] if view.shape[1] == 3 else np.zeros(len(view))
    near = (depth - depth.min()) / np.ptp(depth) if np.ptp(depth) else np.ones(len(view))
    size = 1.5 * _node_size(len(view))
    dots = faces is None or size >= SMALL
    if faces is not None and len(faces):
        corners = view[faces]
        # Where dots show the colours, the triangles are white; else each has that of a corner.
        fill = np.ones((len(faces), 3)) if dots else colours[faces[:, 0]]
        if view.shape[1] == 3:
            fill = fill * _shade(corners)[:, None]
        order = np.argsort(near[faces].mean(axis=1))
        axes.add_collection(
            PolyCollection(
                list(corners[order][:, :, :2]), facecolors=fill[order], edgecolors="none",
                alpha=0.7 if dots else 1.0,
            )
        )  # fmt: skip
    if not dots:
        return
    ink = 0.35 + 0.5 * (1.0 - near[edges].mean(axis=1)) if len(edges) else np.empty(0)
    order = np.argsort(-ink)
    axes.add_collection(
        LineCollection(
            list(view[edges][order][:, :, :2]),
            colors=[(tone, tone, tone) for tone in ink[order]],
            linewidths=0.9,
        )
    )
    weight = graph.node_weights / graph.node_weights.mean()
    order = np.argsort(depth)
    face = colours + (1.0 - colours) * 0.5 * (1.0 - near)[:, None]
    axes.scatter(
        view[order, 0], view[order, 1], s=(size * weight)[order], c=face[order],
        edgecolors="white", linewidths=0.06 * np.sqrt(size), zorder=3,
    )  # fmt: skip


def _shade(corners: np.ndarray) -> np.ndarray:  # [F, 3, 3] -> [F]
    """Brightness of every triangle, whichever of its sides is seen."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    normal = normal / np.where(length > 0, length, 1.0)[:, None]
    facing = np.where(normal[:, 2:] >= 0, normal, -normal)
    brightness: np.ndarray = 0.55 + 0.45 * np.clip(facing @ LIGHT, 0, 1)
    return brightness


def _node_size(n: int) -> float:
    """Area in square points, so that the nodes cover about the same share of a panel."""
    return float(np.clip(4500.0 / n, 1.5, 90.0))
