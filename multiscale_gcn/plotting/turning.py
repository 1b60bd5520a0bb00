"""A hierarchy that can be turned: clusters, the coarse graph over them, a slider for the levels."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import instance, whole_number
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.hierarchy import Hierarchy, Level
from multiscale_gcn.hierarchy.transfer import coarse_faces
from multiscale_gcn.plotting.parts import (
    LARGEST_SEED,
    chosen_levels,
    cluster_colours,
    cluster_means,
    crisp,
    edges_once,
    merged_edges,
    places,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

STEPS = 8
"""Levels that the slider has unless others are named."""
LIFT = 0.15
"""How high a coarse graph hangs over positions in a plane, as a share of their extent."""
INK = "#22252b"
CLEAR = 0.45
"""Opacity of clusters through which the coarse graph is seen."""
EYE = (0.8, -1.3, 0.42)
"""Whence space is seen; the longest side of what is drawn has length 1."""
EYE_ABOVE = (0.0, -0.8, 1.4)
"""Whence a plane is seen."""
THINNEST = 1e-3
"""Of a side without extent."""
MATERIAL = {
    "ambient": 0.65,
    "diffuse": 0.5,
    "specular": 0.05,
    "roughness": 0.9,
    "facenormalsepsilon": 0.0,  # small triangles are shaded too
    "vertexnormalsepsilon": 0.0,
}
LIGHT = {"x": -30_000, "y": -80_000, "z": 60_000}
"""Far away, where the eye is, and a bit to the left and above."""


def plot_hierarchy_3d(
    hierarchy: Hierarchy,
    positions: ArrayLike | None = None,
    faces: ArrayLike | None = None,
    levels: Iterable[int] | None = None,
    *,
    seed: int = 0,
) -> Figure:
    """Draw levels to be turned: what merged, the coarse graph over it, a slider for the levels.

    The finest graph or mesh has the colours of its clusters, with crisp borders. The nodes of the
    coarse graph stand at the means of their clusters, as large as they are heavy; over positions in
    a plane they hang above it. Of a mesh, buttons show the clusters clear, solid or not at all.

    Parameters
    ----------
    hierarchy : Hierarchy
    positions : array of float, shape (n, 2) or (n, 3), optional
        Of the finest nodes. Without them networkx lays out graphs of up to 1000 nodes in space
        (springs).
    faces : array of int, shape (F, 3), optional
        Triangles of the finest mesh.
    levels : iterable of int, optional
        Indices of the levels on the slider; by default up to eight, from the second to the
        coarsest.
    seed : int
        Of the layout.

    Returns
    -------
    plotly.graph_objects.Figure
        A notebook shows it. ``figure.write_html("levels.html")`` writes a page that needs no
        network; it holds the finest mesh once for every level.

    Raises
    ------
    ValueError
        If positions are missing for a large graph, or arrays have the wrong shape.

    See Also
    --------
    plot_hierarchy : levels side by side, for print
    Hierarchy : levels and the maps between them

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen, plot_hierarchy_3d
    >>> hierarchy = coarsen(nx.karate_club_graph(), sizes=[12, 4])
    >>> figure = plot_hierarchy_3d(hierarchy)
    >>> [step.label for step in figure.layout.sliders[0].steps]
    ['20', '12', '6', '4']
    """
    library("plotly", "plot_hierarchy_3d", "plot")
    from plotly.graph_objects import Figure

    instance(hierarchy, "hierarchy", Hierarchy, "coarsen(graph, ...) makes one")
    seed = whole_number(seed, "seed", least=0, most=LARGEST_SEED)
    chosen = chosen_levels(hierarchy, levels, STEPS)
    points = places(hierarchy[0].graph, positions, seed, 3)
    triangles = (
        np.empty((0, 3), dtype=np.int64)
        if faces is None
        else coarse_faces(faces, np.arange(len(points)), len(points))
    )
    flat = points.shape[1] == 2
    lift = LIFT * float(np.ptp(points, axis=0).max()) if flat else 0.0
    space = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
    figure = Figure()
    owner: list[int] = []
    for place, index in enumerate(chosen):
        drawn = _level(hierarchy, index, space, triangles, lift)
        owner += [place] * len(drawn)
        for trace in drawn:
            trace.visible = place == len(chosen) - 1
            figure.add_trace(trace)
    extent = np.ptp(space, axis=0) + np.array([0.0, 0.0, lift])
    _arrange(figure, hierarchy, chosen, owner, extent, EYE_ABOVE if flat else EYE)
    return figure


def _level(
    hierarchy: Hierarchy, index: int, points: np.ndarray, triangles: np.ndarray, lift: float
) -> list[Any]:
    level = hierarchy[index]
    parent = hierarchy.parent(0, index)
    colours = cluster_colours(level.graph)
    hung = cluster_means(points, parent) + np.array([0.0, 0.0, lift])
    below = (
        [_surface(points, triangles, parent, colours)]
        if len(triangles)
        else _fine_graph(hierarchy, points, parent, colours)
    )
    return [*below, *_coarse_graph(level, np.bincount(parent), hung, colours)]


def _surface(
    points: np.ndarray, triangles: np.ndarray, parent: np.ndarray, colours: np.ndarray
) -> Any:
    from plotly.graph_objects import Mesh3d

    polygons, cluster, _ = crisp(triangles, points, parent)
    corners = polygons.reshape(-1, 3).astype(np.float32)
    first = 4 * np.arange(len(polygons))
    halves = np.concatenate([first, first[(polygons[:, 2] != polygons[:, 3]).any(axis=1)]])
    second, third = np.ones_like(halves), np.full_like(halves, 2)
    second[len(first) :], third[len(first) :] = 2, 3
    return Mesh3d(
        x=corners[:, 0], y=corners[:, 1], z=corners[:, 2],
        i=halves, j=halves + second, k=halves + third,
        facecolor=_hexadecimal(colours)[cluster[halves // 4]],
        flatshading=True, lighting=MATERIAL, lightposition=LIGHT,
        hoverinfo="skip", opacity=CLEAR, name="clusters",
    )  # fmt: skip


def _fine_graph(
    hierarchy: Hierarchy, points: np.ndarray, parent: np.ndarray, colours: np.ndarray
) -> list[Any]:
    graph = hierarchy[0].graph
    edges, inside, strays = merged_edges(graph, parent)
    names = range(len(points)) if graph.names is None else graph.names
    hexadecimal = _hexadecimal(colours)
    of_node = hexadecimal[parent]
    means = cluster_means(points, parent)
    ties = np.stack([points[strays], means[parent[strays]]], axis=1)
    return [
        _lines(points[edges[~inside]], "#d5d8dc", 2, "between clusters"),
        _lines(
            np.concatenate([points[edges[inside]], ties]),
            np.concatenate([of_node[edges[inside, 0]], of_node[strays]]),
            6,
            "within clusters",
        ),
        _dots(
            points, of_node, np.full(len(points), 5.0), "nodes",
            [f"node {escape(str(name))}" for name in names],
        ),
    ]  # fmt: skip


def _coarse_graph(
    level: Level, members: np.ndarray, hung: np.ndarray, colours: np.ndarray
) -> list[Any]:
    weight = level.graph.node_weights / level.graph.node_weights.mean()
    size = np.clip(60.0 / np.sqrt(len(hung)), 5.0, 16.0) * np.sqrt(np.clip(weight, 0.25, 4.0))
    told = [
        f"coarse node {node}<br>{count} of the finest nodes<br>weight {heavy:g}"
        for node, (count, heavy) in enumerate(zip(members, level.graph.node_weights, strict=True))
    ]
    return [
        _lines(hung[edges_once(level.graph)], INK, 3, "coarse edges"),
        _dots(hung, _hexadecimal(colours), size, "coarse nodes", told, INK),
    ]


def _lines(ends: np.ndarray, colour: Any, width: float, name: str) -> Any:  # ends: [E, 2, 3]
    from plotly.graph_objects import Scatter3d

    x, y, z = np.pad(ends, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(-1, 3).T
    return Scatter3d(
        x=x, y=y, z=z, mode="lines", name=name, hoverinfo="skip",
        line={"width": width, "color": colour if isinstance(colour, str) else np.repeat(colour, 3)},
    )  # fmt: skip


def _dots(
    at: np.ndarray, colour: np.ndarray, size: np.ndarray, name: str, told: list[str], rim: str = ""
) -> Any:
    from plotly.graph_objects import Scatter3d

    edge = {"width": 1.5, "color": rim} if rim else {"width": 0}
    x, y, z = at.T
    return Scatter3d(
        x=x, y=y, z=z, mode="markers", name=name, text=told, hovertemplate="%{text}<extra></extra>",
        marker={"size": size, "color": colour, "line": edge, "opacity": 1.0},
    )  # fmt: skip


def _hexadecimal(colours: np.ndarray) -> np.ndarray:  # [n, 3] -> [n] of "#rrggbb"
    bytes_ = np.round(255 * colours).astype(int)
    return np.array([f"#{r:02x}{g:02x}{b:02x}" for r, g, b in bytes_])


def _arrange(
    figure: Figure,
    hierarchy: Hierarchy,
    chosen: list[int],
    owner: list[int],
    extent: np.ndarray,  # [3]
    eye: tuple[float, float, float],
) -> None:
    """The slider, the buttons, and a window that shows everything."""
    sizes = [hierarchy[index].num_nodes for index in chosen]
    finest = hierarchy[0].num_nodes
    steps = [
        {
            "label": str(size),
            "method": "update",
            "args": [
                {"visible": [at == place for at in owner]},
                {"title.text": f"{size} of {finest} nodes"},
            ],
        }
        for place, size in enumerate(sizes)
    ]
    meshes = [at for at, trace in enumerate(figure.data) if trace.type == "mesh3d"]
    looks = {"clear": CLEAR, "solid": 1.0, "coarse graph": 0.0}
    hidden = {"visible": False}
    ratio = np.maximum(extent / (extent.max() or 1.0), THINNEST)
    figure.update_layout(
        title={"text": f"{sizes[-1]} of {finest} nodes", "x": 0.5, "y": 0.99, "yanchor": "top"},
        showlegend=False,
        margin={"l": 0, "r": 0, "t": 84 if meshes else 44, "b": 0},
        paper_bgcolor="white",
        scene={
            "aspectmode": "manual",
            "aspectratio": dict(zip("xyz", ratio.tolist(), strict=True)),
            "xaxis": hidden, "yaxis": hidden, "zaxis": hidden,
            "camera": {"eye": dict(zip("xyz", eye, strict=True))},
        },
        sliders=[
            {
                "active": len(chosen) - 1,
                "currentvalue": {"prefix": "nodes: "},
                "pad": {"l": 12, "r": 12, "b": 12, "t": 0},
                "steps": steps,
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "bottom",
                "pad": {"b": 4},
                "buttons": [
                    {"label": label, "method": "restyle", "args": [{"opacity": opacity}, meshes]}
                    for label, opacity in looks.items()
                ],
            }
        ]
        if meshes
        else [],
    )  # fmt: skip
