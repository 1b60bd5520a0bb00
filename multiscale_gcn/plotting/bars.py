"""Bars that compare methods."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from multiscale_gcn.checks.arguments import instance
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.plotting.parts import INK, PAPER, bright

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    hues = [bright(0.58 + 0.618 * i) for i in range(len(methods))]
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


def _swatch(colour: tuple[float, float, float]) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour)
