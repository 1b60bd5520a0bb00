"""The pictures of the report; each function returns one Matplotlib figure and keeps no state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.measuring.metrics import distances
from examples.hgn_pose.measuring.predictions import Predictions
from examples.hgn_pose.measuring.scores import Scores
from examples.hgn_pose.training.trainer import EpochRecord
from multiscale_gcn import Hierarchy, to_networkx

INK, GREY, PALE = "#24292f", "#8b949e", "#d0d7de"
TRUE, PREDICTED = "#57606a", "#cf4a1d"
SIDES = {"R_": "#1f5fbf", "L_": "#2a9d8f"}
MODEL_COLOURS = ("#1f5fbf", "#2a9d8f", "#e9a23b", "#8b949e", "#c9d1d9")
CLUSTER_COLOURS = (
    "#e07a5f", "#3d85c6", "#81b29a", "#f2cc8f", "#9d7fc1",
    "#5fb3b3", "#d88fb0", "#a3b745", "#c9a27e", "#7a8fa6",
)  # fmt: skip
BODY_COLOUR = "#d9c3b0"


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=130, facecolor="white")
    return buffer.getvalue()


def body_and_graphs(body: BodyModel, hierarchy: Hierarchy, sizes: Sequence[int]) -> Figure:
    """The body's mesh, and for each size its clusters with the coarse graph drawn over them.

    Parameters
    ----------
    body : BodyModel
    hierarchy : Hierarchy
        Of the body's mesh.
    sizes : sequence of int
        Levels to draw, by number of nodes.
    """
    vertices = body.rest_vertices
    figure = Figure(figsize=(4.0 * (1 + len(sizes)), 6.2), layout="constrained")
    axes = figure.subplots(1, 1 + len(sizes))
    _draw_mesh(axes[0], vertices, body.faces, np.array([to_rgb(BODY_COLOUR)] * len(vertices)))
    finest = hierarchy.levels[0].graph
    axes[0].set_title(f"the body: {finest.num_nodes:,} vertices, {finest.num_edges:,} edges")
    for ax, size in zip(axes[1:], sizes, strict=True):
        level = hierarchy.level(size)
        network = to_networkx(level.graph)
        network.remove_edges_from(list(nx.selfloop_edges(network)))
        shade = nx.greedy_color(network, strategy="DSATUR")
        palette = np.array([to_rgb(colour) for colour in CLUSTER_COLOURS])
        colours = palette[[shade[node] % len(palette) for node in range(size)]]
        cluster = hierarchy.parent(0, level.index)
        _draw_mesh(ax, vertices, body.faces, colours[cluster])
        places, depth = _view(hierarchy.coarse_positions(vertices, level.index), 25)
        lines = [(places[u], places[v]) for u, v in network.edges]
        ax.add_collection(LineCollection(lines, colors=INK, linewidths=0.9, alpha=0.75, zorder=3))
        order = np.argsort(-depth)
        ax.scatter(
            *places[order].T, s=26, c=colours[order], edgecolors=INK, linewidths=0.9, zorder=4
        )
        ax.set_title(f"{size} clusters and their graph: {level.graph.num_edges} edges")
    return figure


def training_curves(
    records: Mapping[str, Sequence[EpochRecord]], lambda_mesh: float, levels: Mapping[str, float]
) -> Figure:
    """Loss and test error over the epochs.

    Parameters
    ----------
    records : mapping of str to sequence of EpochRecord
        By model.
    lambda_mesh : float
        Weight of the mesh term, to draw it at its share of the loss.
    levels : mapping of str to float
        Horizontal lines to compare with, millimetres.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, rows), colour in zip(records.items(), MODEL_COLOURS, strict=False):
        epochs = [row.epoch + 1 for row in rows]
        left.plot(epochs, [row.pose_loss for row in rows], color=colour, label=f"{name}, pose")
        if any(row.mesh_loss for row in rows):
            left.plot(
                epochs,
                [lambda_mesh * row.mesh_loss for row in rows],
                color=colour,
                linestyle=":",
                label=f"{name}, meshes x {lambda_mesh:g}",
            )
        watched = [(row.epoch + 1, row.error) for row in rows if row.error is not None]
        right.plot(*zip(*watched, strict=True), color=colour, label=name)
    for (name, value), style in zip(levels.items(), ("--", ":"), strict=False):
        right.axhline(value, color=GREY, linestyle=style, linewidth=1.2, label=name)
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("{x:g}")
    left.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    left.set(xlabel="epoch", ylabel="training loss, m² (summed over nodes)")
    right.set(xlabel="epoch", ylabel="MPJPE on unseen clips, mm", ylim=(0, None))
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        style_axes(ax)
        ax.legend(frameon=False, fontsize=8.5)
    return figure


def true_and_predicted(
    predictions: Predictions, chosen: Sequence[int], mesh_edges: np.ndarray | None
) -> Figure:
    """Some samples: what the network saw, and pose and mesh from the camera's left side.

    Parameters
    ----------
    predictions : Predictions
        Of the network to show.
    chosen : sequence of int
        Samples to draw, one column each.
    mesh_edges : array of int, shape (E, 2), or None
        Edges of the finest predicted mesh; None draws no mesh.
    """
    rows = 2 if mesh_edges is None else 3
    figure = Figure(figsize=(2.9 * len(chosen), 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, len(chosen), squeeze=False)
    errors = distances(predictions.pose, predictions.true_pose).mean(axis=1)
    actions = predictions.labels.action.of_samples()
    for column, sample in enumerate(chosen):
        seen, side, *below = axes[:, column]
        draw_skeleton(seen, predictions.image[sample] * [1, -1], INK, SIDES)
        seen.set_title(f"{actions[sample]}\nerror {errors[sample]:.0f} mm", fontsize=10)
        draw_skeleton(side, _from_the_side(predictions.true_pose[sample]), TRUE)
        draw_skeleton(side, _from_the_side(predictions.pose[sample]), PREDICTED)
        if mesh_edges is not None:
            for mesh, colour in (
                (predictions.true_meshes[-1], TRUE),
                (predictions.meshes[-1], PREDICTED),
            ):
                draw_wires(below[0], _from_the_side(mesh[sample]), mesh_edges, colour)
    labels = ["the network's input", "pose, from the side", "coarse mesh, from the side"]
    for ax, label in zip(axes[:, 0], labels, strict=False):
        ax.text(
            -0.08, 0.5, label, transform=ax.transAxes, rotation=90, va="center", ha="center",
            fontsize=10, color=INK,
        )  # fmt: skip
    for ax in axes.flat:
        ax.set_aspect("equal", adjustable="datalim")
        ax.margins(0.12)
        ax.axis("off")
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=label)
        for colour, label in (
            (SIDES["R_"], "input, right side"),
            (SIDES["L_"], "input, left side"),
            (TRUE, "true"),
            (PREDICTED, "predicted"),
        )
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def errors_per_joint(scores: Mapping[str, Scores]) -> Figure:
    """MPJPE of every joint but the root, a bar for each model."""
    joints = JOINTS[1:]
    values = {name: [s.per_joint[joint] for joint in joints] for name, s in scores.items()}
    return _bars([joint.replace("_", " ") for joint in joints], values, "mean error, mm")


def errors_per_action(scores: Mapping[str, Scores]) -> Figure:
    """MPJPE of every test action, a bar for each model."""
    actions = list(next(iter(scores.values())).per_action)
    values = {name: [s.per_action[a].mpjpe for a in actions] for name, s in scores.items()}
    return _bars(actions, values, "MPJPE, mm")


def _bars(groups: Sequence[str], values: Mapping[str, Sequence[float]], label: str) -> Figure:
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    ax = figure.subplots()
    width = 0.84 / len(values)
    places = np.arange(len(groups))
    for k, ((name, heights), colour) in enumerate(zip(values.items(), MODEL_COLOURS, strict=False)):
        offset = (k - (len(values) - 1) / 2) * width
        bars = ax.bar(places + offset, heights, width * 0.92, color=colour, label=name)
        if len(groups) * len(values) <= 24:
            ax.bar_label(bars, fmt="%.0f", fontsize=8, color=INK, padding=1)
    ax.set_xticks(places, groups, rotation=0 if len(groups) < 9 else 35)
    if len(groups) >= 9:
        for text in ax.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    ax.set_ylabel(label)
    ax.margins(x=0.01)
    style_axes(ax)
    ax.legend(frameon=False, ncols=len(values), loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return figure


def style_axes(ax: Axes) -> None:
    """Open axes with a pale grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)


def _view(
    points: np.ndarray,  # [..., 3] world, the body looks along -y
    azimuth: float,  # degrees, 0 is from the front
) -> tuple[np.ndarray, np.ndarray]:  # [..., 2] on the screen, [...] depth
    angle = np.deg2rad(azimuth)
    x, y, z = np.moveaxis(points, -1, 0)
    across = x * np.cos(angle) + y * np.sin(angle)
    depth = y * np.cos(angle) - x * np.sin(angle)
    return np.stack([across, z], axis=-1), depth


def _draw_mesh(ax: Axes, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
    """Shaded triangles that face the viewer, far ones first; a face has its first corner's hue."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    screen, depth = _view(corners, 25)
    toward = _view(normal, 25)[1]
    light = np.array([0.35, -0.8, 0.5]) / np.linalg.norm([0.35, -0.8, 0.5])
    shade = 0.5 + 0.5 * np.clip(normal @ light, 0, 1)
    front = np.flatnonzero(toward < 0)
    order = front[np.argsort(-depth[front].mean(axis=1))]
    fill = np.clip(colours[faces[order, 0]] * shade[order, None], 0, 1)
    ax.add_collection(
        PolyCollection(list(screen[order]), facecolors=fill, edgecolors=fill, lw=0.25)
    )
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.axis("off")


def _from_the_side(
    points: np.ndarray,  # [N, 3] camera frame
) -> np.ndarray:  # [N, 2]
    """Orthographic view along the camera's x axis: what the input does not show, depth, is wide."""
    return np.stack([points[:, 2], -points[:, 1]], axis=1)


def draw_skeleton(
    ax: Axes, joints: np.ndarray, colour: str, sides: Mapping[str, str] | None = None
) -> None:
    """Bones and joints in 2D, shape (17, 2); ``sides`` colours those of ``R_`` and of ``L_``."""

    def tone(a: int, b: int) -> str:
        name = JOINTS[max(a, b)]
        return sides.get(name[:2], colour) if sides else colour

    lines = [joints[[a, b]] for a, b in EDGES]
    ax.add_collection(
        LineCollection(lines, colors=[tone(a, b) for a, b in EDGES], linewidths=2.4, alpha=0.9)
    )
    ax.scatter(joints[:, 0], joints[:, 1], s=12, color=colour, zorder=3)


def draw_wires(ax: Axes, vertices: np.ndarray, edges: np.ndarray, colour: str) -> None:
    """The edges, shape (E, 2), of a mesh in 2D, shape (N, 2)."""
    ax.add_collection(
        LineCollection(list(vertices[edges]), colors=colour, linewidths=0.8, alpha=0.7)
    )
    ax.autoscale_view()
