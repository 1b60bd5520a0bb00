"""The train command: from options to weights and figures in a folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

from examples.hgn_pose.commands.evaluate import measure
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_json
from examples.hgn_pose.measuring.evaluation import watch
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import passport_of
from examples.hgn_pose.network.weights import (
    save_weights,
)
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.trainer import Trainer
from multiscale_gcn import __version__


@dataclass(frozen=True)
class Train:
    """Train one network, evaluate it, and write its weights and figures."""

    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    network: Annotated[NetworkOptions, Flat] = field(default_factory=NetworkOptions)
    training: Annotated[TrainingOptions, Flat] = field(default_factory=TrainingOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/train")
    """Folder for weights.safetensors, state.safetensors (to resume) and metrics.json."""
    resume: bool = False
    """Go on from state.safetensors in the folder, as if the run had never stopped."""

    def run(self) -> None:
        device = self.machine.prepare()
        state = self.out / "state.safetensors"
        if not self.resume:
            if state.exists():
                raise ValueError(
                    f"{self.out} holds an earlier run; --resume goes on with it, another --out "
                    f"keeps it, and without {state.name} it is overwritten"
                )
            make_folder(self.out)
        options = self.training
        meshes = self.network.has_meshes and options.lambdas()[1] > 0
        if self.network.has_meshes and not meshes:
            print("lambda_mesh = 0: the coarse meshes are neither trained nor measured")
        data = self.data.settled()
        prepared = prepare_data(data, device, mesh_sizes=self.network.mesh_sizes if meshes else ())
        model = build_network(self.network, prepared.hierarchy, options.seed).to(device)
        passport = passport_of(self.network, prepared.body, prepared.hierarchy, data, meshes)
        trainer = Trainer(model, prepared.train, prepared.cameras, options)
        if self.resume:
            resume_training(state, trainer, passport)
            print(f"going on after epoch {len(trainer.records)}")
        records = trainer.fit(
            watch=lambda network: watch(network, prepared.test, prepared.cameras),
            after_epoch=lambda trainer: save_training(state, trainer, passport),
            label=self.network.network,
        )
        facts = {**passport.facts, "training": options.as_json(), "multiscale_gcn": __version__}
        save_weights(self.out / "weights.safetensors", model, replace(passport, facts=facts))
        metrics = measure(model, prepared, self.network.network, device)
        metrics |= {
            "training": options.as_json(),
            "history": [asdict(record) for record in records],
        }
        write_json(self.out / "metrics.json", metrics)
        print(f"wrote {self.out}/weights.safetensors and metrics.json")
