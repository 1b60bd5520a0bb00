"""The picture behind the robustness command."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

from matplotlib.figure import Figure

from examples.hgn_pose.measuring.conditions import TITLES
from examples.hgn_pose.measuring.curves import Curves
from examples.hgn_pose.measuring.noise import KINDS
from examples.hgn_pose.pictures.plots import CLUSTER_COLOURS, INK, MODEL_COLOURS, style_axes

COLOURS = (*MODEL_COLOURS, *CLUSTER_COLOURS)
STYLES = ("-", "--", ":")
"""Of the lines, where there are more networks than colours."""


def robustness_curves(curves: Mapping[str, Curves]) -> Figure:
    """MPJPE over the level of a factor: a panel for each, a line for each network.

    A band of one standard deviation lies around the mean of several runs. Panels of noise have one
    scale, all others another.

    Parameters
    ----------
    curves : mapping of str to Curves
        By factor.
    """
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(1.2 + 3.5 * columns, 0.9 + 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    highest = {True: 0.0, False: 0.0}
    for ax, (factor, lines) in zip(axes.flat, curves.items(), strict=False):
        looks = cycle((colour, style) for style in STYLES for colour in COLOURS)
        for (name, points), (colour, style) in zip(lines.items(), looks, strict=False):
            levels = [point.level for point in points]
            look = {"color": colour, "linestyle": style, "marker": "o", "markersize": 4}
            ax.plot(levels, [point.mean for point in points], label=name, **look)
            low, high = ([point.mean + side * point.spread for point in points] for side in (-1, 1))
            if any(point.spread for point in points):
                ax.fill_between(levels, low, high, color=colour, alpha=0.2, linewidth=0)
            highest[factor in KINDS] = max(highest[factor in KINDS], *high)
        title, unit = TITLES[factor]
        ax.set_title(title, fontsize=11, color=INK)
        ax.set_xlabel(unit)
        style_axes(ax)
    for ax, factor in zip(axes.flat, curves, strict=False):
        ax.set_ylim(0, 1.05 * highest[factor in KINDS])
    for ax in axes[:, 0]:
        ax.set_ylabel("MPJPE, mm")
    for ax in axes.flat[len(curves) :]:
        ax.axis("off")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=min(len(labels), columns), frameon=False
    )
    return figure
