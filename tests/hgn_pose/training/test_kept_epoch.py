"""The weights that a run ends with: the last, or those of the best epoch on held-out people."""

import json
from dataclasses import asdict

import pytest
import torch
from generated import write_cmu17
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.weights import Passport
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.trainer import Trainer

PASSPORT = Passport({"network": "mlp"}, "", {"data": "builtin", "meshes": False})
ERRORS = [50.0, 40.0, 30.0, 30.0, 45.0]


@pytest.fixture(scope="module")
def prepared():
    return prepare_data(DataOptions(train_every=100, test_every=100), torch.device("cpu"))


class Run:
    """A small run whose errors are made up; it remembers the weights of every epoch."""

    def __init__(self, prepared, epochs=5, keep="best"):
        options = TrainingOptions(epochs=epochs, keep=keep)
        model = build_network(NetworkOptions("mlp", 1), None, 0)
        self.trainer = Trainer(model, prepared.train, prepared.cameras, options)
        self.weights = []

    def watch(self, model):
        self.weights.append({name: value.clone() for name, value in model.state_dict().items()})
        return ERRORS[len(self.trainer.records)]

    def fit(self):
        self.trainer.fit(self.watch)
        return self

    def kept(self):
        self.trainer.take_kept()
        return self.trainer.model.state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_first_of_the_best_epochs_is_kept(prepared):
    run = Run(prepared).fit()
    assert run.trainer.kept_epoch == 2
    assert not same(run.trainer.model.state_dict(), run.weights[2])
    assert same(run.kept(), run.weights[2])


def test_otherwise_the_last_is_kept_whatever_was_watched(prepared):
    run = Run(prepared, keep="last").fit()
    assert run.trainer.kept_epoch == 4
    assert same(run.kept(), run.weights[4])


def test_keeping_changes_nothing_of_the_training(prepared):
    kept, last = Run(prepared).fit(), Run(prepared, keep="last").fit()
    assert all(same(one, other) for one, other in zip(kept.weights, last.weights, strict=True))


@pytest.mark.parametrize("stopped", [1, 3, 5])
def test_a_run_that_went_on_keeps_the_same_epoch(prepared, tmp_path, stopped):
    expected = Run(prepared).fit().kept()
    path = tmp_path / "state.safetensors"
    save_training(path, Run(prepared, epochs=stopped).fit().trainer, PASSPORT)
    run = Run(prepared)
    resume_training(path, run.trainer, PASSPORT)
    assert same(run.fit().kept(), expected)


def test_a_state_without_errors_does_not_go_on(prepared, tmp_path):
    run = Run(prepared, epochs=1).fit()
    run.trainer.records = [type(r)(**{**asdict(r), "error": None}) for r in run.trainer.records]
    path = tmp_path / "state.safetensors"
    save_training(path, run.trainer, PASSPORT)
    with pytest.raises(ValueError, match="it lacks errors of epochs"):
        resume_training(path, Run(prepared).trainer, PASSPORT)


def test_nothing_is_best_by_nothing(prepared):
    with pytest.raises(ValueError, match="needs an error to be the best by"):
        Run(prepared).trainer.fit()


def test_the_option_is_known():
    with pytest.raises(ValueError, match="keep = 'first'"):
        TrainingOptions(keep="first")  # type: ignore[arg-type]
    assert "keep" not in TrainingOptions().as_json()


QUICK = [
    "--network",
    "mlp",
    "--channels",
    "1",
    "--epochs",
    "4",
    "--device",
    "cpu",
    "--keep",
    "best",
]


def test_metrics_are_those_of_the_kept_epoch(tmp_path):
    data = tmp_path / "cmu17.npz"
    write_cmu17(data)
    options = ["--data", "cmu17", "--data-path", str(data), "--learning-rate", "0.1"]
    main(["train", *options, *QUICK, "--held-out", "9", "--out", str(tmp_path / "run")])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    errors = [record["error"] for record in metrics["history"]]
    assert metrics["kept_epoch"] == errors.index(min(errors))
    assert metrics["scores"]["mpjpe_mm"] == pytest.approx(min(errors), rel=1e-5)


@pytest.mark.parametrize("command", [["train"], ["table", "start"]])
def test_no_epoch_is_chosen_by_people_for_the_test(tmp_path, command):
    out = tmp_path / "none"
    options = QUICK[4:] if command[0] == "table" else QUICK
    with refused("keep = best would choose the epoch by the test performers; hold training"):
        main([*command, *options, "--data", "builtin", "--out", str(out)])
    assert not out.exists()
