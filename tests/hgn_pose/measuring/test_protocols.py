import json
from dataclasses import replace

import numpy as np
import pytest

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.measuring.predictions import Predictions
from examples.hgn_pose.measuring.protocols import ProtocolOptions, by_scene
from examples.hgn_pose.measuring.scores import score
from examples.hgn_pose.samples.labels import Column, Labels

SEQUENCES = ("TS1", "TS2", "TS3", "TS4", "TS5", "TS6")
SCENES = {"TS1": "green", "TS2": "green", "TS3": "studio", "TS4": "studio", "TS5": "o", "TS6": "o"}


def random_predictions(subjects, actions, seed=0):
    rng = np.random.default_rng(seed)
    count = len(subjects)
    true = rng.normal(0, 0.3, (count, 17, 3))
    pose = true + rng.normal(0, 0.1, (count, 17, 3)) * rng.uniform(0, 2, (count, 1, 1))
    true[:, 0] = pose[:, 0] = 0
    labels = Labels(Column.of(actions), Column.of(subjects), Column.of(["one"] * count))
    image = np.zeros((count, 17, 2))
    return Predictions(image, pose, true, (), (), np.zeros(count, bool), labels)


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(1)
    return random_predictions(rng.choice(SEQUENCES, 80), rng.choice(["Sports", "Sitting"], 80))


def cells(line):
    return line.rsplit(maxsplit=4)


def test_a_scene_is_as_if_its_frames_were_one_sequence(predictions):
    scenes = by_scene(score(predictions).per_subject)
    named = [SCENES[name] for name in predictions.labels.subject.of_samples()]
    labels = replace(predictions.labels, subject=Column.of(named))
    direct = score(replace(predictions, labels=labels)).per_subject
    for one, other in zip(
        scenes.values(), [direct[k] for k in ("green", "studio", "o")], strict=True
    ):
        assert vars(one) == pytest.approx(vars(other))


def test_subjects_of_other_data_sets_make_no_scene():
    assert by_scene(score(random_predictions(["S9", "S11"], ["Eating"] * 2)).per_subject) == {}


def test_the_shares_by_sequence_are_plain_counts(predictions):
    """As MPI-INF-3DHP's own evaluation goes: sequence by sequence, activity by activity, all."""
    text = ProtocolOptions("3dhp").table(score(predictions))
    printed = {cells(line)[0].strip(): cells(line)[1:] for line in text.splitlines()[1:]}
    errors = 1000 * np.sqrt(((predictions.pose - predictions.true_pose) ** 2).sum(axis=2))
    subjects, actions = (
        column.of_samples() for column in (predictions.labels.subject, predictions.labels.action)
    )
    counted = [1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16]
    for name in (*SEQUENCES, "Sports", "Sitting", "all"):
        rows = [s for s in range(80) if name in (subjects[s], actions[s], "all")]
        near = [errors[s, j] < 150 for s in rows for j in counted]
        curve = [
            np.mean([errors[s, j] < t for s in rows for j in counted]) for t in range(0, 151, 5)
        ]
        samples, pck, auc, _ = printed[name]
        assert int(samples) == len(rows)
        assert float(pck) == pytest.approx(100 * np.mean(near), abs=0.051)
        assert float(auc) == pytest.approx(100 * np.mean(curve), abs=0.051)


def test_the_two_conventions_print_different_shares(predictions):
    scores = score(predictions)
    official, every_joint = (ProtocolOptions(name).table(scores) for name in ("3dhp", "graphmlp"))
    assert cells(official.splitlines()[-1])[2] == f"{scores.pck:.1f}"
    assert cells(every_joint.splitlines()[-1])[2] == f"{scores.pck_every_joint:.1f}"
    assert cells(every_joint.splitlines()[-1])[3] == f"{scores.auc_every_joint:.1f}"
    assert abs(scores.pck - scores.pck_every_joint) > 0.5


def test_the_errors_end_with_the_mean_over_actions_and_all_samples():
    lopsided = score(random_predictions(["S9"] * 10, ["Eating"] * 9 + ["Walking"], seed=3))
    lines = ProtocolOptions("human36m").table(lopsided).splitlines()
    assert [cells(line)[0].strip() for line in lines[1:]] == [
        "Eating", "Walking", "mean of the actions", "all",
    ]  # fmt: skip
    both = [lopsided.per_action[name].mpjpe for name in ("Eating", "Walking")]
    assert float(cells(lines[-2])[2]) == pytest.approx(sum(both) / 2, abs=0.051)
    assert float(cells(lines[-1])[2]) == pytest.approx((9 * both[0] + both[1]) / 10, abs=0.051)


def test_hgn_is_tested_on_every_50th_frame():
    options = ProtocolOptions("hgn")
    assert options.frames(DataOptions()).strides()[1] == 50
    assert options.frames(DataOptions(test_every=50)).strides()[1] == 50
    assert ProtocolOptions().frames(DataOptions(test_every=3)) == DataOptions(test_every=3)
    with pytest.raises(ValueError, match="test_every = 8 contradicts the protocol hgn"):
        options.frames(DataOptions(test_every=8))


def test_evaluate_follows_the_protocol(tmp_path, capsys):
    quick = ["--train-every", "60", "--device", "cpu"]
    train = ["train", "--network", "mlp", "--channels", "4", "--epochs", "1"]
    main([*train, *quick, "--test-every", "60", "--out", str(tmp_path)])
    weights = str(tmp_path / "weights.safetensors")
    capsys.readouterr()
    found = {}
    for name, options in {
        "plain": ["--test-every", "50"],
        "hgn": ["--protocol", "hgn"],
        "flip": ["--protocol", "hgn", "--flip-test"],
        "16": ["--protocol", "hgn", "--joints", "16"],
        "3dhp": ["--protocol", "3dhp", "--test-every", "50"],
    }.items():
        out = tmp_path / f"{name}.json"
        main(["evaluate", weights, *quick, *options, "--out", str(out)])
        assert ("PCK 150 mm" in capsys.readouterr().out) == (name == "3dhp")
        found[name] = json.loads(out.read_text())
    assert found["hgn"]["scores"] == found["plain"]["scores"] == found["3dhp"]["scores"]
    assert found["flip"]["scores"]["mpjpe_mm"] != found["hgn"]["scores"]["mpjpe_mm"]
    per_joint = found["hgn"]["scores"]["mpjpe_per_joint_mm"]
    sixteen = [error for name, error in per_joint.items() if name != "Nose"]
    assert found["16"]["scores"]["mpjpe_mm"] == pytest.approx(np.mean(sixteen), abs=0.02)
    assert found["16"]["protocol"] == {"protocol": "hgn", "joints": 16, "flip_test": False}
