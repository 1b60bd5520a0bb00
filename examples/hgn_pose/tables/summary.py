"""From the figures of several runs to a line of a table: mean and spread over seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples.hgn_pose.measuring.protocols import by_scene
from examples.hgn_pose.measuring.scores import Summary
from examples.hgn_pose.tables.table import Entry, Table, title_of


@dataclass(frozen=True)
class Line:
    """An entry with what its runs came to.

    Attributes
    ----------
    entry : Entry
    parameters : int
    figures : mapping of str to sequence of float
        One number a run for every figure that all of them have.
    """

    entry: Entry
    parameters: int
    figures: Mapping[str, Sequence[float]]


def line_of(entry: Entry, metrics: Sequence[Mapping[str, Any]]) -> Line:
    """Of the metrics that the runs of an entry wrote."""
    rows = [_figures(one["scores"]) | _mirrored(one) for one in metrics]
    # People who are measured in turn do not do the same things.
    common = [name for name in rows[0] if all(name in row for row in rows)]
    figures = {name: [row[name] for row in rows] for name in common}
    return Line(entry, int(metrics[0]["parameters"]), figures)


def _figures(scores: Mapping[str, Any]) -> dict[str, float]:
    figures = {
        "mpjpe": scores["mpjpe_mm"],
        "pa_mpjpe": scores["pa_mpjpe_mm"],
        "pck": scores["pck_percent"],
        "auc": scores["auc_percent"],
    }
    figures |= {f"mpvpe_{size}": value for size, value in scores["mpvpe_mm"].items()}
    actions = {**scores["per_action"], "mean": scores["mean_over_actions"]}
    for action, summary in actions.items():
        figures[f"mpjpe:{action}"] = summary["mpjpe_mm"]
        figures[f"pa_mpjpe:{action}"] = summary["pa_mpjpe_mm"]
    people = {name: Summary.from_json(one) for name, one in scores["per_subject"].items()}
    return figures | {f"pck:{scene}": one.pck for scene, one in by_scene(people).items()}


def _mirrored(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Of a second pass; runs of earlier versions have none."""
    if "mirrored" not in metrics:
        return {}
    names = {"mpjpe_mm": "mpjpe_mirrored", "pa_mpjpe_mm": "pa_mpjpe_mirrored"}
    return {name: metrics["mirrored"][stored] for stored, name in names.items()}


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean, and the standard deviation over seeds where there are several.

    Examples
    --------
    >>> mean_and_spread([40.0, 41.0, 42.0]), mean_and_spread([40.04])
    ('41.0 ± 1.0', '40.0')
    """
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.1f}"


def as_markdown(table: Table, lines: Sequence[Line]) -> str:
    """The table, with the paper's figures beside ours where it has any."""
    if table.others:
        return _among_others(table, lines)
    printed = any(line.entry.paper for line in lines)
    head = ["network", "channels", "parameters"] + (["paper"] if printed else [])
    for name in table.columns:
        head += [title_of(name)] + (["paper"] if printed else [])
    rows = [head, ["---"] * len(head)]
    for line in lines:
        row = [line.entry.label, str(line.entry.network.width), f"{line.parameters:,}"]
        row += [_paper(line.entry, "parameters", " M")] if printed else []
        for name in table.columns:
            found = line.figures.get(name)
            row.append("-" if found is None else mean_and_spread(found))
            row += [_paper(line.entry, name)] if printed else []
        rows.append(row)
    return _lines(rows)


def _among_others(table: Table, lines: Sequence[Line]) -> str:
    """Ours below what the paper prints, a line each."""
    head = ["network", *(title_of(name) for name in table.columns)]
    printed = {**table.others, **{f"{line.entry.label}, paper": line.entry.paper for line in lines}}
    rows = [head, ["---"] * len(head)]
    for label, figures in printed.items():
        found = (figures.get(name) for name in table.columns)
        rows.append([label, *("-" if value is None else f"{value:.1f}" for value in found)])
    for line in lines:
        ours = (line.figures.get(name) for name in table.columns)
        cells = ["-" if values is None else mean_and_spread(values) for values in ours]
        rows.append([f"{line.entry.label}, here", *cells])
    return _lines(rows)


def _lines(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _paper(entry: Entry, name: str, unit: str = "") -> str:
    return f"{entry.paper[name]:.2f}{unit}" if name in entry.paper else "-"


def as_csv(table: Table, lines: Sequence[Line], seeds: Sequence[int | str]) -> str:
    """A row for every entry, seed and figure; the paper's have no seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network", "folder", "parameters", "figure", "seed", "value"])
    for label, figures in table.others.items():
        writer.writerows([label, "", "", name, "paper", value] for name, value in figures.items())
    for line in lines:
        entry = line.entry
        for name in table.columns:
            facts = [entry.label, entry.folder, line.parameters, name]
            if name in entry.paper:
                writer.writerow([*facts, "paper", entry.paper[name]])
            for seed, value in zip(seeds, line.figures.get(name, ()), strict=False):
                writer.writerow([*facts, seed, value])
    return text.getvalue()
