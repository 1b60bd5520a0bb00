"""Errors of groups of runs over the levels of a factor, and tables of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples.hgn_pose.measuring.conditions import TITLES
from examples.hgn_pose.measuring.text_table import aligned


@dataclass(frozen=True)
class Point:
    """What the runs of a group reach at one level, millimetres."""

    level: float
    mpjpe: tuple[float, ...]
    pa_mpjpe: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of MPJPE over the runs."""
        return float(np.mean(self.mpjpe))

    @property
    def spread(self) -> float:
        """Standard deviation of MPJPE over the runs; 0 of a single one."""
        return float(np.std(self.mpjpe, ddof=1)) if len(self.mpjpe) > 1 else 0.0

    def as_json(self) -> dict[str, Any]:
        """Means, and where there are several runs what each of them reached."""
        values: dict[str, Any] = {
            "level": self.level,
            "mpjpe_mm": round(self.mean, 2),
            "pa_mpjpe_mm": round(float(np.mean(self.pa_mpjpe)), 2),
        }
        if len(self.mpjpe) > 1:
            values["mpjpe_mm_of_runs"] = [round(value, 2) for value in self.mpjpe]
            values["pa_mpjpe_mm_of_runs"] = [round(value, 2) for value in self.pa_mpjpe]
        return values


Curves = Mapping[str, Sequence[Point]]
"""A curve for each group of runs, by its name."""


def as_text(factor: str, curves: Curves) -> str:
    """MPJPE by group and level."""
    head, *rows = _cells(factor, curves)
    return aligned(head, rows)


def as_markdown(curves: Mapping[str, Curves]) -> str:
    """A table for each factor."""
    parts = []
    for factor, lines in curves.items():
        head, *rows = _cells(factor, lines)
        table = [head, ["---"] * len(head), *rows]
        text = "\n".join("| " + " | ".join(row) + " |" for row in table)
        parts.append(f"## {TITLES[factor][0].capitalize()}\n\nMPJPE, mm.\n\n{text}\n")
    return "\n".join(parts)


def as_csv(curves: Mapping[str, Curves]) -> str:
    """A row for every factor, level, group and run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["factor", "level", "network", "run", "mpjpe_mm", "pa_mpjpe_mm"])
    for factor, lines in curves.items():
        for name, points in lines.items():
            for point in points:
                for run, errors in enumerate(zip(point.mpjpe, point.pa_mpjpe, strict=True)):
                    writer.writerow([factor, point.level, name, run, *errors])
    return text.getvalue()


def _cells(factor: str, curves: Curves) -> list[list[str]]:
    levels = [f"{point.level:g}" for point in next(iter(curves.values()))]
    rows = [
        [
            name,
            *(
                f"{point.mean:.1f}" + (f" ± {point.spread:.1f}" if len(point.mpjpe) > 1 else "")
                for point in points
            ),
        ]
        for name, points in curves.items()
    ]
    return [[TITLES[factor][1], *levels], *rows]
