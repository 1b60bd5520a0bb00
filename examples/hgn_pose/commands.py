"""The train and evaluate commands: from options to files in a folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import nn

from examples.hgn_pose.body import BUILT_IN
from examples.hgn_pose.body_model import BodyModel
from examples.hgn_pose.checkpoint import (
    SHIPPED_WEIGHTS,
    Passport,
    load_weights,
    read_passport,
    resume_training,
    save_training,
    save_weights,
)
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.evaluation import watch
from examples.hgn_pose.files import make_folder, write_json
from examples.hgn_pose.machine import MachineOptions, describe
from examples.hgn_pose.networks import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.protocols import HUMAN36M, ProtocolOptions
from examples.hgn_pose.task import CMU17_VARIABLE, DataOptions, Task, load_task
from examples.hgn_pose.training import Trainer, TrainingOptions
from multiscale_gcn import Hierarchy, __version__

Flat = tyro.conf.arg(name="")


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
        task = load_task(data, device, meshes=meshes, mesh_sizes=self.network.mesh_sizes)
        model = build_network(self.network, task.hierarchy, options.seed).to(device)
        passport = passport_of(self.network, task.body, task.hierarchy, data, meshes)
        trainer = Trainer(model, task.train, task.cameras, options)
        if self.resume:
            resume_training(state, trainer, passport)
            print(f"going on after epoch {len(trainer.records)}")
        records = trainer.fit(
            watch=lambda network: watch(network, task.test, task.cameras),
            after_epoch=lambda trainer: save_training(state, trainer, passport),
            label=self.network.network,
        )
        facts = {**passport.facts, "training": options.as_json(), "multiscale_gcn": __version__}
        save_weights(self.out / "weights.safetensors", model, replace(passport, facts=facts))
        metrics = measure(model, task, self.network.network, device)
        metrics |= {
            "training": options.as_json(),
            "history": [asdict(record) for record in records],
        }
        write_json(self.out / "metrics.json", metrics)
        print(f"wrote {self.out}/weights.safetensors and metrics.json")


@dataclass(frozen=True)
class Evaluate:
    """Measure trained weights on the test frames; print the errors and write them as JSON."""

    weights: Annotated[Path | None, tyro.conf.Positional] = None
    """File of weights that demo or train wrote; by default those that come with the example."""
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    protocol: Annotated[ProtocolOptions, Flat] = field(default_factory=ProtocolOptions)
    meshes: bool = True
    """Measure the coarse meshes too where they were trained; cmu17 then needs fitted bodies."""
    out: Path | None = None
    """JSON file to write; by default beside the weights, with the ending .evaluation.json, and in
    the folder runs for those that come with the example."""

    def run(self) -> None:
        device = self.machine.prepare()
        weights = self.weights or SHIPPED_WEIGHTS
        beside = Path("runs") / weights.name if self.weights is None else weights
        out = self.out or beside.with_suffix(".evaluation.json")
        passport = read_passport(weights)
        make_folder(out.parent)
        options = NetworkOptions(**passport.network)
        meshes = self.meshes and bool(passport.facts["meshes"])
        trained_on = passport.facts["data"]
        data = self.protocol.frames(self.data.settled(trained_on))
        print(f"{options.network}, trained on {trained_on}, tested on {data.data}")
        if data.data != trained_on:
            print(OTHER_MOTION.format(trained_on=trained_on, variable=CMU17_VARIABLE))
            if CATALOGUE[data.data].joints != CATALOGUE[trained_on].joints:
                print(OTHER_JOINTS.format(trained_on=trained_on, data=data.data))
        body = data.load_body()
        check_body(weights, passport, body)
        task = load_task(
            data,
            device,
            meshes=meshes,
            mesh_sizes=options.mesh_sizes,
            test_only=True,
            body=body,
        )
        model = load_network(weights, task.body, task.hierarchy).to(device)
        metrics = measure(model, task, options.network, device, self.protocol)
        write_json(out, metrics)
        print(f"wrote {out}")


OTHER_MOTION = """note: this is another kind of motion than {trained_on}, by other bodies, so the
errors are not those of the weights on their own sort of data; for cmu17 set {variable}"""
OTHER_JOINTS = """note: the Nose and the Head of {data} are other points of the body than those
of {trained_on}"""


def load_network(weights: Path, body: BodyModel, hierarchy: Hierarchy) -> nn.Module:
    """The network of a file of weights, on the CPU.

    Parameters
    ----------
    weights : Path
        File that demo or train wrote.
    body : BodyModel
    hierarchy : Hierarchy
        Of the body.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`examples.hgn_pose.checkpoint.load_weights`, and when the network works on the
        graphs of another body.
    """
    passport = read_passport(weights)
    check_body(weights, passport, body)
    options = NetworkOptions(**passport.network)
    model = build_network(options, hierarchy, seed=0)
    load_weights(weights, model, fingerprint_for(options, hierarchy))
    return model


def check_body(weights: Path, passport: Passport, body: BodyModel) -> None:
    """Refuse a body other than the one whose graphs a network works on."""
    trained_with = passport.facts.get("body", BUILT_IN)
    if NetworkOptions(**passport.network).has_meshes and trained_with != body.name:
        remedy = (
            "leave --body-model out"
            if trained_with == BUILT_IN
            else "give its model file with --body-model"
        )
        raise ValueError(
            f"{weights} works on the graphs of {trained_with}, but here is {body.name}; {remedy}"
        )


def passport_of(
    network: NetworkOptions,
    body: BodyModel,
    hierarchy: Hierarchy,
    data: DataOptions,
    meshes: bool,
) -> Passport:
    """What the weights of a network trained on some data say about themselves."""
    train_every, _ = data.strides()
    return Passport(
        network=asdict(network),
        fingerprint=fingerprint_for(network, hierarchy),
        facts={
            "data": data.data,
            "train_every": train_every,
            "meshes": meshes,
            "body": body.name,
            **data.input_facts(),
        },
    )


def fingerprint_for(network: NetworkOptions, hierarchy: Hierarchy) -> str:
    """Fingerprint of the graphs that a network depends on; empty if it uses no coarse graph."""
    return hierarchy.fingerprint if network.has_meshes else ""


def measure(
    model: nn.Module,
    task: Task,
    name: str,
    device: torch.device,
    protocol: ProtocolOptions = HUMAN36M,
) -> dict[str, object]:
    """Evaluate on the test frames, print the table, and return all figures for a JSON file."""
    scores = protocol.measure(model, task)
    print(protocol.table(scores))
    return {
        "network": name,
        "parameters": count_parameters(model),
        "protocol": protocol.as_json(),
        "scores": scores.as_json(),
        "split": task.split,
        "machine": describe(device),
    }
