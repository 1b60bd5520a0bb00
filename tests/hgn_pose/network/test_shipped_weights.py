"""The weights that come with the example."""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.commands.export import Export
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_VARIABLE
from examples.hgn_pose.lifting import exported, prediction
from examples.hgn_pose.measuring.evaluation import evaluate, watch
from examples.hgn_pose.measuring.metrics import mpjpe
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.passports import load_network, network_of
from examples.hgn_pose.network.weights import (
    SHIPPED_WEIGHTS,
    load_weights,
    read_passport,
    weights_file,
)
from examples.hgn_pose.samples.preparing import prepare_data

CPU = torch.device("cpu")
FOLDER = SHIPPED_WEIGHTS.parent


@pytest.fixture(scope="module")
def model():
    _, hierarchy = coarse_body()
    options = NetworkOptions(**read_passport(SHIPPED_WEIGHTS).network)
    network = build_network(options, hierarchy, seed=0)
    load_weights(SHIPPED_WEIGHTS, network, hierarchy.fingerprint)
    return network


@pytest.fixture(scope="module")
def figures():
    return json.loads((FOLDER / "hgn_cmu17.json").read_text())


def test_they_are_the_papers_network_on_the_graphs_of_today(model, figures):
    assert read_passport(SHIPPED_WEIGHTS).network["channels"] == 128
    assert count_parameters(model) == figures["parameters"]
    assert 1.04e6 < count_parameters(model) < 1.05e6


def test_they_predict_motion_of_another_kind(model):
    """Better than any linear map that saw nothing else: 108 mm; the mean pose makes 301 mm."""
    prepared = prepare_data(DataOptions(data="builtin", test_every=10), CPU, test_only=True)
    assert 20 < watch(model, prepared.test, prepared.cameras) < 108


def test_evaluate_takes_them_by_default(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(CMU17_VARIABLE, raising=False)
    out = tmp_path / "figures.json"
    main(["evaluate", "--test-every", "100", "--device", "cpu", "--out", str(out)])
    printed = capsys.readouterr().out
    assert "hgn, trained on cmu17, tested on builtin" in printed
    assert "another kind of motion" in printed
    written = json.loads(out.read_text())
    assert written["network"] == "hgn"
    assert written["scores"]["samples"] == 4 * written["split"]["test_frames"]


def test_files_of_detectors_are_lifted_by_those_for_real_video(tmp_path, monkeypatch, capsys):
    keypoints = tmp_path / "keypoints.json"
    main(["sample", "--convention", "skeleton17", "--out", str(keypoints)])
    main(["predict", str(keypoints), "--no-page", "--device", "cpu", "--out", str(tmp_path)])
    result = prediction.load(tmp_path / "prediction.npz")
    assert result.facts["weights"] == "body_clips_cmu17_robust.safetensors"
    assert result.facts["meshes"] == "body_streams_cmu17_robust.safetensors"
    assert set(result.meshes) == {48, 96}
    assert weights_file(Export().weights).name == result.facts["meshes"]
    frames = json.loads(keypoints.read_text())["frames"][:2]
    lines = "".join(json.dumps(frame["persons"][0]["keypoints"]) + "\n" for frame in frames)
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    monkeypatch.setattr(exported, "NEEDED", ("no_such_package",))
    capsys.readouterr()
    main(["stream", "--convention", "skeleton17"])  # which does not know the image's size
    poses = [json.loads(line)["pose"] for line in capsys.readouterr().out.splitlines()]
    assert mpjpe(np.array(poses), prediction.select(result, np.arange(2)).pose) < 40


def test_terms_stand_beside_them():
    notice = (FOLDER / "NOTICE").read_text()
    assert all(file.name in notice for file in FOLDER.glob("*.safetensors"))
    assert "obtained from mocap.cs.cmu.edu" in notice
    assert "NSF EIA-0196217" in notice


def test_the_readme_states_what_was_measured(figures):
    readme = (FOLDER / "README.md").read_text()
    scores = figures["scores"]
    assert f"| {scores['mpjpe_mm']:.1f} | {scores['pa_mpjpe_mm']:.1f} |" in readme
    assert figures["machine"]["device"] in readme


@pytest.mark.parametrize("name", ["robust", "lifter", "video", "clips"])
def test_the_others_are_what_the_readme_says(name):
    file = weights_file(Path(name))
    measured = json.loads(file.with_suffix(".json").read_text())
    readme = (FOLDER / "README.md").read_text()
    scores, mirrored = measured["scores"], measured["mirrored"]["mpjpe_mm"]
    assert f"| {scores['mpjpe_mm']:.1f} | {scores['pa_mpjpe_mm']:.1f} |" in readme
    assert f"| {mirrored:.1f} |" in readme
    for error in scores["mpvpe_mm"].values():
        assert f"| {error:.1f} |" in readme
    options = network_of(file, read_passport(file))
    network = load_network(file, *coarse_body())
    assert count_parameters(network) == measured["parameters"]
    data = DataOptions(data="builtin", test_every=20)
    prepared = prepare_data(
        data, CPU, test_only=True, frames=options.window, spacing=options.spacing
    )
    assert 20 < watch(network, prepared.test, prepared.cameras) < 108


@pytest.mark.slow
@pytest.mark.skipif(CMU17_VARIABLE not in os.environ, reason=f"{CMU17_VARIABLE} is not set")
def test_they_reach_their_figures_on_cmu17(model, figures):
    prepared = prepare_data(DataOptions(data="cmu17"), CPU, test_only=True)
    scores = evaluate(model, prepared.test, prepared.cameras)
    assert scores.samples == figures["scores"]["samples"]
    assert scores.mpjpe == pytest.approx(figures["scores"]["mpjpe_mm"], abs=0.05)
    assert scores.pa_mpjpe == pytest.approx(figures["scores"]["pa_mpjpe_mm"], abs=0.05)
