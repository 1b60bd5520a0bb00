"""How well bodies fit, performer by performer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.fitting.fitter import fit
from examples.hgn_pose.motion.motion import WORST_FIT


@dataclass(frozen=True)
class FitFigures:
    """How well the body fits the frames of one performer, or of all."""

    performer: str
    frames: int
    mean_mm: float
    """Of the frames' errors, each the mean distance of the 17 joints."""
    median_mm: float
    p95_mm: float
    worst_mm: float
    refused: int
    """Frames with an error above 25 mm, which supervise no mesh."""
    ms_per_pose: float
    """Wall time, that for the performer's shape included."""

    @classmethod
    def of(cls, performer: str, error: np.ndarray, seconds: float) -> FitFigures:
        """The figures of frames with these errors, in millimetres."""
        median, p95 = np.quantile(error, [0.5, 0.95])
        return cls(
            performer=performer,
            frames=len(error),
            mean_mm=round(float(error.mean()), 2),
            median_mm=round(float(median), 2),
            p95_mm=round(float(p95), 2),
            worst_mm=round(float(error.max()), 2),
            refused=int((error > WORST_FIT).sum()),
            ms_per_pose=round(1000 * seconds / len(error), 2),
        )


def fit_performers(
    body: BodyModel,
    positions: np.ndarray,  # [T, 17, 3]
    performer: np.ndarray,  # [T]
    device: torch.device,
) -> tuple[BodyPose, np.ndarray, list[FitFigures]]:
    """Fit one performer after the other, with the time that each took.

    Returns
    -------
    poses : BodyPose
        ``person`` counts the performers in ascending order.
    error : array of float32, shape (T,)
        Millimetres.
    figures : list of FitFigures
        Performer by performer, and all of them last.
    """
    performers, person = np.unique(performer, return_inverse=True)
    error = np.empty(len(positions), np.float32)
    parts: list[BodyPose] = []
    figures: list[FitFigures] = []
    total = 0.0
    for number, name in enumerate(performers):
        frames = np.flatnonzero(person == number)
        start = time.perf_counter()
        part, error[frames] = fit(
            body, positions[frames], np.zeros(len(frames), int), device=device, progress=True
        )
        seconds = time.perf_counter() - start
        total += seconds
        parts.append(part)
        figures.append(FitFigures.of(str(name), error[frames], seconds))
    figures.append(FitFigures.of("all", error, total))
    order = np.argsort(np.argsort(person, kind="stable"))
    poses = BodyPose(
        rotations=np.concatenate([part.rotations for part in parts])[order],
        translation=np.concatenate([part.translation for part in parts])[order],
        person=person,
        blend=np.concatenate([part.blend for part in parts]),
        scale=np.concatenate([part.scale for part in parts]),
    )
    return poses, error, figures


def fit_table(figures: Sequence[FitFigures]) -> str:
    """The figures as text, one line a performer."""
    lines = ["performer  frames  mean mm  median   95 %  worst  < 25 mm  ms a pose"]
    for row in figures:
        share = f"{100 * (1 - row.refused / row.frames):.2f} %"
        lines.append(
            f"{row.performer:>9}  {row.frames:6}  {row.mean_mm:7.2f}  {row.median_mm:6.2f} "
            f"{row.p95_mm:6.2f} {row.worst_mm:6.2f} {share:>8}  {row.ms_per_pose:9.2f}"
        )
    return "\n".join(lines)
