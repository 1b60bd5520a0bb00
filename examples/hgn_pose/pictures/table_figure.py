"""The picture of a table: every run a dot, the paper's figure beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from examples.hgn_pose.pictures.plots import INK, MODEL_COLOURS, style_axes


def table_figure(
    title: str, rows: Sequence[tuple[str, Sequence[float], float | None]], unit: str
) -> Figure:
    """Dots of runs in a row for each network.

    Parameters
    ----------
    title : str
    rows : sequence of (label, values of the seeds, the paper's value or None)
    unit : str
        What the values are.
    """
    figure = Figure(figsize=(7.5, 1.2 + 0.42 * len(rows)), layout="constrained")
    ax = figure.subplots()
    ours, paper = MODEL_COLOURS[0], MODEL_COLOURS[1]
    labels: Mapping[int, str] = {place: label for place, (label, _, _) in enumerate(rows)}
    for place, (_, values, printed) in enumerate(rows):
        ax.plot(values, [place] * len(values), "o", color=ours, alpha=0.7, label="a seed")
        ax.plot([sum(values) / len(values)], [place], "|", color=ours, markersize=18)
        if printed is not None:
            ax.plot([printed], [place], "D", color=paper, label="paper, on Human3.6M")
    ax.set_yticks(list(labels), list(labels.values()))
    ax.invert_yaxis()
    ax.set_xlabel(unit)
    ax.set_title(title, fontsize=11, color=INK)
    style_axes(ax)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False
    )
    return figure
