"""Training runs in folders: made, resumed and measured, several side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from examples.hgn_pose.body.coarse import CoarseGraphs
from examples.hgn_pose.commands.evaluate import measure
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.writing import make_folder, write_json
from examples.hgn_pose.measuring.evaluation import watch
from examples.hgn_pose.measuring.protocols import MIRRORED
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import passport_of
from examples.hgn_pose.network.precision import ends_of
from examples.hgn_pose.network.weights import Passport, save_weights
from examples.hgn_pose.samples.preparing import PreparedData, prepare_data
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.distributed import spread, synchronise_norms
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.processes import ALONE, Team
from examples.hgn_pose.training.side_by_side import fit_side_by_side
from examples.hgn_pose.training.trainer import Trainer
from multiscale_gcn import __version__


@dataclass(frozen=True)
class Run:
    """One network, trained in one way, into one folder."""

    folder: Path
    network: NetworkOptions
    training: TrainingOptions

    @property
    def meshes(self) -> bool:
        """Whether the coarse meshes are trained."""
        return self.network.has_meshes and self.training.lambdas()[1] > 0

    @property
    def mesh_sizes(self) -> tuple[int, ...]:
        """Of the targets that it needs."""
        return self.network.mesh_sizes if self.meshes else ()

    @property
    def needs(self) -> tuple[CoarseGraphs, tuple[int, ...], int, int]:
        """Its coarse graphs, sizes of the meshes that it learns, frames of a window, their spacing.

        Runs that need the same share their samples.
        """
        network = self.network
        return network.graphs, self.mesh_sizes, network.window, network.spacing

    @property
    def state(self) -> Path:
        """Where it can be resumed from."""
        return self.folder / "state.safetensors"

    @property
    def metrics(self) -> Path:
        """What it came to; it is there when the run is over."""
        return self.folder / "metrics.json"

    def read_metrics(self, data: DataOptions) -> Mapping[str, Any]:
        """Raises ValueError where they are of another run, or no metrics."""
        with reading(self.metrics, "remove the folder, or give another --out"):
            metrics: dict[str, Any] = json.loads(self.metrics.read_bytes())
            wanted = {"training": self.training.as_json(), "network": self.network.as_json()}
            wanted = json.loads(json.dumps(wanted))
            found = {"training": metrics["training"], "network": metrics["options"]}
            if found != wanted:
                raise ValueError("they are of a run with other options")
            if metrics["data"] != json.loads(json.dumps(data.as_json())):
                raise ValueError("they are of a run on other data")
        return metrics


def carry_out(
    runs: Sequence[Run],
    data: DataOptions,
    device: torch.device,
    *,
    together: int,
    watched: bool = False,
    seconds_between_states: float = 0.0,
    team: Team = ALONE,
) -> None:
    """Train, measure and write some runs; those with a state in their folder go on from it.

    Parameters
    ----------
    runs : sequence of Run
    data : DataOptions
    device : torch.device
    together : int
        How many are trained side by side.
    watched : bool
        Whether the test error is recorded after every epoch.
    seconds_between_states : float
        After an epoch a state is written if none was for so long, and after the last one.
    team : Team
        The processes that do this together, of which one writes; this one is alone by default.
    """
    for run in runs:
        check_choice(run.training, data)
    if team.writes:
        for run in runs:
            make_folder(run.folder)
    prepared: dict[tuple[CoarseGraphs, tuple[int, ...], int, int], PreparedData] = {}
    for begin in range(0, len(runs), together):
        chunk = runs[begin : begin + together]
        for run in chunk:
            if run.needs not in prepared:
                graphs, sizes, frames, spacing = run.needs
                with team.one_first():
                    prepared[run.needs] = prepare_data(
                        data,
                        device,
                        mesh_sizes=sizes,
                        frames=frames,
                        spacing=spacing,
                        graphs=graphs,
                    )
        pairs = [(run, prepared[run.needs]) for run in chunk]
        _train(pairs, data, device, watched, seconds_between_states, team)


def check_choice(training: TrainingOptions, data: DataOptions) -> None:
    """Refuse to choose an epoch by people for the test.

    Raises
    ------
    ValueError
    """
    if training.keep == "best" and not data.validation:
        raise ValueError(
            "keep = best would choose the epoch by the test performers; hold training performers "
            "out with --held-out or --fold, or keep the last"
        )


def _train(
    runs: Sequence[tuple[Run, PreparedData]],
    data: DataOptions,
    device: torch.device,
    watched: bool,
    seconds_between_states: float,
    team: Team,
) -> None:
    """Train and measure some runs side by side."""
    trainers: list[Trainer] = []
    passports: dict[Trainer, tuple[Run, Passport]] = {}
    written: dict[Trainer, float] = {}
    for run, prepared in runs:
        model = build_network(run.network, prepared.hierarchy, run.training.seed, prepared.body).to(
            device
        )
        passport = passport_of(
            run.network,
            prepared.body,
            prepared.hierarchy,
            data,
            run.meshes,
            prepared.steps_per_second,
        )
        if run.training.batch_norm == "synchronised":
            model = synchronise_norms(model, team, device)
        ends = ends_of(run.network.network, model)
        trainer = Trainer(
            model, prepared.train, prepared.cameras, run.training, ends=ends, team=team
        )
        if run.state.exists():
            resume_training(run.state, trainer, passport)
            print(f"{run.folder}: going on after epoch {len(trainer.records)}")
        trainers.append(trainer)
        passports[trainer] = run, passport
        written[trainer] = time.monotonic()

    def save(trainer: Trainer) -> None:
        over = len(trainer.records) == trainer.options.epochs
        if not team.writes:
            return
        if over or time.monotonic() - written[trainer] >= seconds_between_states:
            run, passport = passports[trainer]
            save_training(run.state, trainer, passport)
            written[trainer] = time.monotonic()

    watched = watched or any(run.training.keep == "best" for run, _ in runs)
    tested = {t.result: prepared for t, (_, prepared) in zip(trainers, runs, strict=True)}

    def error(model: nn.Module) -> float:
        prepared = tested[model]
        return watch(spread(model, team), prepared.test, prepared.cameras)

    fit_side_by_side(
        trainers,
        watch=error if watched else None,
        after_epoch=save,
        label=", ".join(dict.fromkeys(run.network.network for run, _ in runs)),
    )
    for trainer, (run, prepared) in zip(trainers, runs, strict=True):
        _finish(trainer, run, passports[trainer][1], prepared, data, device)


def _finish(
    trainer: Trainer,
    run: Run,
    passport: Passport,
    prepared: PreparedData,
    data: DataOptions,
    device: torch.device,
) -> None:
    """Write the weights, then the metrics, which say that the run is over."""
    training = run.training.as_json()
    trainer.take_kept()
    facts = {**passport.facts, "training": training, "multiscale_gcn": __version__}
    weights = run.folder / "weights.safetensors"
    if trainer.team.writes:
        save_weights(weights, trainer.result, replace(passport, facts=facts))
    network = spread(trainer.result, trainer.team)
    metrics = measure(network, prepared, run.network.network, device)
    metrics |= {
        "mirrored": MIRRORED.measure(network, prepared).as_json(),
        "options": run.network.as_json(),
        "data": data.as_json(),
        "training": training,
        "history": [asdict(record) for record in trainer.records],
        "kept_epoch": trainer.kept_epoch,
    }
    if not trainer.team.writes:
        return
    write_json(run.metrics, metrics)
    print(f"wrote {run.folder}/weights.safetensors and metrics.json")
