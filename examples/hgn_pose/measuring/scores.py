"""From predictions to figures: errors and shares of all samples, of each action, of each joint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.measuring.metrics import distances, procrustes, rescale
from examples.hgn_pose.measuring.pck import EVERY_JOINT, OFFICIAL
from examples.hgn_pose.measuring.predictions import Predictions
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.samples.labels import Column

SIXTEEN = tuple(i for i, name in enumerate(JOINTS) if name != "Nose")
"""Joints that papers with 16 of them use, SemGCN's among them: all but the nose."""

SEVENTEEN = tuple(range(len(JOINTS)))


@dataclass(frozen=True)
class Summary:
    """Figures of a group of samples; see :mod:`.metrics` and :mod:`.pck` for their names.

    Each is a mean over samples, so that groups of frames weigh by their size.
    """

    samples: int
    """Frames times cameras, or recorded samples."""
    mpjpe: float
    """Millimetres, as the next two."""
    pa_mpjpe: float
    n_mpjpe: float
    pck: float
    """Percent of the joints, as the next three; this is MPI-INF-3DHP's own evaluation."""
    auc: float
    pck_every_joint: float
    """GraphMLP's convention."""
    auc_every_joint: float

    @classmethod
    def pooled(cls, parts: Sequence[Summary]) -> Summary:
        """Figures of several groups as one, each weighing by its samples."""
        weights = [part.samples for part in parts]
        means: dict[str, Any] = {
            name: float(np.average([getattr(part, name) for part in parts], weights=weights))
            for name in _FIGURES
        }
        return Summary(sum(weights), **means)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Summary:
        """Of what :meth:`as_json` returns.

        Examples
        --------
        >>> from examples.hgn_pose.measuring.scores import Summary
        >>> summary = Summary(300, 60.0, 50.0, 55.0, 90.0, 60.0, 92.0, 62.0)
        >>> Summary.from_json(summary.as_json()) == summary
        True
        """
        figures = {name: float(values[f"{name}_{_UNITS[name]}"]) for name in _FIGURES}
        return Summary(int(values["samples"]), **figures)

    def as_json(self) -> dict[str, Any]:
        """Plain values, with their units in their names; not rounded, so that tables round once."""
        return {
            "samples": self.samples,
            "mpjpe_mm": self.mpjpe,
            "pa_mpjpe_mm": self.pa_mpjpe,
            "n_mpjpe_mm": self.n_mpjpe,
            "pck_percent": self.pck,
            "auc_percent": self.auc,
            "pck_every_joint_percent": self.pck_every_joint,
            "auc_every_joint_percent": self.auc_every_joint,
        }


_FIGURES = tuple(field.name for field in fields(Summary) if field.name != "samples")
_UNITS = {name: "mm" if name.endswith("mpjpe") else "percent" for name in _FIGURES}


@dataclass(frozen=True)
class Scores(Summary):
    """Figures of all samples and of groups of them."""

    mpvpe: dict[str, float]
    """By number of vertices; empty without meshes. Only frames with a good body fit count."""
    per_joint: dict[str, float]
    """MPJPE of each joint; the pelvis is the root, so its error is zero."""
    per_action: dict[str, Summary]
    per_subject: dict[str, Summary]
    """By who is seen; for the test set of MPI-INF-3DHP by sequence."""

    @property
    def mean_over_actions(self) -> Summary:
        """Mean of the actions' figures, which is how Human3.6M counts: each action weighs the same.

        Examples
        --------
        >>> from examples.hgn_pose.measuring.scores import Scores, Summary
        >>> run = Summary(100, 10.0, 9.0, 9.5, 100.0, 90.0, 100.0, 90.0)
        >>> jump = Summary(300, 50.0, 40.0, 45.0, 98.0, 60.0, 98.0, 60.0)
        >>> scores = Scores(400, 40.0, 32.25, 36.125, 98.5, 67.5, 98.5, 67.5, {}, {},
        ...                 {"run": run, "jump": jump}, {})
        >>> scores.mean_over_actions.mpjpe
        30.0
        """
        means: dict[str, Any] = {
            name: float(np.mean([getattr(summary, name) for summary in self.per_action.values()]))
            for name in _FIGURES
        }
        return Summary(self.samples, **means)

    def as_json(self) -> dict[str, Any]:
        """Plain values, with their units in their names; not rounded, so that tables round once."""
        return {
            **super().as_json(),
            "mpvpe_mm": self.mpvpe,
            "mpjpe_per_joint_mm": self.per_joint,
            "per_action": {name: summary.as_json() for name, summary in self.per_action.items()},
            "per_subject": {name: summary.as_json() for name, summary in self.per_subject.items()},
            "mean_over_actions": self.mean_over_actions.as_json(),
        }


def score(predictions: Predictions, joints: Sequence[int] = SEVENTEEN) -> Scores:
    """Errors of predictions in millimetres, and the share of joints that are near, in percent.

    Parameters
    ----------
    predictions : Predictions
        S samples.
    joints : sequence of int
        Rows of ``skeleton.JOINTS`` over which MPJPE, PA-MPJPE and N-MPJPE run, alignment
        included. PCK and AUC have joints of their own.

    Returns
    -------
    Scores
    """
    errors = distances(predictions.pose, predictions.true_pose)  # [S, 17]
    chosen = list(joints)
    pose, true = predictions.pose[:, chosen], predictions.true_pose[:, chosen]
    figures = {
        "mpjpe": errors[:, chosen].mean(axis=1),
        "pa_mpjpe": distances(procrustes(pose, true), true).mean(axis=1),
        "n_mpjpe": distances(rescale(pose, true), true).mean(axis=1),
        "pck": OFFICIAL.pck(errors),
        "auc": OFFICIAL.auc(errors),
        "pck_every_joint": EVERY_JOINT.pck(errors),
        "auc_every_joint": EVERY_JOINT.auc(errors),
    }  # each [S]
    mpvpe = {}
    fitted = predictions.fitted
    if fitted.any():
        # A network without meshes has none to compare.
        for mesh, true_mesh in zip(predictions.meshes, predictions.true_meshes, strict=False):
            mpvpe[str(mesh.shape[1])] = float(distances(mesh[fitted], true_mesh[fitted]).mean())
    labels = predictions.labels
    return Scores(
        len(errors),
        **_means(figures),
        mpvpe=mpvpe,
        per_joint={JOINTS[j]: float(errors[:, j].mean()) for j in chosen},
        per_action=_grouped(figures, labels.action),
        per_subject=_grouped(figures, labels.subject),
    )


def _grouped(figures: Mapping[str, np.ndarray], label: Column) -> dict[str, Summary]:
    groups = {}
    for code, name in enumerate(label.names):
        mine = label.code == code
        means = _means({figure: column[mine] for figure, column in figures.items()})
        groups[name] = Summary(int(mine.sum()), **means)
    return groups


def _means(figures: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: float(column.mean()) for name, column in figures.items()}


def table(scores: Mapping[str, Scores]) -> str:
    """The main figures of several models as aligned text, millimetres.

    Examples
    --------
    >>> from examples.hgn_pose.measuring.scores import Scores, table
    >>> scores = Scores(4, 50.04, 40.0, 45.0, 98.0, 60.0, 98.0, 60.0, {"48": 66.0}, {}, {}, {})
    >>> print(table({"HGN": scores}))
    model  MPJPE  PA-MPJPE  N-MPJPE  MPVPE 48
    HGN     50.0      40.0     45.0      66.0
    """
    sizes = sorted({size for s in scores.values() for size in s.mpvpe}, key=int)
    head = ["model", "MPJPE", "PA-MPJPE", "N-MPJPE", *(f"MPVPE {size}" for size in sizes)]
    rows = [
        [name, f"{s.mpjpe:.1f}", f"{s.pa_mpjpe:.1f}", f"{s.n_mpjpe:.1f}"]
        + [f"{s.mpvpe[size]:.1f}" if size in s.mpvpe else "-" for size in sizes]
        for name, s in scores.items()
    ]
    return aligned(head, rows)
