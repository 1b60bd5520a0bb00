"""What a comparison prints, draws and films."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from examples.mesh_flow.channel import Channel
from multiscale_gcn.checks.writing import whole_file

matplotlib.use("Agg")


@dataclass(frozen=True)
class Row:
    """Of one network.

    Attributes
    ----------
    name : str
    parameters : int
    one_step, rollout : float
        Relative L2 errors of test states: after a step from true ones, and at the end of a rollout.
    training_seconds, milliseconds_a_step : float
    """

    name: str
    parameters: int
    one_step: float
    rollout: float
    training_seconds: float
    milliseconds_a_step: float


def table(rows: Sequence[Row], steps: int) -> str:
    """As Markdown."""
    lines = [
        f"| network | parameters | error after 1 step | after {steps} | training | a step |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {row.parameters:,} | {row.one_step:.3f} | {row.rollout:.3f} | "
        f"{row.training_seconds:.0f} s | {row.milliseconds_a_step:.0f} ms |"
        for row in rows
    ]
    return "\n".join(lines)


def write_figures(path: Path, rows: Sequence[Row], options: Mapping[str, object]) -> None:
    """The table as JSON, whole or not at all."""
    content = {"options": dict(options), "rows": [asdict(row) for row in rows]}
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def picture(
    path: Path, mesh: Channel, states: Mapping[str, np.ndarray], losses: Mapping[str, list[float]]
) -> None:
    """The last state of every rollout and how far it is off, and the losses in training."""
    truth = states["solver"]
    figure = Figure(figsize=(13, 3.0 * len(states)), layout="constrained")
    axes = figure.subplots(len(states), 2, squeeze=False)
    triangles = _triangulation(mesh)
    for (name, found), (left, right) in zip(states.items(), axes, strict=True):
        _draw(left, triangles, found[-1], f"{name}, step {len(truth) - 1}", "inferno", 0, 1)
        if name == "solver":
            _draw_losses(right, losses)
        else:
            title = f"{name}: error"
            _draw(right, triangles, found[-1] - truth[-1], title, "coolwarm", -0.3, 0.3)
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=80)


def film(path: Path, mesh: Channel, states: Mapping[str, np.ndarray]) -> None:
    """All rollouts side by side as a GIF."""
    figure = Figure(figsize=(9, 2.5 * -(-len(states) // 2)), layout="constrained")
    axes = figure.subplots(-(-len(states) // 2), 2, squeeze=False).ravel()
    triangles = _triangulation(mesh)
    artists = [
        _draw(axis, triangles, found[0], name, "inferno", 0, 1)
        for axis, (name, found) in zip(axes, states.items(), strict=False)
    ]
    for axis in axes[len(artists) :]:
        axis.set_axis_off()

    def show(k: int) -> list[Artist]:
        for artist, found in zip(artists, states.values(), strict=True):
            artist.set_array(found[k])
        return list(artists)

    count = len(states["solver"])
    animation = FuncAnimation(figure, show, frames=count, blit=False)
    part = path.with_suffix(".part.gif")
    animation.save(part, writer=PillowWriter(fps=3), dpi=70)
    part.replace(path)


def _triangulation(mesh: Channel) -> Triangulation:
    x, y = mesh.positions.T
    return Triangulation(x, y, mesh.triangles)


def _draw(
    axis: Axes,
    triangles: Triangulation,
    values: np.ndarray,
    title: str,
    colours: str,
    low: float,
    high: float,
) -> Any:
    artist = axis.tripcolor(triangles, values, shading="gouraud", cmap=colours, vmin=low, vmax=high)
    axis.set_aspect("equal")
    axis.set_axis_off()
    axis.set_title(title, fontsize=10)
    return artist


def _draw_losses(axis: Axes, losses: Mapping[str, list[float]]) -> None:
    for name, values in losses.items():
        width = max(1, min(25, len(values) // 4))
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axis.semilogy(np.arange(len(smooth)) + width, smooth, label=name)
    axis.set_xlabel("updates")
    axis.set_ylabel("loss")
    axis.legend(frameon=False)
    axis.set_title("training", fontsize=10)
