"""Pictures: which nodes merged, what came of them, and how methods compare.

Needs matplotlib, ``pip install 'multiscale-gcn[plot]'``, which is imported when a picture is drawn.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import is_dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import instance, items, real_number, whole_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.convert import to_networkx
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.transfer import coarse_faces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_LAYOUT = 1000
"""Up to so many nodes a layout is computed where no positions are given."""
MOST_PANELS = 50
"""Levels that one figure shows."""
LARGEST_SEED = 2**32 - 1
"""Of the layout."""
PANEL = 3.6
"""Height of a panel, inches."""
INK = (0.13, 0.14, 0.17)
PAPER = (1.0, 1.0, 1.0)
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
    chosen = _chosen(hierarchy, levels)
    points = _points(hierarchy[0].graph, positions, seed)
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
        colours = _colours(level.graph)
        means = np.stack(
            [np.bincount(parent, weights=axis) / np.bincount(parent) for axis in points.T], axis=1
        )
        above, below = grid[0, column], grid[1, column]
        above.set_title(f"{level.num_nodes} of {len(points)} nodes", fontsize=12, color=INK)
        if triangles is None or len(triangles) == 0:
            _draw_clusters(above, hierarchy[0].graph, view, parent, colours)
        else:
            _draw_mesh(above, view, triangles, colours[parent])
        coarse_triangles = (
            None if triangles is None else coarse_faces(triangles, parent, len(points))
        )
        _draw_coarse(below, level.graph, means @ camera, coarse_triangles, colours)
        for axes in (above, below):
            _frame(axes, view)
    return figure


class Table(Protocol):
    """What :func:`~multiscale_gcn.compare` returns, as far as it is drawn."""

    @property
    def rows(self) -> tuple[dict[str, Any], ...]: ...


def plot_comparison(comparison: Table) -> Figure:
    """Draw what :func:`~multiscale_gcn.compare` found: a panel for each figure, bars for methods.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    matplotlib.figure.Figure

    See Also
    --------
    compare : several methods side by side

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import DefferrardMatching, HeavyEdgeMatching, compare, plot_comparison
    >>> table = compare(
    ...     nx.grid_2d_graph(8, 8), [HeavyEdgeMatching(), DefferrardMatching()], sizes=[32, 8]
    ... )
    >>> figure = plot_comparison(table)
    >>> len(figure.axes)
    4
    """
    library("matplotlib", "plot_comparison", "plot")
    from matplotlib.figure import Figure

    panels = {
        "cut": "weight cut, share",
        "balance": "heaviest cluster / mean",
        "eigenvalue_error": "eigenvalue error, mean",
        "epsilon": "spectral similarity ε",
    }
    rows = getattr(comparison, "rows", None) if is_dataclass(comparison) else None
    instance(rows, "comparison.rows", tuple, "compare(graph, ...) makes a Comparison")
    methods = list(dict.fromkeys(row["method"] for row in comparison.rows))
    sizes = list(dict.fromkeys(row["nodes"] for row in comparison.rows))
    value = {(row["method"], row["nodes"]): row for row in comparison.rows}
    height = 1.1 + 0.3 * (len(methods) + 1) * len(sizes)
    figure = Figure(figsize=(13.0, height), layout="constrained", facecolor=PAPER)
    grid = figure.subplots(1, len(panels), sharey=True)
    hues = [_bright(0.58 + 0.618 * i) for i in range(len(methods))]
    place = {size: -(len(methods) + 1) * i for i, size in enumerate(sizes)}
    for axes, (name, title) in zip(grid, panels.items(), strict=True):
        for i, method in enumerate(methods):
            for size in sizes:
                figure_of = value[method, size][name]
                at = place[size] - i
                if figure_of is not None and np.isfinite(figure_of):
                    label = method if size == sizes[0] else None
                    axes.barh(at, figure_of, height=0.86, color=hues[i], label=label)
                    axes.annotate(f" {figure_of:.3g}", (figure_of, at), va="center", fontsize=8)
                else:
                    why = "infinite" if figure_of is not None else "not reached"
                    axes.annotate(f" {why}", (0, at), va="center", fontsize=8, color="0.5")
        axes.set_title(title, fontsize=11, color=INK)
        axes.margins(x=0.18)
        axes.set_xlim(left=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    middle = (len(methods) - 1) / 2
    grid[0].set_yticks(
        [place[size] - middle for size in sizes], [f"{size}\nnodes" for size in sizes]
    )
    handles = [_swatch(hue) for hue in hues]
    figure.legend(handles, methods, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _chosen(hierarchy: Hierarchy, levels: Iterable[int] | None) -> list[int]:
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
    return sorted({round(x) for x in np.linspace(min(1, last), last, 4)})


def _points(graph: Graph, positions: ArrayLike | None, seed: int) -> np.ndarray:  # [n, 2 or 3]
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

        layout = nx.spring_layout(to_networkx(graph), seed=seed, iterations=200)
        return np.array([layout[u] for u in range(n)])
    points = real_array(positions, "positions").astype(np.float64)
    if points.ndim != 2 or points.shape[0] != n or points.shape[1] not in (2, 3):
        raise ValueError(f"positions has shape {points.shape}, expected ({n}, 2) or ({n}, 3)")
    if not np.isfinite(points).all():
        at = int(np.argmin(np.isfinite(points).all(axis=1)))
        raise ValueError(f"positions[{at}] = {points[at].tolist()} must be finite")
    return points


def _camera(azimuth: float, elevation: float) -> np.ndarray:
    """Matrix whose columns are right, up and towards the eye, shape (3, 3)."""
    a, e = np.radians([azimuth, elevation])
    right = [-np.sin(a), np.cos(a), 0.0]
    up = [-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)]
    eye = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
    return np.stack([right, up, eye], axis=1)


def _colours(coarse: Graph) -> np.ndarray:  # [n_coarse, 3]
    """A colour for every cluster, another one than those of its neighbours.

    Going through the clusters, each takes the colour that its neighbours, and then all others,
    have used least. Up to 24 clusters have a colour of their own, more share a dozen.
    """
    count = coarse.num_nodes if coarse.num_nodes <= 24 else 12
    palette = np.array([_bright(0.618 * i, i % 3) for i in range(count)])
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


def _bright(hue: float, shade: int = 0) -> tuple[float, float, float]:
    return colorsys.hls_to_rgb(hue % 1.0, (0.56, 0.68, 0.45)[shade], (0.68, 0.72, 0.55)[shade])


def _swatch(colour: tuple[float, float, float]) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour)


def _frame(axes: Axes, view: np.ndarray) -> None:
    """The same window for both rows, so that one stands above the other."""
    low, high = view[:, :2].min(axis=0), view[:, :2].max(axis=0)
    margin = 0.05 * float((high - low).max()) or 1.0
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _edges(graph: Graph) -> np.ndarray:  # [E, 2]
    rows = graph.rows()
    once = rows < graph.indices
    return np.stack([rows[once], graph.indices[once]], axis=1)


def _draw_clusters(
    axes: Axes, graph: Graph, view: np.ndarray, parent: np.ndarray, colours: np.ndarray
) -> None:
    """The finest graph: thick edges inside the clusters, thin grey ones between them."""
    from matplotlib.collections import LineCollection

    edges = _edges(graph)
    inside = parent[edges[:, 0]] == parent[edges[:, 1]]
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
    _tie_strays(axes, view, parent, edges[inside], colours)
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
    axes: Axes, view: np.ndarray, parent: np.ndarray, inside: np.ndarray, colours: np.ndarray
) -> None:
    """Dotted lines to the mean, for nodes that merged and have no edge within their cluster."""
    from matplotlib.collections import LineCollection

    members = np.bincount(parent)
    stray = members[parent] > 1
    stray[inside.reshape(-1)] = False
    means = np.stack([np.bincount(parent, weights=x) / members for x in view.T[:2]], axis=1)
    lines = np.stack([view[stray, :2], means[parent[stray]]], axis=1)
    axes.add_collection(
        LineCollection(
            list(lines), colors=colours[parent[stray]], linewidths=1.6, linestyles=(0, (1, 1.2))
        )
    )


def _draw_mesh(axes: Axes, view: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
    """The finest mesh; of a triangle across a border each corner has what is nearest to it."""
    from matplotlib.collections import PolyCollection

    corners, colour = view[faces], colours[faces]
    pure = (colour == colour[:, :1]).all(axis=(1, 2))
    whole, split = corners[pure], corners[~pure]
    shares = [whole[:, [0, 1, 2, 2]]]  # as polygons of four corners, like the others
    for k in range(3):
        own, after, before = split[:, k], split[:, (k + 1) % 3], split[:, (k + 2) % 3]
        middle = split.mean(axis=1)
        shares.append(np.stack([own, (own + after) / 2, middle, (own + before) / 2], axis=1))
    polygons = np.concatenate(shares)
    filled = np.concatenate([colour[pure, 0], *(colour[~pure, k] for k in range(3))])
    if view.shape[1] == 3:
        of_face = np.concatenate([np.flatnonzero(pure), *[np.flatnonzero(~pure)] * 3])
        filled = filled * _shade(corners)[of_face, None]
        order = np.argsort(corners[of_face, :, 2].mean(axis=1), kind="stable")
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

    edges = _edges(graph)
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
