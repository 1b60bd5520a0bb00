"""The evaluate command: trained weights on the test frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import nn

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_VARIABLE
from examples.hgn_pose.files.writing import make_folder, write_json
from examples.hgn_pose.measuring.protocols import HUMAN36M, ProtocolOptions
from examples.hgn_pose.network.building import count_parameters
from examples.hgn_pose.network.passports import (
    check_body,
    check_unseen,
    load_network,
    network_of,
    steps_per_second_of,
)
from examples.hgn_pose.network.weights import SHIPPED, read_passport, weights_file
from examples.hgn_pose.samples.preparing import PreparedData, prepare_data


@dataclass(frozen=True)
class Evaluate:
    """Measure trained weights on the test frames; print the errors and write them as JSON."""

    weights: Annotated[Path, tyro.conf.Positional] = Path("studio")
    """File of weights that demo or train wrote; or studio, lifter, video, clips or robust, those
    that come with the example."""
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
        weights = weights_file(self.weights)
        beside = Path("runs") / weights.name if weights in SHIPPED.values() else weights
        out = self.out or beside.with_suffix(".evaluation.json")
        passport = read_passport(weights)
        make_folder(out.parent)
        options = network_of(weights, passport)
        meshes = self.meshes and passport.facts["meshes"]
        trained_on = passport.facts["data"]
        data = self.protocol.frames(self.data.settled(trained_on))
        check_unseen(weights, passport, data)
        print(f"{options.network}, trained on {trained_on}, tested on {data.data}")
        if data.data != trained_on:
            print(OTHER_MOTION.format(trained_on=trained_on, variable=CMU17_VARIABLE))
            known = CATALOGUE.get(trained_on)
            if known is not None and CATALOGUE[data.data].joints != known.joints:
                print(OTHER_JOINTS.format(trained_on=trained_on, data=data.data))
        body = data.load_body()
        check_body(weights, passport, body)
        prepared = prepare_data(
            data,
            device,
            mesh_sizes=options.mesh_sizes if meshes else (),
            frames=options.window,
            spacing=options.spacing,
            test_only=True,
            body=body,
            graphs=options.graphs,
        )
        if prepared.steps_per_second is not None:
            trained = steps_per_second_of(weights, passport)
            if not math.isclose(trained, prepared.steps_per_second, rel_tol=ALIKE):
                print(OTHER_RATE.format(trained=trained, tested=prepared.steps_per_second))
        model = load_network(weights, prepared.body, prepared.hierarchy).to(device)
        metrics = measure(model, prepared, options.network, device, self.protocol)
        write_json(out, metrics)
        print(f"wrote {out}")


ALIKE = 0.05
"""Rates of frames that differ by less are not told apart."""

OTHER_RATE = """note: clips of the training had {trained:.3g} frames a second, and these have
{tested:.3g}, so what the network sees moves at another pace"""
OTHER_MOTION = """note: this is another kind of motion than {trained_on}, by other bodies, so the
errors are not those of the weights on their own sort of data; for cmu17 set {variable}"""
OTHER_JOINTS = """note: the Nose and the Head of {data} are other points of the body than those
of {trained_on}"""


def measure(
    model: nn.Module,
    prepared: PreparedData,
    name: str,
    device: torch.device,
    protocol: ProtocolOptions = HUMAN36M,
) -> dict[str, object]:
    """Evaluate on the test frames, print the table, and return all figures for a JSON file."""
    scores = protocol.measure(model, prepared)
    print(protocol.table(scores))
    return {
        "network": name,
        "parameters": count_parameters(model),
        "protocol": protocol.as_json(),
        "scores": scores.as_json(),
        "split": prepared.split,
        "machine": describe_machine(device),
    }
