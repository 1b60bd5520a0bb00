"""The picture behind the robustness command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from examples.hgn_pose.measuring.noise import KINDS
from examples.hgn_pose.pictures.plots import INK, MODEL_COLOURS, style_axes

Curves = Mapping[str, Sequence[Mapping[str, float]]]


def robustness_curves(curves: Mapping[str, Curves]) -> Figure:
    """MPJPE over the level of the noise: a panel for each kind, a line for each network.

    Parameters
    ----------
    curves : mapping of str to mapping of str to sequence of mapping
        By kind of noise and by network: ``level`` and ``mpjpe_mm`` of every measurement.
    """
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(1.2 + 3.5 * columns, 0.6 + 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for ax, (kind, lines) in zip(axes.flat, curves.items(), strict=False):
        for (name, points), colour in zip(lines.items(), MODEL_COLOURS, strict=False):
            ax.plot(
                [point["level"] for point in points],
                [point["mpjpe_mm"] for point in points],
                color=colour,
                marker="o",
                markersize=4,
                label=name,
            )
        ax.set_title(KINDS[kind].title, fontsize=11, color=INK)
        ax.set_xlabel(KINDS[kind].unit)
        style_axes(ax)
    axes[0, 0].set_ylim(0, None)  # shared, so only now that all lines are there
    for ax in axes[:, 0]:
        ax.set_ylabel("MPJPE, mm")
    for ax in axes.flat[len(curves) :]:
        ax.axis("off")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False)
    return figure
