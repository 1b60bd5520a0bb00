"""One HTML page that shows a run: its figures, its pictures, and what they do not say."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from examples.hgn_pose.files.templates import filled

TEMPLATE = Path(__file__).with_name("report.html")


class Cell(NamedTuple):
    """A field of a table."""

    text: str
    best: bool = False


class Row(NamedTuple):
    """A line of a table."""

    name: str
    cells: Sequence[Cell]


class Table(NamedTuple):
    """What stands above its columns, and its lines."""

    head: Sequence[str]
    rows: Sequence[Row]


def render(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The report of one demo run.

    Parameters
    ----------
    metrics : mapping
        What the demo writes to ``metrics.json``.
    pictures : mapping of str to bytes
        PNG files: ``graphs``, ``training``, ``predictions``, ``joints`` and ``actions``.

    Returns
    -------
    str
        A whole HTML document that needs no other file and no network.
    """
    models, split = metrics["models"], metrics["split"]
    return filled(
        TEMPLATE,
        metrics=metrics,
        split=split,
        options=metrics["training"]["HGN"],
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
        cards=[
            (_mm(models["HGN"]["mpjpe_mm"]), "HGN's mean joint error (MPJPE) on unseen clips"),
            (_mm(models["linear map"]["mpjpe_mm"]), "the best linear map's"),
            (_mm(models["mean pose"]["mpjpe_mm"]), "the mean pose's"),
            (_duration(metrics["seconds"]), "for everything on this page"),
        ],
        results=_results(models),
        verdict=_verdict(models),
        actions=_actions(models),
        facts={
            "Training clips": _clips(split, "train"),
            "Test clips": _clips(split, "test"),
            "Random seed": metrics["seed"],
            **metrics["machine"],
        },
    )


def _clips(split: Mapping[str, Any], part: str) -> str:
    return f"{', '.join(split[f'{part}_clips'])} ({split[f'{part}_frames']:,} frames)"


def _results(models: Mapping[str, Any]) -> Table:
    """A line for each model, the errors first: a phone shows no more than the first columns."""
    sizes = sorted({size for m in models.values() for size in m["mpvpe_mm"]}, key=int)
    errors = {
        "MPJPE": [m["mpjpe_mm"] for m in models.values()],
        "PA-MPJPE": [m["pa_mpjpe_mm"] for m in models.values()],
    } | {
        f"MPVPE, {size} nodes": [m["mpvpe_mm"].get(size) for m in models.values()] for size in sizes
    }
    columns = [_numbers(values) for values in errors.values()]
    rows = [
        Row(name, [*cells, Cell(f"{m['parameters']:,}"), Cell(_duration(m["seconds"]))])
        for (name, m), cells in zip(models.items(), zip(*columns, strict=True), strict=True)
    ]
    return Table(["model", *errors, "parameters", "trained in"], rows)


def _actions(models: Mapping[str, Any]) -> Table:
    actions = next(iter(models.values()))["per_action"]
    errors = {
        action: [m["per_action"][action]["mpjpe_mm"] for m in models.values()] for action in actions
    }
    errors["mean of the actions"] = [m["mean_over_actions"]["mpjpe_mm"] for m in models.values()]
    rows = [Row(action, _numbers(values)) for action, values in errors.items()]
    return Table(["MPJPE, mm", *models], rows)


def _verdict(models: Mapping[str, Any]) -> dict[str, Any]:
    first, second = sorted(models, key=lambda name: models[name]["mpjpe_mm"])[:2]
    hgn, best = models["HGN"], models[first]
    longer = hgn["seconds"] / max(models["MLP (SimpleBaseline)"]["seconds"], 0.1)
    return {
        "first": first,
        "second": second,
        "gap": f"{models[second]['mpjpe_mm'] - best['mpjpe_mm']:.1f}",
        "longer": f"{longer:.0f}",
        "larger": f"{hgn['parameters'] / best['parameters']:.2f}" if best["parameters"] else "many",
        "meshes": bool(best["mpvpe_mm"]),
    }


def _numbers(values: Sequence[float | None]) -> list[Cell]:
    """Errors that are compared; the least is marked."""
    least = min(value for value in values if value is not None)
    return [Cell("-") if v is None else Cell(f"{v:.1f}", v == least) for v in values]


def _mm(value: float) -> str:
    return f"{value:.1f} mm"


def _duration(seconds: float) -> str:
    """Words for a time.

    Examples
    --------
    >>> _duration(0.2), _duration(42.4), _duration(150)
    ('under 1 s', '42 s', '2 min 30 s')
    """
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
