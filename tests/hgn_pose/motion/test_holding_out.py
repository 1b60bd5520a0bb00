"""Training people who are measured in place of the test ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from generated import clip, write_cmu17, write_h36m_json
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.datasets.readers.cmu17 import FOLDS, HELD_OUT_PERFORMERS
from examples.hgn_pose.motion.holding_out import hold_out
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.samples.samples import RecordedSamples

FRAMES = 24


@pytest.fixture(scope="module")
def cmu17(tmp_path_factory):
    """A small cmu17 of five performers, two of them for the test."""
    path = tmp_path_factory.mktemp("data") / "cmu17.npz"
    write_cmu17(path, frames=FRAMES)
    return path


def prepared(cmu17, cache=Path("unused"), sizes=(), **options):
    data = DataOptions("cmu17", cmu17, fit_cache=cache, **options)
    return prepare_data(data, torch.device("cpu"), mesh_sizes=sizes)


def test_held_out_people_are_measured_and_test_people_are_not_there(cmu17):
    usual = prepared(cmu17)
    assert usual.split["measured_on"] == "test"
    assert usual.split["test_performers"] == ["7", "61"]
    chosen = prepared(cmu17, held_out=("05", "9"))
    assert chosen.split["measured_on"] == "validation"
    assert chosen.split["test_performers"] == ["5", "9"]
    assert chosen.split["train_performers"] == ["1"]
    lowest = clip("walk", 1)[0, 0, 2]
    for samples, stride, people in ((chosen.train, 2, [1]), (chosen.test, 8, [5, 9])):
        first = samples.positions[:: FRAMES // stride, 0, 2].numpy()
        np.testing.assert_allclose(1000 * (first - lowest), people, atol=0.01)


def test_folds_hold_every_training_performer_out_once():
    held_out = [name for fold in FOLDS for name in fold]
    assert len(FOLDS) == 5
    assert sorted(held_out, key=int) == ["1", "2", "3", "5", "6", "8", "9", "13", "94", "135"]
    assert not set(held_out) & {str(k) for k in HELD_OUT_PERFORMERS}
    for entry in CATALOGUE.values():
        names = [name for fold in entry.folds for name in fold]
        assert len(set(names)) == len(names)


def test_a_fold_is_its_performers(cmu17):
    assert prepared(cmu17, fold=0).split == prepared(cmu17, held_out=("1", "9")).split


def test_folds_share_the_bodies_of_the_training_people(cmu17, tmp_path):
    one = prepared(cmu17, tmp_path, (48,), held_out=("1",), train_every=12, test_every=12)
    files = sorted(path.name for path in tmp_path.iterdir())
    other = prepared(cmu17, tmp_path, (48,), held_out=("9",), train_every=12, test_every=12)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert len(one.train) == len(other.train) == 4
    # Performer 5 is trained on in both: first in the one, last in the other.
    torch.testing.assert_close(one.train.meshes[0][:2], other.train.meshes[0][2:], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": ("7",)}, "held_out names 7, who is no training performer; these are 1, 5, 9"),
        ({"held_out": ("Ann",)}, "who is no training performer"),
        ({"held_out": ("1", "5", "9")}, "held_out names all training performers"),
        ({"fold": 5}, "fold = 5 is no fold of cmu17: it has folds 0 to 4"),
        ({"fold": -1}, "is no fold of cmu17"),
        ({"fold": 0, "held_out": ("1",)}, "give one"),
    ],
)
def test_people_who_cannot_be_held_out_are_refused(cmu17, options, message):
    with pytest.raises(ValueError, match=message):
        prepared(cmu17, **options)


def test_data_without_folds_say_so():
    with pytest.raises(ValueError, match="fold = 0 is no fold of builtin: it has none; use held_"):
        _ = DataOptions("builtin", fold=0).validation


def test_all_of_one_performer_cannot_be_held_out():
    with pytest.raises(ValueError, match="names all training performers, 0"):
        hold_out(load_builtin(), ["0"])


@pytest.fixture(scope="module")
def trained(cmu17, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    options = ["--data", "cmu17", "--data-path", str(cmu17), "--device", "cpu"]
    small = ["--network", "mlp", "--channels", "1", "--epochs", "1"]
    main(["train", *options, *small, "--held-out", "5", "--out", str(out)])
    return out, options


def test_metrics_say_whom_a_run_was_measured_on(trained):
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    assert metrics["split"]["measured_on"] == "validation"
    assert list(metrics["scores"]["per_subject"]) == ["5"]


def test_the_same_people_and_the_test_people_are_measured_and_no_trained_ones(trained, tmp_path):
    folder, options = trained
    weights, out = str(folder / "weights.safetensors"), tmp_path / "scores.json"
    main(["evaluate", weights, *options, "--held-out", "5", "--out", str(out)])
    expected = json.loads((folder / "metrics.json").read_text())["scores"]
    assert json.loads(out.read_text())["scores"] == expected
    main(["evaluate", weights, *options, "--out", str(out)])
    assert json.loads(out.read_text())["split"]["test_performers"] == ["7", "61"]
    with refused("was trained on 1, whom held_out would measure; hold out 5"):
        main(["evaluate", weights, *options, "--held-out", "1", "5", "--out", str(out)])
    with refused("was trained on 9, whom held_out would measure"):
        main(["robustness", weights, *options, "--held-out", "9"])


def test_a_run_does_not_go_on_with_other_people(trained):
    folder, options = trained
    with refused(r"its facts.held_out is \['5'\], not \['9'\]"):
        small = ["--network", "mlp", "--channels", "1", "--epochs", "2", "--resume"]
        main(["train", *options, *small, "--held-out", "9", "--out", str(folder)])


def test_what_real_cameras_saw_is_held_out_at_the_strides_of_the_test(tmp_path):
    write_h36m_json(tmp_path, subjects=(1, 5, 9), frames=11, smpl=False)
    options = DataOptions("h36m-json", tmp_path, train_every=2, test_every=3, held_out=("S5",))
    found = prepare_data(options, torch.device("cpu"))
    # Three takes of 11 frames and one of 10.
    assert found.split["train_frames"] == 3 * 6 + 5
    assert found.split["test_frames"] == 3 * 4 + 4
    assert found.split["train_performers"] == ["S1"]
    assert found.split["test_performers"] == ["S5"]
    assert len(found.test) == 4 * 16  # cameras
    alone = prepare_data(options, torch.device("cpu"), test_only=True)
    assert isinstance(alone.test, RecordedSamples)
    assert isinstance(found.test, RecordedSamples)
    torch.testing.assert_close(alone.test.image, found.test.image, rtol=0, atol=0)
