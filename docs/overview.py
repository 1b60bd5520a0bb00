"""The library in one picture; ``python docs/overview.py`` writes that of README."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy.spatial import Delaunay

from multiscale_gcn import CentroidalClusters, Hierarchy, coarsen

SIZES = (200, 48, 12)
COLUMNS = (0.0, 2.1, 4.1, 6.1)
"""Where the graphs stand, and then the stages of the network."""
ROWS = (0.0, 1.12, 2.24)
"""Heights of the levels, the finest below."""
INK = "#2b2d36"
SENT = "#d1495b"
"""Arrows between levels."""


def main() -> None:
    """Draw, and write the file where README looks for it."""
    figure = draw()
    figure.savefig(Path(__file__).parent / "images" / "overview.png", dpi=110)


def draw() -> plt.Figure:
    """Three levels of a graph, one above the other, and a network of three stages on them."""
    points = scattered(SIZES[0])
    mesh = Delaunay(points).simplices
    hierarchy = coarsen(mesh, sizes=SIZES[1:], method=CentroidalClusters(positions=points))
    places = [hierarchy.coarse_positions(points, k) for k in range(3)]
    hues = plt.get_cmap("hsv")(np.argsort(np.argsort(places[2] @ [1, 0.4])) / SIZES[2])
    hues[:, :3] = 0.25 + 0.62 * hues[:, :3]

    figure, axes = plt.subplots(figsize=(10, 4.35), layout="constrained")
    for k in (0, 1):  # what merges
        ends = np.stack([tilted(places[0], 0, 0), tilted(places[1], 0, 1)[hierarchy.parent(0, 1)]])
        if k == 1:
            up = hierarchy.parent(1, 2)
            ends = np.stack([tilted(places[1], 0, 1), tilted(places[2], 0, 2)[up]])
        colours = hues[hierarchy.parent(k, 2)]
        axes.add_collection(
            LineCollection(
                list(ends.transpose(1, 0, 2)), colors=colours, lw=0.7, alpha=0.5, zorder=0.5
            )
        )
    for k in range(3):
        plane(axes, 0, k)
        network(axes, hierarchy, k, tilted(places[k], 0, k), hues[hierarchy.parent(k, 2)])
    for stage, features in enumerate(denoised(hierarchy, points), start=1):
        for k in range(3):
            plane(axes, stage, k)
            colours = plt.get_cmap("viridis")(0.5 + 0.36 * features[k])
            network(axes, hierarchy, k, tilted(places[k], stage, k), colours)
    for stage in (1, 2):
        for source in range(3):
            for target in range(3):
                arrow(axes, stage, source, target)

    for k, size in enumerate(SIZES):
        axes.text(
            -0.12, ROWS[k] + 0.3, f"{size}\nnodes", ha="right", va="center", color=INK, size=18
        )
    axes.text(0.85, -0.2, "coarsen", ha="center", va="top", size=22, weight="bold", color=INK)
    axes.text(4.95, -0.2, "train on all levels at once", ha="center", va="top", size=22,
              weight="bold", color=INK)  # fmt: skip
    axes.set(xlim=(-0.82, 7.95), ylim=(-0.62, 3.0), aspect="equal")
    axes.set_axis_off()
    return figure


def scattered(n: int) -> np.ndarray:
    """Points of the unit square that keep their distance, each the best of forty."""
    rng = np.random.default_rng(3)
    points = rng.random((1, 2))
    while len(points) < n:
        offers = rng.random((40, 2))
        gap = np.linalg.norm(offers[:, None] - points, axis=2).min(axis=1)
        points = np.append(points, offers[[gap.argmax()]], axis=0)
    return points


def denoised(hierarchy: Hierarchy, points: np.ndarray) -> list[list[np.ndarray]]:
    """A noisy signal on every level, after none, one and two rounds of means and exchange."""
    graphs = [level.graph.to_scipy().tocsr() for level in hierarchy]
    means = [graph.multiply(1 / graph.sum(axis=1)[:, None]).tocsr() for graph in graphs]
    noise = 0.9 * np.random.default_rng(5).normal(size=len(points))
    signal = np.sin(4.2 * points[:, 0] + 1) * np.cos(3.4 * points[:, 1] - 0.8) * 1.3 + noise
    features = [hierarchy.restrict(signal, 0, k) for k in range(3)]
    stages = [features]
    for _ in range(2):
        sent = [
            hierarchy.prolong(features[k + 1], k + 1, k) if k < 2 else features[k] for k in range(3)
        ]
        features = [(means[k] @ x + x + sent[k]) / 3 for k, x in enumerate(features)]
        stages.append(features)
    return stages


def tilted(points: np.ndarray, column: int, level: int) -> np.ndarray:
    """Points of the unit square on the plane of a level, seen from above and in front."""
    x, y = points.T
    return np.stack([COLUMNS[column] + 1.25 * x + 0.45 * y, ROWS[level] + 0.62 * y], axis=1)


def plane(axes: Axes, column: int, level: int) -> None:
    """What a graph lies on."""
    corners = np.array([[-0.04, -0.06], [1.04, -0.06], [1.04, 1.06], [-0.04, 1.06]])
    axes.fill(*tilted(corners, column, level).T, color="#eceef4", alpha=0.75, lw=0, zorder=1)


def network(
    axes: Axes, hierarchy: Hierarchy, level: int, places: np.ndarray, colours: np.ndarray
) -> None:
    """A graph, its nodes in these colours."""
    u, v = hierarchy[level].graph.edge_index()
    segments = np.stack([places[u], places[v]], axis=1)
    axes.add_collection(
        LineCollection(list(segments), colors="0.6", lw=0.4 + 0.35 * level, zorder=2)
    )
    axes.scatter(places[:, 0], places[:, 1], s=(13, 46, 130)[level], c=colours, edgecolors="white",
                 linewidths=0.6, zorder=3)  # fmt: skip


def arrow(axes: Axes, stage: int, source: int, target: int) -> None:
    """From a level of one stage to a level of the next."""
    middle = np.array([[1.05, 0.5], [-0.05, 0.5]])
    begin, end = tilted(middle[:1], stage, source)[0], tilted(middle[1:], stage + 1, target)[0]
    own = source == target
    axes.annotate(
        "", end, begin, zorder=4,
        arrowprops={"arrowstyle": "-|>", "lw": 2.2 if own else 1.3, "shrinkA": 1, "shrinkB": 1,
                    "color": INK if own else SENT, "alpha": 1 if own else 0.8},
    )  # fmt: skip


if __name__ == "__main__":
    main()
