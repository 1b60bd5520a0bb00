"""Measure a network on held-out frames: every frame, every camera, nothing augmented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.cameras import Cameras
from examples.hgn_pose.labels import Labels
from examples.hgn_pose.metrics import distances, procrustes
from examples.hgn_pose.samples import Samples, make_batch
from examples.hgn_pose.skeleton import JOINTS

Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers beside the truth, camera frame, root-relative, metres, sample by sample.

    Samples run over the rows of ``Samples``, and over the views within a row.
    """

    image: np.ndarray  # [S, 17, 2] the network's input
    pose: np.ndarray  # [S, 17, 3]
    true_pose: np.ndarray  # [S, 17, 3]
    meshes: tuple[np.ndarray, ...]  # each [S, N, 3]; none for a network without meshes
    true_meshes: tuple[np.ndarray, ...]  # each [S, N, 3]
    fitted: np.ndarray  # [S] bool
    labels: Labels  # of S samples


@dataclass(frozen=True)
class Scores:
    """Errors in millimetres; see :mod:`examples.hgn_pose.metrics` for their names."""

    samples: int
    """Frames times cameras, or recorded samples."""
    mpjpe: float
    """Mean over all samples."""
    pa_mpjpe: float
    mpvpe: dict[str, float]
    """By number of vertices; empty without meshes. Only frames with a good body fit count."""
    per_joint: dict[str, float]
    """MPJPE of each joint; the pelvis is the root, so its error is zero."""
    per_action: dict[str, tuple[float, float]]
    """MPJPE and PA-MPJPE of each action."""

    @property
    def mean_over_actions(self) -> float:
        """Mean of the actions' MPJPE, which is how Human3.6M counts: each action weighs the same.

        Examples
        --------
        >>> from examples.hgn_pose.evaluation import Scores
        >>> Scores(4, 30.0, 20.0, {}, {}, {"run": (10.0, 9.0), "jump": (50.0, 40.0)}
        ...        ).mean_over_actions
        30.0
        """
        return float(np.mean([first for first, _ in self.per_action.values()]))

    def as_json(self) -> dict[str, Any]:
        """Plain values, millimetres to the hundredth."""
        return {
            "samples": self.samples,
            "mpjpe_mm": round(self.mpjpe, 2),
            "pa_mpjpe_mm": round(self.pa_mpjpe, 2),
            "mpjpe_mean_over_actions_mm": round(self.mean_over_actions, 2),
            "mpvpe_mm": {size: round(value, 2) for size, value in self.mpvpe.items()},
            "mpjpe_per_joint_mm": {name: round(v, 2) for name, v in self.per_joint.items()},
            "per_action_mm": {
                name: {"mpjpe": round(first, 2), "pa_mpjpe": round(second, 2)}
                for name, (first, second) in self.per_action.items()
            },
        }


def predict(
    model: nn.Module, samples: Samples, cameras: Cameras, batch_size: int = 1024
) -> Predictions:
    """Run a network over every frame in every camera, or over every recorded sample.

    The predicted pelvis is subtracted from all that is predicted, as the true one is from the
    truth (protocol #1 of Human3.6M).

    Parameters
    ----------
    model : nn.Module
        Takes (B, 17, 2) and returns a tuple: the pose and possibly the meshes. It is switched to
        evaluation.
    samples : Samples
        On the model's device.
    cameras : Cameras
        On the same device.
    batch_size : int
        Samples at once; changes the speed only.

    Returns
    -------
    Predictions
        float32 arrays on the CPU.
    """
    model.eval()
    views = samples.views(cameras)
    device = samples.positions.device
    everything = torch.arange(len(samples) * views, device=device)
    rows: list[list[Tensor]] = []
    with torch.inference_mode():
        for chosen in everything.split(batch_size):
            batch = make_batch(samples, cameras, chosen // views, chosen % views)
            answers = model(batch.image)
            pose, *meshes = (answer - answers[0][:, :1] for answer in answers)
            rows.append([batch.image, batch.pose, pose, batch.fitted, *meshes, *batch.meshes])
    columns = [torch.cat(column).cpu().numpy() for column in zip(*rows, strict=True)]
    image, true_pose, predicted_pose, fitted = columns[:4]
    first_true_mesh = len(columns) - len(samples.meshes)
    return Predictions(
        image=image,
        pose=predicted_pose,
        true_pose=true_pose,
        meshes=tuple(columns[4:first_true_mesh]),
        true_meshes=tuple(columns[first_true_mesh:]),
        fitted=fitted,
        labels=samples.labels(cameras),
    )


def score(predictions: Predictions) -> Scores:
    """Errors of predictions, in millimetres.

    Parameters
    ----------
    predictions : Predictions
        S samples.

    Returns
    -------
    Scores
    """
    errors = distances(predictions.pose, predictions.true_pose)  # [S, 17]
    aligned = distances(
        procrustes(predictions.pose, predictions.true_pose), predictions.true_pose
    ).mean(axis=1)
    plain = errors.mean(axis=1)
    action = predictions.labels.action
    actions = {
        name: (float(plain[action.code == k].mean()), float(aligned[action.code == k].mean()))
        for k, name in enumerate(action.names)
    }
    mpvpe = {}
    fitted = predictions.fitted
    if fitted.any():
        # A network without meshes has none to compare.
        for mesh, true in zip(predictions.meshes, predictions.true_meshes, strict=False):
            mpvpe[str(mesh.shape[1])] = float(distances(mesh[fitted], true[fitted]).mean())
    return Scores(
        samples=len(errors),
        mpjpe=float(plain.mean()),
        pa_mpjpe=float(aligned.mean()),
        mpvpe=mpvpe,
        per_joint=dict(zip(JOINTS, errors.mean(axis=0).tolist(), strict=True)),
        per_action=actions,
    )


def evaluate(model: nn.Module, samples: Samples, cameras: Cameras) -> Scores:
    """Predict and score in one go.

    Parameters
    ----------
    model : nn.Module
        As in :func:`predict`.
    samples, cameras
        On the model's device.

    Returns
    -------
    Scores
    """
    return score(predict(model, samples, cameras))


def table(scores: dict[str, Scores]) -> str:
    """The main figures of several models as aligned text.

    Examples
    --------
    >>> from examples.hgn_pose.evaluation import Scores, table
    >>> print(table({"HGN": Scores(4, 50.04, 40.0, {"48": 66.0}, {}, {})}))
    model   MPJPE  PA-MPJPE  MPVPE 48
    HGN      50.0      40.0      66.0
    """
    sizes = sorted({size for s in scores.values() for size in s.mpvpe}, key=int)
    head = ["model", "MPJPE", "PA-MPJPE", *(f"MPVPE {size}" for size in sizes)]
    rows = [
        [name, f"{s.mpjpe:.1f}", f"{s.pa_mpjpe:.1f}"]
        + [f"{s.mpvpe[size]:.1f}" if size in s.mpvpe else "-" for size in sizes]
        for name, s in scores.items()
    ]
    first = max(len(row[0]) for row in [head, *rows])
    widths = [first] + [max(7, len(cell)) for cell in head[1:]]
    return "\n".join(
        row[0].ljust(first)
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in [head, *rows]
    )
