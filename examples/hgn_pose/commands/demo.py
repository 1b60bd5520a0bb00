"""The main job: coarsen a body, build HGN on it, train, evaluate, and report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from torch import nn

from examples.hgn_pose.body.coarse import MESH_SIZES
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_bytes, write_json
from examples.hgn_pose.measuring.evaluation import evaluate, watch
from examples.hgn_pose.measuring.metrics import distances
from examples.hgn_pose.measuring.predictions import Predictions, predict
from examples.hgn_pose.measuring.scores import Scores, table
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.passports import passport_of
from examples.hgn_pose.network.weights import save_weights
from examples.hgn_pose.pictures import plots, report
from examples.hgn_pose.samples.preparing import PreparedData, prepare_data
from examples.hgn_pose.training.baselines import fit_baselines
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.trainer import EpochRecord, Trainer
from multiscale_gcn import Hierarchy, __version__

PERCENTILES = (10, 40, 70, 95)
"""Of HGN's error over the test samples: which of them are drawn."""

COMMON_NOTES = (
    "True meshes are those of bodies that were fitted to the joints.",
    "The mean pose and the linear map (least squares) are fitted to the same augmented samples "
    "that the networks are trained on.",
)


RATES = {"hgn": 1e-2, "semgcn": 1e-2, "mlp": 4e-3}
"""First learning rates for the demo's short run: of a few, those with the least training loss."""


@dataclass(frozen=True)
class Demo:
    """Coarsen a body, build HGN on it, train it beside its rivals, evaluate and report."""

    out: Path = Path("runs/demo")
    """Folder for report.html, metrics.json, hgn.safetensors and the pictures."""
    epochs: int = 10
    """Passes over the training frames, for every network."""
    channels: int = 48
    """Features per node of HGN and SemGCN; the plain network's layers are eight times as wide."""
    batch_size: int = 64
    """Samples a step."""
    seed: int = 0
    """Of all that is random."""
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)

    def run(self) -> None:
        start = time.perf_counter()
        device = self.machine.prepare()
        make_folder(self.out)
        data = self.data.settled()
        training = TrainingOptions(
            epochs=self.epochs,
            batch_size=self.batch_size,
            schedule="cosine",
            seed=self.seed,
        )

        _say("1. Coarsening the body")
        prepared = prepare_data(data, device, mesh_sizes=MESH_SIZES)
        print(prepared.hierarchy)
        print(
            f"{prepared.split['train_frames']} training frames, "
            f"{prepared.split['test_frames']} test frames of unseen clips, "
            f"{prepared.split['cameras']} cameras"
        )

        _say("2. Building the networks")
        choices = {
            "HGN": NetworkOptions("hgn", self.channels),
            "SemGCN": NetworkOptions("semgcn", self.channels),
            # Its published dropout wants longer training.
            "MLP (SimpleBaseline)": NetworkOptions("mlp", self.channels, dropout=0.0),
        }
        networks = {
            name: build_network(choice, prepared.hierarchy, self.seed, prepared.body).to(device)
            for name, choice in choices.items()
        }
        for name, network in networks.items():
            print(f"{name}: {count_parameters(network):,} parameters")

        _say(f"3. Training on {describe_machine(device)['device']}")
        contest = _Contest(prepared)
        options = {
            name: replace(training, learning_rate=RATES[choice.network])
            for name, choice in choices.items()
        }
        for name, network in networks.items():
            contest.train(name, network, options[name])
        contest.fit_baselines(training)

        _say("4. Errors on unseen clips, millimetres")
        print(table(contest.scores))

        _say(f"5. Writing {self.out}")
        passport = passport_of(choices["HGN"], prepared.body, prepared.hierarchy, data, meshes=True)
        facts = {
            **passport.facts,
            "training": options["HGN"].as_json(),
            "multiscale_gcn": __version__,
        }
        save_weights(self.out / "hgn.safetensors", networks["HGN"], replace(passport, facts=facts))
        pictures = contest.pictures(
            predict(networks["HGN"], prepared.test, prepared.cameras), training.lambdas()[1]
        )
        for name, picture in pictures.items():
            write_bytes(self.out / f"{name}.png", picture)
        metrics = {
            "models": contest.figures(),
            "history": {k: [asdict(row) for row in rows] for k, rows in contest.records.items()},
            "hierarchy": hierarchy_facts(prepared.hierarchy),
            "split": prepared.split,
            "training": {name: chosen.as_json() for name, chosen in options.items()},
            "seed": self.seed,
            "machine": describe_machine(device),
            "notes": [
                *prepared.notes,
                *COMMON_NOTES,
            ],
            "seconds": round(time.perf_counter() - start, 1),
        }
        write_json(self.out / "metrics.json", metrics)
        write_bytes(self.out / "report.html", report.render(metrics, pictures).encode())
        print(f"open {self.out / 'report.html'}  ({metrics['seconds']:.0f} s)")


class _Contest:
    """Models that learn from the same data, with what each of them reached."""

    def __init__(self, prepared: PreparedData) -> None:
        self.prepared = prepared
        self.scores: dict[str, Scores] = {}
        self.records: dict[str, list[EpochRecord]] = {}
        self.parameters: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def train(self, name: str, network: nn.Module, options: TrainingOptions) -> None:
        start = time.perf_counter()
        trainer = Trainer(network, self.prepared.train, self.prepared.cameras, options)
        self.records[name] = trainer.fit(
            watch=lambda network: watch(network, self.prepared.test, self.prepared.cameras),
            label=name,
        )
        self._measure(name, network, count_parameters(network), start)

    def fit_baselines(self, options: TrainingOptions) -> None:
        start = time.perf_counter()
        mean, linear = fit_baselines(
            self.prepared.train, self.prepared.cameras, options.augmentation, options.seed
        )
        self._measure("linear map", linear, linear.matrix.numel(), start)
        self._measure("mean pose", mean, mean.matrix.shape[1], start)

    def _measure(self, name: str, model: nn.Module, parameters: int, start: float) -> None:
        self.parameters[name] = parameters
        self.seconds[name] = time.perf_counter() - start
        self.scores[name] = evaluate(model, self.prepared.test, self.prepared.cameras)

    def figures(self) -> dict[str, dict[str, Any]]:
        """What the report shows of every model, as plain values."""
        return {
            name: {
                "parameters": self.parameters[name],
                "seconds": round(self.seconds[name], 1),
                **scores.as_json(),
            }
            for name, scores in self.scores.items()
        }

    def pictures(self, predictions: Predictions, lambda_mesh: float) -> dict[str, bytes]:
        """All pictures of the report as PNG files; the predictions are HGN's."""
        hierarchy, body = self.prepared.hierarchy, self.prepared.body
        wires = hierarchy.level(max(MESH_SIZES)).graph.edge_index().T
        lines = {name: self.scores[name].mpjpe for name in ("mean pose", "linear map")}
        shown = {name: s for name, s in self.scores.items() if name != "mean pose"}
        figures = {
            "graphs": plots.body_and_graphs(body, hierarchy, MESH_SIZES[::-1]),
            "training": plots.training_curves(self.records, lambda_mesh, lines),
            "predictions": plots.true_and_predicted(
                predictions, samples_at(predictions, PERCENTILES), wires
            ),
            "joints": plots.errors_per_joint(shown),
            "actions": plots.errors_per_action(shown),
        }
        return {name: plots.png(figure) for name, figure in figures.items()}


def samples_at(predictions: Predictions, percentiles: Sequence[float]) -> list[int]:
    """The samples whose pose error is nearest below the given percentiles of all errors."""
    errors = distances(predictions.pose, predictions.true_pose).mean(axis=1)
    order = np.argsort(errors, kind="stable")
    return [int(order[int(p / 100 * (len(order) - 1))]) for p in percentiles]


def hierarchy_facts(hierarchy: Hierarchy) -> dict[str, Any]:
    """Table, sizes and fingerprint, as plain values."""
    return {
        "table": repr(hierarchy),
        "nodes": list(hierarchy.sizes),
        "edges": [level.graph.num_edges for level in hierarchy.levels],
        "fingerprint": hierarchy.fingerprint,
    }


def _say(heading: str) -> None:
    print(f"\n{heading}", flush=True)
