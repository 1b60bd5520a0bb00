import errno
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.weights import Passport, load_weights, read_passport, save_weights
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.trainer import Trainer

FACTS = {"data": "builtin", "meshes": False}
PASSPORT = Passport({"network": "semgcn", "channels": 4}, "abc", FACTS)
OPTIONS = TrainingOptions(epochs=3, batch_size=16)


def network(channels=4):
    return build_network(NetworkOptions("semgcn", channels, dropout=0.1), None, 0)


def trainer(options=OPTIONS, channels=4):
    samples = gather(load_builtin().select(slice(0, 20)))
    return Trainer(network(channels), samples, ring_of_cameras(), options)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "deep" / "weights.safetensors"
    save_weights(path, network(), PASSPORT)
    return path


def test_weights_come_back_bit_by_bit(weights):
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert load_weights(weights, model, "abc") == PASSPORT == read_passport(weights)
    for name, value in network().state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    assert [path.name for path in weights.parent.iterdir()] == ["weights.safetensors"]


def test_other_graphs_are_refused(weights):
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"belongs to other graphs.*fingerprint abc, this one xyz"):
        load_weights(weights, model, "xyz")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_other_shapes_are_refused(weights):
    with pytest.raises(ValueError, match=r"does not fit the model: tensor .* has shape"):
        load_weights(weights, network(channels=6), "abc")


def test_files_that_are_not_ours_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    with pytest.raises(FileNotFoundError, match="no file"):
        read_passport(path)
    path.write_bytes(b"not a safetensors file at all")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_passport(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="was not written by this example"):
        read_passport(path)
    save_file({"x": torch.zeros(2)}, path, {"hgn_pose": "{"})
    with pytest.raises(ValueError, match="is not a safetensors file of this example"):
        read_passport(path)


def test_cut_files_are_refused(weights):
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        load_weights(weights, network(), "abc")


def test_a_failed_write_leaves_the_old_file(weights, monkeypatch):
    before = weights.read_bytes()

    def full_disk(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"weights.safetensors cannot be written: No space left"):
        save_weights(weights, network(), PASSPORT)
    assert weights.read_bytes() == before
    assert [path.name for path in weights.parent.iterdir()] == ["weights.safetensors"]


def test_a_resumed_run_ends_like_one_that_never_stopped(tmp_path):
    straight = trainer()
    straight.fit()

    state = tmp_path / "state.safetensors"
    stopped = trainer(replace(OPTIONS, epochs=2))
    stopped.fit(after_epoch=lambda self: save_training(state, self, PASSPORT))
    resumed = trainer()
    resume_training(state, resumed, PASSPORT)
    assert len(resumed.records) == 2
    resumed.fit()

    assert resumed.records == straight.records
    for name, value in straight.tensors().items():
        assert torch.equal(value, resumed.tensors()[name]), name


@pytest.mark.parametrize(
    ("options", "passport", "message"),
    [
        (replace(OPTIONS, learning_rate=0.5), PASSPORT, r"its options\.learning_rate is 0\.001"),
        (OPTIONS, replace(PASSPORT, fingerprint="xyz"), "its fingerprint is 'abc', not 'xyz'"),
        (
            OPTIONS,
            replace(PASSPORT, facts={**FACTS, "data": "cmu17"}),
            r"its facts\.data is 'builtin'",
        ),
        (replace(OPTIONS, epochs=1), PASSPORT, "has 2 epochs behind it"),
    ],
)
def test_other_runs_cannot_be_resumed(tmp_path, options, passport, message):
    state = tmp_path / "state.safetensors"
    first = trainer(replace(OPTIONS, epochs=2))
    first.fit()
    save_training(state, first, PASSPORT)
    with pytest.raises(ValueError, match=message):
        resume_training(state, trainer(options), passport)


def test_a_cosine_run_keeps_its_length(tmp_path):
    state = tmp_path / "state.safetensors"
    cosine = replace(OPTIONS, schedule="cosine", epochs=1)
    first = trainer(cosine)
    first.fit()
    save_training(state, first, PASSPORT)
    with pytest.raises(ValueError, match=r"its options\.epochs is 1, not 3"):
        resume_training(state, trainer(replace(cosine, epochs=3)), PASSPORT)


def test_weights_and_states_are_not_mixed_up(tmp_path, weights):
    with pytest.raises(ValueError, match="holds weights, not training"):
        resume_training(weights, trainer(), PASSPORT)
    state = tmp_path / "state.safetensors"
    save_training(state, trainer(), PASSPORT)
    with pytest.raises(ValueError, match="holds training, not weights"):
        read_passport(state)
