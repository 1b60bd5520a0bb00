"""The pictures behind the figures command; each function returns one Matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.measuring.metrics import distances
from examples.hgn_pose.measuring.predictions import Predictions
from examples.hgn_pose.measuring.scores import Scores
from examples.hgn_pose.pictures.plots import INK, PALE, draw_skeleton, draw_wires, style_axes

TRUTH, OURS, BASELINE = "#24292f", "#d1352b", "#2f6fd0"
"""Black, red and blue, as in the paper."""

INPUT = {"R_": "#b7701a", "L_": "#2a9d8f"}
"""Right and left of the input, apart from the three."""

TURN, TILT = 55.0, 12.0
"""Degrees by which the view is turned, so that depth shows, and raised."""


def errors_by_part_and_action(ours: Scores, baseline: Scores, names: tuple[str, str]) -> Figure:
    """Figure 3: mean errors of body parts (left) and of actions (right), two bars each.

    Parameters
    ----------
    ours, baseline : Scores
    names : pair of str
        What to call the two networks.
    """
    parts = {
        joint.replace("R_", "right ").replace("L_", "left ").lower(): (
            baseline.per_joint[joint],
            ours.per_joint[joint],
        )
        for joint in JOINTS[1:]
    }
    actions = {
        action: (baseline.per_action[action].mpjpe, ours.per_action[action].mpjpe)
        for action in ours.per_action
    }
    means = (baseline.mean_over_actions.mpjpe, ours.mean_over_actions.mpjpe)
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    widths = [len(parts) + 1, max(len(actions) + 1, 6)]
    left, right = figure.subplots(1, 2, width_ratios=widths, sharey=True)
    _pairs(left, {**parts, "mean": (baseline.mpjpe, ours.mpjpe)})
    _pairs(right, {**actions, "mean": means})
    left.set_ylabel("mean error, mm")
    left.set_title("by body part", fontsize=11, color=INK)
    right.set_title("by action", fontsize=11, color=INK)
    handles = [
        Line2D([], [], color=colour, linewidth=7, label=name)
        for name, colour in ((names[1], BASELINE), (names[0], OURS))
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False)
    return figure


def _pairs(ax: Axes, values: Mapping[str, tuple[float, float]]) -> None:
    """Baseline beside ours, with the difference above them."""
    places = np.arange(len(values))
    for k, colour in enumerate((BASELINE, OURS)):
        heights = [pair[k] for pair in values.values()]
        ax.bar(places + (k - 0.5) * 0.38, heights, 0.36, color=colour)
    for place, (before, after) in zip(places, values.values(), strict=True):
        ax.annotate(
            f"{after - before:+.1f}",
            (float(place), max(before, after)),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=INK,
        )
    ax.axvline(len(values) - 1.5, color=PALE, linewidth=1)
    ax.set_xticks(places, list(values), rotation=40)
    for text in ax.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")
    ax.margins(x=0.02, y=0.08)
    style_axes(ax)


def side_by_side(
    ours: Predictions,
    baseline: Predictions,
    chosen: Sequence[int],
    names: tuple[str, str],
    wires: Sequence[np.ndarray],
) -> Figure:
    """Figure 4: input, truth, both networks over the truth and our coarse meshes, a row a sample.

    Parameters
    ----------
    ours, baseline : Predictions
        Of the same samples.
    chosen : sequence of int
        Samples, one row each.
    names : pair of str
    wires : sequence of array of int, each of shape (E, 2)
        Edges of the last of our meshes; none are drawn for an empty sequence.
    """
    titles = ["2D input", "truth", names[0], names[1], *(f"mesh of {names[0]}" for _ in wires)]
    figure = Figure(figsize=(2.7 * len(titles), 2.8 * len(chosen) + 0.5), layout="constrained")
    axes = figure.subplots(len(chosen), len(titles), squeeze=False)
    actions = ours.labels.action.of_samples()
    off = {name: _errors(p) for name, p in zip(names, (ours, baseline), strict=True)}
    for row, sample in zip(axes, chosen, strict=True):
        true, floor = ours.true_pose[sample], _floor(ours.true_pose[sample])
        draw_skeleton(row[0], ours.image[sample] * [1, -1], INK, INPUT)
        row[0].text(
            -0.04, 0.5, actions[sample], transform=row[0].transAxes, rotation=90,
            va="center", ha="right", color=INK,
        )  # fmt: skip
        for ax in row[1:]:
            _draw_floor(ax, floor)
        draw_skeleton(row[1], turned(true), TRUTH)
        for ax, predictions, colour, name in (
            (row[2], ours, OURS, names[0]),
            (row[3], baseline, BASELINE, names[1]),
        ):
            draw_skeleton(ax, turned(true), TRUTH)
            draw_skeleton(ax, turned(predictions.pose[sample]), colour)
            ax.text(
                0.5, -0.02, f"{off[name][sample]:.0f} mm", transform=ax.transAxes,
                ha="center", va="top", fontsize=9, color=colour,
            )  # fmt: skip
        for ax, edges, mesh, true_mesh in zip(
            row[4:], wires, ours.meshes[-1:], ours.true_meshes[-1:], strict=True
        ):
            draw_wires(ax, turned(true_mesh[sample]), edges, TRUTH)
            draw_wires(ax, turned(mesh[sample]), edges, OURS)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=11, color=INK)
    _finish(figure, axes, ((TRUTH, "truth"), (OURS, names[0]), (BASELINE, names[1])))
    return figure


@dataclass(frozen=True, eq=False)
class Shown:
    """One person in a gallery.

    Parameters
    ----------
    title : str
    image : array of float, shape (17, 2)
        The input, y down.
    pose : array of float, shape (17, 3)
        Camera frame, metres.
    meshes : sequence of array of float, each of shape (N, 3)
    true_pose : array of float, shape (17, 3), optional
        None where nobody knows it, as of images from anywhere.
    """

    title: str
    image: np.ndarray
    pose: np.ndarray
    meshes: Sequence[np.ndarray]
    true_pose: np.ndarray | None = None


def gallery(
    predictions: Predictions, chosen: Sequence[int], name: str, wires: Sequence[np.ndarray]
) -> Figure:
    """Figure 5: input, pose and coarse meshes of some samples, a column a sample.

    Parameters
    ----------
    predictions : Predictions
    chosen : sequence of int
        Samples, one column each.
    name : str
        What to call the network.
    wires : sequence of array of int, each of shape (E, 2)
        Edges of every mesh; none are drawn for an empty sequence.
    """
    actions = predictions.labels.action.of_samples()
    errors = _errors(predictions)
    people = [
        Shown(
            f"{actions[sample]}\n{errors[sample]:.0f} mm",
            predictions.image[sample],
            predictions.pose[sample],
            [mesh[sample] for mesh in predictions.meshes],
            predictions.true_pose[sample],
        )
        for sample in chosen
    ]
    return gallery_of(people, name, wires)


def gallery_of(people: Sequence[Shown], name: str, wires: Sequence[np.ndarray]) -> Figure:
    """The same of people from anywhere, a column a person.

    Parameters
    ----------
    people : sequence of Shown
    name, wires
        As in :func:`gallery`.
    """
    rows = ["2D input", "pose", *(f"{mesh.shape[0]} nodes" for mesh in people[0].meshes)]
    rows = rows[: 2 + len(wires)]
    figure = Figure(figsize=(2.1 * len(people) + 0.4, 2.4 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(people), squeeze=False)
    for column, person in zip(axes.T, people, strict=True):
        column[0].set_title(person.title, fontsize=10, color=INK)
        draw_skeleton(column[0], person.image * [1, -1], INK, INPUT)
        for ax in column[1:]:
            _draw_floor(ax, _floor(person.pose if person.true_pose is None else person.true_pose))
        if person.true_pose is not None:
            draw_skeleton(column[1], turned(person.true_pose), TRUTH)
        draw_skeleton(column[1], turned(person.pose), OURS)
        for ax, edges, mesh in zip(column[2:], wires, person.meshes, strict=False):
            draw_wires(ax, turned(mesh), edges, OURS)
    for ax, label in zip(axes[:, 0], rows, strict=True):
        ax.text(
            -0.04, 0.5, label, transform=ax.transAxes, rotation=90, va="center", ha="right",
            color=INK,
        )  # fmt: skip
    known = any(person.true_pose is not None for person in people)
    _finish(figure, axes, (*([(TRUTH, "truth")] if known else []), (OURS, name)))
    return figure


def turned(
    points: np.ndarray,  # [..., 3] camera frame
) -> np.ndarray:  # [..., 2] on the page
    """Orthographic view from the side and a little from above, in which depth shows.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.pictures.paper_figures import turned
    >>> turned(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])).round(2)
    array([[0.  , 0.98],
           [0.82, 0.12]])
    """
    turn, tilt = np.deg2rad([TURN, TILT])
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    across = x * np.cos(turn) + z * np.sin(turn)
    depth = z * np.cos(turn) - x * np.sin(turn)
    return np.stack([across, -y * np.cos(tilt) + depth * np.sin(tilt)], axis=-1)


def _floor(pose: np.ndarray) -> np.ndarray:  # [L, 2, 3] camera frame
    """A grid of half-metre squares under the lowest joint."""
    steps = np.array([-0.5, 0.0, 0.5])
    middle = pose.mean(axis=0)
    middle[1] = pose[:, 1].max()
    ends = steps[[0, -1]]
    along_x = [[[end, 0, step] for end in ends] for step in steps]
    along_z = [[[step, 0, end] for end in ends] for step in steps]
    return middle + np.array(along_x + along_z)


def _draw_floor(ax: Axes, lines: np.ndarray) -> None:
    ax.add_collection(
        LineCollection(list(turned(lines)), colors=PALE, linewidths=0.8, zorder=0), autolim=True
    )


def _errors(predictions: Predictions) -> np.ndarray:  # [S] millimetres
    return distances(predictions.pose, predictions.true_pose).mean(axis=1)


def _finish(figure: Figure, axes: np.ndarray, colours: Sequence[tuple[str, str]]) -> None:
    for ax in axes.flat:
        ax.set_aspect("equal", adjustable="datalim")
        ax.autoscale_view()
        ax.margins(0.06)
        ax.axis("off")
    sides = ((INPUT["R_"], "input, right side"), (INPUT["L_"], "input, left side"))
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=label)
        for colour, label in (*sides, *colours)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
