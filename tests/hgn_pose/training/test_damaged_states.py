"""Weights and training states that are damaged, forged, or from before there were checksums."""

import hashlib
import json
import struct
from dataclasses import replace

import pytest
import torch
from hostile import read_or_refuse, try_damages
from safetensors import safe_open
from safetensors.torch import save_file
from test_checkpoint import OPTIONS, PASSPORT, network, trainer

from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import load_network
from examples.hgn_pose.network.weights import (
    SHIPPED_WEIGHTS,
    load_weights,
    read_weights,
    save_weights,
)
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.trainer import Trainer

SHIPPED = "1b6988b8d53eba3172a755035834ee86e7909afc637338e1daf139deb95a3b31"
WHOLE = replace(PASSPORT, fingerprint="")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "state.safetensors"
    first = trainer(replace(OPTIONS, epochs=2))
    first.fit()
    save_training(path, first, PASSPORT)
    return path


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, network(), WHOLE)
    return path


def resumed(path, options=OPTIONS):
    here = trainer(options)
    resume_training(path, here, PASSPORT)
    return here


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def test_states_go_on_equal_or_not_at_all(state):
    whole = resumed(state)

    def same(found):
        return found.records == whole.records and equal(found.tensors(), whole.tensors())

    try_damages(state, lambda: resumed(state), same=same, most=100)


def test_weights_load_equal_or_not_at_all(weights):
    passport, tensors = read_weights(weights)
    try_damages(
        weights,
        lambda: read_weights(weights),
        same=lambda found: found[0] == passport and equal(found[1], tensors),
        most=300,
    )


def opened(path):
    """Tensors and metadata of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def rewritten(path, change=lambda tensors: None, forge=lambda header: None, checksum=False):
    """Write the file with other tensors or another header, by default as one without checksum."""
    tensors, metadata = opened(path)
    header = json.loads(metadata["hgn_pose"])
    if not checksum:
        del header["checksum"]
    change(tensors)
    forge(header)
    new = path.with_name("new.safetensors")
    save_file(tensors, new, {"hgn_pose": json.dumps(header)})
    return new


def test_files_from_before_there_were_checksums_load(state, weights):
    whole = resumed(state)
    assert equal(resumed(rewritten(state)).tensors(), whole.tensors())
    model = network()
    assert load_weights(rewritten(weights), model, "") == WHOLE


def renamed(tensors, name, new):
    tensors[new] = tensors.pop(name)


PARAMETER = next(name for name, _ in network().named_parameters())
CHANGES = {
    "lost moment": (lambda t: t.pop(f"adam.exp_avg.{PARAMETER}"), "has no place"),
    "lost count": (lambda t: t.pop(f"adam.step.{PARAMETER}"), "has no place"),
    "lost weight": (lambda t: t.pop(f"model.{PARAMETER}"), "has no place"),
    "one too many": (lambda t: t.update(more=torch.zeros(1)), "tensor more has shape"),
    "other name": (
        lambda t: renamed(t, f"adam.exp_avg.{PARAMETER}", "adam.exp_avg.x"),
        "tensor adam.exp_avg.",
    ),
    "other type": (
        lambda t: t.update({f"model.{PARAMETER}": t[f"model.{PARAMETER}"].half()}),
        "torch.float16, in the model shape",
    ),
    "other shape": (
        lambda t: t.update({f"model.{PARAMETER}": t[f"model.{PARAMETER}"][None]}),
        "has shape",
    ),
    "not finite": (
        lambda t: t[f"adam.exp_avg.{PARAMETER}"].fill_(torch.nan),
        f"tensor adam.exp_avg.{PARAMETER} is not finite",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_every_tensor_is_wanted_as_it_was(state, case):
    change, message = CHANGES[case]
    with pytest.raises(ValueError, match=message) as caught:
        resumed(rewritten(state, change))
    assert "new.safetensors" in str(caught.value)
    with pytest.raises(ValueError, match="its checksum is not that of what it holds"):
        resumed(rewritten(state, change, checksum=True))


def test_a_state_without_all_of_adam_does_not_go_on(state):
    def without(tensors):
        for name in [name for name in tensors if name.startswith("adam.")]:
            del tensors[name]

    with pytest.raises(ValueError, match=r"tensor adam\..* has no place, in the model shape"):
        resumed(rewritten(state, without))


@pytest.mark.parametrize(
    "forge",
    [
        lambda h: h.update(content=[]),
        lambda h: h.update(version=10**400),
        lambda h: h.update(version=None),
        lambda h: h.pop("version"),
        lambda h: h.pop("kind"),
        lambda h: h.pop("content"),
        lambda h: h.update(more=1),
        lambda h: h["content"].update(records=None),
        lambda h: h["content"].update(records=[{}]),
        lambda h: h["content"].update(records=[7]),
        lambda h: h["content"]["records"].reverse(),
        lambda h: h["content"]["records"][0].update(loss="low"),
        lambda h: h["content"]["records"][0].update(more=1),
        lambda h: h["content"].update(options=7),
        lambda h: h["content"].update(options={}),
        lambda h: h["content"].update(passport=[]),
        lambda h: h["content"]["passport"].pop("facts"),
        lambda h: h["content"].pop("passport"),
    ],
)
def test_forged_headers_are_refused_in_one_sentence(state, forge):
    new = rewritten(state, forge=forge)
    assert read_or_refuse(lambda: resumed(new), "new.safetensors") is None


@pytest.mark.parametrize("text", ["[]", "7", "null", '"text"', "[" * 9999, "{", "9" * 5000, ""])
def test_metadata_that_are_no_object_are_refused(tmp_path, text):
    path = tmp_path / "new.safetensors"
    save_file({"x": torch.zeros(2)}, path, {"hgn_pose": text})
    assert read_or_refuse(lambda: read_weights(path), "new.safetensors") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2**40}, "channels = 1099511627776, and its widest tensor"),
        ({"channels": 100_000}, "channels = 100000, and its widest tensor"),
        ({"channels": "many"}, "channels = 'many' must be an integer"),
        ({"channels": 0}, "channels = 0 must be at least 1"),
        ({"network": ["hgn"]}, "network = "),
        ({"conv": "none"}, "conv = 'none'"),
        ({"dropout": 10**400}, "dropout"),
        ({"depth": 4}, "unexpected keyword argument 'depth'"),
    ],
)
def test_passports_of_networks_that_are_not_in_the_file_are_refused(weights, options, message):
    body, hierarchy = coarse_body()
    new = rewritten(weights, forge=lambda h: h["content"]["network"].update(options))
    with pytest.raises(ValueError, match=message) as caught:
        load_network(new, body, hierarchy)
    assert str(new) in str(caught.value)


def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path):
    path = tmp_path / "new.safetensors"
    for length in (2**63, 2**40, 10):
        path.write_bytes(struct.pack("<Q", length) + b'{"x": 1}')
        assert read_or_refuse(lambda: read_weights(path), "new.safetensors") is None


def test_the_weights_that_come_with_it_are_those_that_were_measured():
    assert hashlib.sha256(SHIPPED_WEIGHTS.read_bytes()).hexdigest() == SHIPPED


def test_what_is_never_trained_has_no_moments():
    _, hierarchy = coarse_body()
    model = build_network(NetworkOptions("hgn", 4), hierarchy, seed=0)
    samples = gather(load_builtin().select(slice(0, 20)))
    options = replace(OPTIONS, epochs=1, lambda_mesh=0.0)
    here = Trainer(model, samples, ring_of_cameras(), options)
    here.fit()
    shapes = {name: value.shape for name, value in here.tensors().items()}
    assert {name: value.shape for name, value in here.template(1).items()} == shapes
    moments = sum(name.startswith("adam.step.") for name in shapes)
    assert 0 < moments < len(list(model.parameters()))
