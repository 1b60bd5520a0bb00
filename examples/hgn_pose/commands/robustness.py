"""The robustness command: how errors grow as the 2D joints get worse."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor
from tqdm import tqdm

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_bytes, write_json
from examples.hgn_pose.measuring.comparison import ComparedNetwork, load_for_comparison
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.noise import KINDS, spoil_input
from examples.hgn_pose.measuring.predictions import Predictions, answer, predict
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.network.weights import SHIPPED_WEIGHTS
from examples.hgn_pose.pictures.plots import png
from examples.hgn_pose.pictures.robustness_curves import Curves, robustness_curves


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
        networks, prepared, data = load_for_comparison(
            self.weights, self.data, device, meshes=False
        )
        curves: dict[str, dict[str, list[dict[str, float]]]] = {kind: {} for kind in self.noise}
        steps = len(networks) * sum(len(chosen) for chosen in levels.values())
        with tqdm(total=steps, desc="robustness", dynamic_ncols=True) as bar:
            for network in networks:
                clean = predict(network.model, network.test, prepared.cameras)
                for kind in self.noise:
                    rows = []
                    for level in levels[kind]:
                        rows.append(self._errors(network, clean, kind, level, prepared.cameras))
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
            "split": prepared.split,
            "machine": describe_machine(device),
        }
        write_json(self.out / "robustness.json", report)
        write_bytes(self.out / "robustness.png", png(robustness_curves(curves)))
        print(f"\nwrote {self.out}/robustness.json and robustness.png")

    def _errors(
        self,
        network: ComparedNetwork,
        clean: Predictions,
        kind: str,
        level: float,
        cameras: Cameras,
    ) -> dict[str, float]:
        """Every network gets the same spoiled frames; of a clip those around are spoiled too."""
        noise, device = KINDS[kind].make(level), network.test.device

        def spoil(image: Tensor) -> Tensor:
            return torch.from_numpy(spoil_input(image.cpu().numpy(), noise, self.seed)).to(device)

        image = spoil(torch.from_numpy(clean.image))
        inputs = network.test.inputs(cameras, image, spoil)
        pose, *_ = answer(network.model, inputs, flip=self.flip_test)
        return {
            "level": level,
            "mpjpe_mm": round(mpjpe(pose, clean.true_pose), 2),
            "pa_mpjpe_mm": round(pa_mpjpe(pose, clean.true_pose), 2),
        }


def _table(unit: str, curves: Curves) -> str:
    levels = [f"{point['level']:g}" for point in next(iter(curves.values()))]
    rows = [
        [name, *(f"{point['mpjpe_mm']:.1f}" for point in points)] for name, points in curves.items()
    ]
    return aligned([unit, *levels], rows)
