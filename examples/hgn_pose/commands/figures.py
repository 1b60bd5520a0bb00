"""The figures command: figures 3, 4 and 5 of HGN's paper from any trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine
from examples.hgn_pose.commands.predict import Predict
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_bytes, write_json
from examples.hgn_pose.lifting.reading import KeypointOptions
from examples.hgn_pose.measuring.comparison import load_for_comparison
from examples.hgn_pose.measuring.metrics import distances
from examples.hgn_pose.measuring.occlusion import hidden_joints
from examples.hgn_pose.measuring.predictions import Predictions, predict
from examples.hgn_pose.measuring.scores import Scores, score
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.pictures.paper_figures import (
    Shown,
    errors_by_part_and_action,
    gallery,
    gallery_of,
    side_by_side,
)
from examples.hgn_pose.pictures.plots import png

ACTIONS_WITH_OCCLUSION = 3
"""Rows of figure 4."""

GALLERY = 8
"""Most columns of figure 5."""


@dataclass(frozen=True)
class Figures:
    """Draw figures 3, 4 and 5 of HGN's paper: errors by part and action, and predicted poses."""

    weights: Annotated[Path, tyro.conf.Positional]
    """File of weights that demo or train wrote, of the network to show: HGN in the paper."""
    baseline: Annotated[Path, tyro.conf.Positional]
    """File of weights of the network to compare it with: SemGCN in the paper."""
    in_the_wild: tuple[Path, ...] = ()
    """Files of 2D joints that a detector found in images of yours, as predict reads them: the other
    half of figure 5 shows the middle frame of each, in figure5_in_the_wild.png."""
    reading: KeypointOptions = field(default_factory=KeypointOptions)
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/figures")
    """Folder for figure3.png, figure4.png, figure5.png and figures.json, which holds their
    numbers."""

    def run(self) -> None:
        make_folder(self.out)
        device = self.machine.prepare()
        weights = (self.weights, self.baseline)
        networks, prepared, data = load_for_comparison(weights, self.data, device, meshes=True)
        ours, baseline = (
            predict(n.model, prepared.test.of_frames(n.frames, n.spacing), prepared.cameras)
            for n in networks
        )
        names = (networks[0].name, networks[1].name)
        scores = {name: score(p) for name, p in zip(names, (ours, baseline), strict=True)}
        sizes = [mesh.shape[1] for mesh in prepared.test.single.meshes]
        wires = [prepared.hierarchy.level(size).graph.edge_index().T for size in sizes]
        shown_wires = wires if networks[0].meshes else []
        occluded, typical = samples_with_occlusion(ours, baseline), typical_samples(ours)
        figures = {
            "figure3": errors_by_part_and_action(scores[names[0]], scores[names[1]], names),
            "figure4": side_by_side(ours, baseline, occluded, names, shown_wires[-1:]),
            "figure5": gallery(ours, typical, names[0], shown_wires),
        }
        if self.in_the_wild:
            people = [self._in_the_wild(path, device) for path in self.in_the_wild]
            figures["figure5_in_the_wild"] = gallery_of(people, names[0], shown_wires)
        gains = gains_over(scores[names[0]], scores[names[1]])
        print(_table(gains))
        for name, figure in figures.items():
            write_bytes(self.out / f"{name}.png", png(figure))
        report = {
            "weights": {name: str(path) for name, path in zip(names, weights, strict=True)},
            "scores": {name: s.as_json() for name, s in scores.items()},
            "gain_mm": gains,
            "figure4_samples": _facts(ours, baseline, occluded, names),
            "figure5_samples": _facts(ours, baseline, typical, names),
            "data": data.data,
            "split": prepared.split,
            "machine": describe_machine(device),
        }
        if self.in_the_wild:
            report["in_the_wild"] = [str(path) for path in self.in_the_wild]
        write_json(self.out / "figures.json", report)
        print(
            f"wrote {', '.join(f'{name}.png' for name in figures)} and figures.json to {self.out}"
        )

    def _in_the_wild(self, path: Path, device: torch.device) -> Shown:
        """The middle frame of a file, as the network to show lifts it."""
        body = self.data.body
        lifting = Predict(path, self.weights, body, reading=self.reading)
        found = lifting.predict(device)
        middle = len(found) // 2
        return Shown(
            path.stem,
            found.image[middle],
            found.pose[middle],
            [mesh.vertices[middle] for mesh in found.meshes.values()],
        )


def samples_with_occlusion(ours: Predictions, baseline: Predictions) -> list[int]:
    """One sample each of the actions in which bodies hide most of their own joints.

    Of the quarter of an action's samples with the most hidden joints, the one is taken at which the
    gain over the baseline is the median: neither picked for the network nor against it.
    """
    hidden = hidden_joints(ours.true_pose)
    gain = _errors(baseline) - _errors(ours)
    label = ours.labels.action
    mean = [hidden[label.code == code].mean() for code in range(len(label.names))]
    chosen = []
    for code in np.argsort(-np.array(mean), kind="stable")[:ACTIONS_WITH_OCCLUSION]:
        mine = np.flatnonzero(label.code == code)
        worst = mine[np.argsort(-hidden[mine], kind="stable")][: max(len(mine) // 4, 1)]
        chosen.append(_at_percentile(worst, gain, 50))
    return chosen


def typical_samples(predictions: Predictions) -> list[int]:
    """Samples of all sorts, by action: at the median error, or at both quartiles of few actions."""
    errors = _errors(predictions)
    label = predictions.labels.action
    percentiles = (25, 75) if 2 * len(label.names) <= GALLERY else (50,)
    step = max(-(-len(label.names) // GALLERY), 1)
    return [
        _at_percentile(np.flatnonzero(label.code == code), errors, percentile)
        for code in range(0, len(label.names), step)
        for percentile in percentiles
    ]


def gains_over(ours: Scores, baseline: Scores) -> dict[str, dict[str, float]]:
    """By how many millimetres MPJPE is lower than the baseline's: by part, by action, overall."""
    return {
        "part": {joint: baseline.per_joint[joint] - ours.per_joint[joint] for joint in JOINTS[1:]},
        "action": {
            action: baseline.per_action[action].mpjpe - ours.per_action[action].mpjpe
            for action in ours.per_action
        },
        "overall": {
            "mean of the actions": baseline.mean_over_actions.mpjpe - ours.mean_over_actions.mpjpe,
            "all": baseline.mpjpe - ours.mpjpe,
        },
    }


def _errors(predictions: Predictions) -> np.ndarray:  # [S] millimetres
    return distances(predictions.pose, predictions.true_pose).mean(axis=1)


def _at_percentile(samples: np.ndarray, value: np.ndarray, percentile: float) -> int:
    order = samples[np.argsort(value[samples], kind="stable")]
    return int(order[int(percentile / 100 * (len(order) - 1))])


def _facts(
    ours: Predictions, baseline: Predictions, chosen: Sequence[int], names: tuple[str, str]
) -> list[dict[str, Any]]:
    hidden = hidden_joints(ours.true_pose[list(chosen)])
    columns = {
        name: getattr(ours.labels, name).of_samples() for name in ("action", "subject", "camera")
    }
    return [
        {
            "sample": sample,
            **{name: str(column[sample]) for name, column in columns.items()},
            "hidden_joints": int(count),
            "mpjpe_mm": {
                name: round(float(_errors(p)[sample]), 2)
                for name, p in zip(names, (ours, baseline), strict=True)
            },
        }
        for sample, count in zip(chosen, hidden, strict=True)
    ]


def _table(gains: dict[str, dict[str, float]]) -> str:
    rows = [
        [name.replace("_", " "), f"{gain:+.1f}"]
        for group in gains.values()
        for name, gain in sorted(group.items(), key=lambda item: -item[1])
    ]
    return aligned(["MPJPE below the baseline's", "mm"], rows)
