"""The robustness command: how errors grow as the 2D joints get worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from matplotlib.figure import Figure
from torch import nn
from tqdm import tqdm

from examples.hgn_pose.checkpoint import SHIPPED_WEIGHTS
from examples.hgn_pose.commands import Flat
from examples.hgn_pose.evaluation import Predictions, answer, predict
from examples.hgn_pose.files import make_folder, write_bytes, write_json
from examples.hgn_pose.machine import MachineOptions, describe
from examples.hgn_pose.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.noise import KINDS, spoil_input
from examples.hgn_pose.plots import INK, MODEL_COLOURS, png, style_axes
from examples.hgn_pose.scores import aligned
from examples.hgn_pose.task import DataOptions
from examples.hgn_pose.trained import load_trained


@dataclass(frozen=True)
class Robustness:
    """Spoil the 2D joints of the test frames more and more, and measure networks on them."""

    weights: Annotated[tuple[Path, ...], tyro.conf.Positional] = (SHIPPED_WEIGHTS,)
    """Files of weights that demo or train wrote; by default those that come with the example."""
    noise: tuple[Literal["jitter", "missing", "swaps", "outliers", "detector"], ...] = (
        "jitter",
        "missing",
        "swaps",
        "outliers",
        "detector",
    )
    """Kinds of noise."""
    levels: tuple[float, ...] = ()
    """Pixels of a 1,000-pixel image (jitter, detector) or shares of joints or limbs (the others);
    for one kind of noise, each kind has levels of its own."""
    seed: int = 0
    """Of the noise; every network sees the same."""
    flip_test: bool = False
    """Average every answer with the mirrored answer to the mirrored input."""
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/robustness")
    """Folder for robustness.json and robustness.png."""

    def run(self) -> None:
        if self.levels and len(self.noise) != 1:
            raise ValueError(
                f"levels are given for {len(self.noise)} kinds of noise; name one with --noise"
            )
        levels = {kind: tuple(self.levels) or KINDS[kind].levels for kind in self.noise}
        for kind, chosen in levels.items():
            for level in chosen:
                KINDS[kind].make(level)  # refuses levels that make no sense
        make_folder(self.out)
        device = self.machine.prepare()
        networks, task, data = load_trained(self.weights, self.data, device, meshes=False)
        curves: dict[str, dict[str, list[dict[str, float]]]] = {kind: {} for kind in self.noise}
        steps = len(networks) * sum(len(chosen) for chosen in levels.values())
        with tqdm(total=steps, desc="robustness", dynamic_ncols=True) as bar:
            for network in networks:
                clean = predict(network.model, task.test, task.cameras)
                for kind in self.noise:
                    rows = []
                    for level in levels[kind]:
                        rows.append(self._errors(network.model, clean, kind, level, device))
                        bar.update()
                    curves[kind][network.name] = rows
        for kind in self.noise:
            print(f"\n{KINDS[kind].title}: MPJPE, mm\n{_table(KINDS[kind].unit, curves[kind])}")
        report = {
            "noise": {
                kind: {"unit": KINDS[kind].unit, "curves": curves[kind]} for kind in self.noise
            },
            "seed": self.seed,
            "flip_test": self.flip_test,
            "weights": {n.name: str(path) for n, path in zip(networks, self.weights, strict=True)},
            "data": data.data,
            "split": task.split,
            "machine": describe(device),
        }
        write_json(self.out / "robustness.json", report)
        write_bytes(self.out / "robustness.png", png(robustness_curves(curves)))
        print(f"\nwrote {self.out}/robustness.json and robustness.png")

    def _errors(
        self, model: nn.Module, clean: Predictions, kind: str, level: float, device: torch.device
    ) -> dict[str, float]:
        image = spoil_input(clean.image, KINDS[kind].make(level), self.seed)
        pose, *_ = answer(model, torch.from_numpy(image).to(device), flip=self.flip_test)
        return {
            "level": level,
            "mpjpe_mm": round(mpjpe(pose, clean.true_pose), 2),
            "pa_mpjpe_mm": round(pa_mpjpe(pose, clean.true_pose), 2),
        }


Curves = Mapping[str, Sequence[Mapping[str, float]]]


def robustness_curves(curves: Mapping[str, Curves]) -> Figure:
    """MPJPE over the level of the noise: a panel for each kind, a line for each network.

    Parameters
    ----------
    curves : mapping of str to mapping of str to sequence of mapping
        By kind of noise and by network: ``level`` and ``mpjpe_mm`` of every measurement.
    """
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(1.2 + 3.5 * columns, 0.6 + 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for ax, (kind, lines) in zip(axes.flat, curves.items(), strict=False):
        for (name, points), colour in zip(lines.items(), MODEL_COLOURS, strict=False):
            ax.plot(
                [point["level"] for point in points],
                [point["mpjpe_mm"] for point in points],
                color=colour,
                marker="o",
                markersize=4,
                label=name,
            )
        ax.set_title(KINDS[kind].title, fontsize=11, color=INK)
        ax.set_xlabel(KINDS[kind].unit)
        style_axes(ax)
    axes[0, 0].set_ylim(0, None)  # shared, so only now that all lines are there
    for ax in axes[:, 0]:
        ax.set_ylabel("MPJPE, mm")
    for ax in axes.flat[len(curves) :]:
        ax.axis("off")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False)
    return figure


def _table(unit: str, curves: Curves) -> str:
    levels = [f"{point['level']:g}" for point in next(iter(curves.values()))]
    rows = [
        [name, *(f"{point['mpjpe_mm']:.1f}" for point in points)] for name, points in curves.items()
    ]
    return aligned([unit, *levels], rows)
