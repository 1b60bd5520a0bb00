"""The train command: from options to weights and figures in a folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions
from examples.hgn_pose.commands.runs import Run, carry_out, check_choice
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.recipes import RecipeName


@dataclass(frozen=True)
class Train:
    """Train one network, evaluate it, and write its weights and figures."""

    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    network: Annotated[NetworkOptions, Flat] = field(default_factory=NetworkOptions)
    recipe: RecipeName = "published"
    """What the options of training are by default. published: as Li et al. 2021; modern: 6,000
    steps of 1,024, AdamW and a cosine, the loss of plain distances, bfloat16, a mean of weights,
    people with other bones and limbs, no meshes."""
    training: Annotated[TrainingOptions, Flat] = field(default_factory=TrainingOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/train")
    """Folder for weights.safetensors, state.safetensors (to resume) and metrics.json."""
    resume: bool = False
    """Go on from state.safetensors in the folder, as if the run had never stopped."""

    robust: bool = False
    """Train for real video: hand-held cameras, a detector's errors, other bodies (where these are
    left at zero), and a network that faces the person."""
    seeds: tuple[int, ...] = ()
    """Train one network for each of these seeds, side by side, in the folders seed0, seed1, ... of
    --out; on a GPU that takes little longer than one."""

    def run(self) -> None:
        data = self.data.settled()
        check_choice(self.training, data)
        device = self.machine.prepare()
        runs = self._runs()
        for run in runs:
            if run.state.exists() and not self.resume:
                raise ValueError(
                    f"{run.folder} holds an earlier run; --resume goes on with it, another --out "
                    f"keeps it, and without {run.state.name} it is overwritten"
                )
            if self.resume and not run.state.exists():
                raise FileNotFoundError(f"there is no file {run.state}; leave --resume out")
        if runs[0].network.has_meshes and not runs[0].meshes:
            print("lambda_mesh = 0: the coarse meshes are neither trained nor measured")
        carry_out(runs, data, device, together=len(runs), watched=True)

    def _runs(self) -> list[Run]:
        network, training = self.network, self.training
        if self.robust:
            network = replace(network, facing=True)
            training = replace(training, augmentation=training.augmentation.robust())
        if not self.seeds:
            return [Run(self.out, network, training)]
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {self.seeds} names a seed twice; name each once")
        return [
            Run(self.out / f"seed{seed}", network, replace(training, seed=seed))
            for seed in self.seeds
        ]
