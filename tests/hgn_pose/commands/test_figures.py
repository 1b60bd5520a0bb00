import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.commands.figures import samples_with_occlusion, typical_samples
from examples.hgn_pose.measuring.metrics import distances
from examples.hgn_pose.measuring.occlusion import CLEAR, LIMB, TRUNK, hidden_joints
from examples.hgn_pose.measuring.predictions import Predictions
from examples.hgn_pose.measuring.scores import score
from examples.hgn_pose.pictures.paper_figures import (
    Shown,
    errors_by_part_and_action,
    gallery_of,
    turned,
)
from examples.hgn_pose.samples.labels import Column, Labels

QUICK = ["--test-every", "60", "--device", "cpu", "--data", "builtin"]


def plain_hidden(pose, slack):
    """Joint by joint and bone by bone, with the nearest of 2,001 places along each bone.

    Rods are thicker and may be further by the slack, metres, as the places are not everywhere.
    """
    count = 0
    for joint in range(len(JOINTS)):
        hidden = False
        for a, b in EDGES:
            if joint in (a, b):
                continue
            radius = TRUNK if JOINTS[b] in ("Torso", "Neck") else LIMB
            places = pose[a] + np.linspace(0, 1, 2001)[:, None] * (pose[b] - pose[a])
            apart = np.hypot(*(places - pose[joint])[:, :2].T)
            best = int(np.argmin(apart))
            near = apart[best] < radius + slack
            hidden |= near and pose[joint, 2] - places[best, 2] > CLEAR - slack
        count += hidden
    return count


@given(st.integers(0, 2**32 - 1))
@example(1986)  # a joint at the very edge of a rod
def test_hidden_joints_are_those_of_the_plain_loop(seed):
    pose = np.random.default_rng(seed).normal(0, 0.3, (2, 17, 3))
    for found, person in zip(hidden_joints(pose), pose, strict=True):
        assert plain_hidden(person, -1e-3) <= found <= plain_hidden(person, 1e-3)


def test_a_hand_behind_the_back_is_hidden_and_one_before_the_belly_is_not():
    pose = np.zeros((2, 17, 3))
    pose[..., 0], pose[..., 1] = 10 * np.arange(17), 100 * np.arange(17) ** 2  # all else far apart
    back = {"Pelvis": (0, 0), "Torso": (0, -0.25), "L_Wrist": (0.1, -0.1)}
    for name, (x, y) in back.items():
        pose[:, JOINTS.index(name), :2] = x, y
    pose[:, JOINTS.index("L_Wrist"), 2] = 0.2, -0.2
    before, after = hidden_joints(pose)
    assert (before, after) == (1, 0)


def random_predictions(actions, seed):
    rng = np.random.default_rng(seed)
    count = len(actions)
    true = rng.normal(0, 0.3, (count, 17, 3))
    pose = true + rng.normal(0, 0.05, true.shape)
    one = Column.of(["one"] * count)
    labels = Labels(Column.of(actions), one, one)
    return Predictions(true[..., :2], pose, true, (), (), np.zeros(count, bool), labels)


def errors(predictions):
    return distances(predictions.pose, predictions.true_pose).mean(axis=1)


def test_occluded_samples_are_the_median_gain_of_the_most_hidden():
    actions = np.repeat(["a", "b", "c", "d", "e"], 41)
    ours = random_predictions(actions, 0)
    other = ours.true_pose + np.random.default_rng(1).normal(0, 0.1, ours.true_pose.shape)
    baseline = replace(ours, pose=other)
    hidden = np.array([plain_hidden(pose, 0.0) for pose in ours.true_pose])
    means = {name: hidden[actions == name].mean() for name in "abcde"}
    expected_actions = sorted(means, key=lambda name: -means[name])[:3]
    chosen = samples_with_occlusion(ours, baseline)
    assert [actions[sample] for sample in chosen] == expected_actions
    for sample in chosen:
        mine = actions == actions[sample]
        assert (hidden[mine] > hidden[sample]).sum() < 10
        most = sorted(np.flatnonzero(mine), key=lambda s: -hidden[s])[:10]
        gains = sorted((errors(baseline) - errors(ours))[most])
        assert (errors(baseline) - errors(ours))[sample] == pytest.approx(gains[4])


@pytest.mark.parametrize(("count", "columns"), [(1, 2), (4, 8), (5, 5), (8, 8), (15, 8)])
def test_a_gallery_shows_all_sorts_of_actions(count, columns):
    actions = np.repeat([f"action {k:02}" for k in range(count)], 9)
    predictions = random_predictions(actions, 2)
    chosen = typical_samples(predictions)
    assert len(chosen) == columns == len(set(chosen))
    assert len({actions[sample] for sample in chosen}) == min(count, 8)
    first = np.sort(errors(predictions)[:9])
    assert errors(predictions)[chosen[0]] == pytest.approx(first[2 if count <= 4 else 4])


def bar_heights(ax):
    return [bar.get_height() for bars in ax.containers for bar in bars]


def test_figure_3_draws_the_scores():
    ours = random_predictions(["a", "b", "b"], 3)
    baseline = replace(ours, pose=ours.true_pose * 1.3)
    first, second = score(ours), score(baseline)
    left, right = errors_by_part_and_action(first, second, ("HGN", "SemGCN")).axes
    heights = bar_heights(left)
    assert heights[:17] == [*(second.per_joint[j] for j in JOINTS[1:]), second.mpjpe]
    assert heights[17:] == [*(first.per_joint[j] for j in JOINTS[1:]), first.mpjpe]
    heights = bar_heights(right)
    assert heights[3:5] == [first.per_action[name].mpjpe for name in "ab"]
    assert heights[5] == first.mean_over_actions.mpjpe
    printed = [text.get_text() for text in right.texts]
    assert printed[0] == f"{first.per_action['a'].mpjpe - second.per_action['a'].mpjpe:+.1f}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Networks that have learned a little."""
    torch.set_num_threads(1)
    files = {}
    for network in ("hgn", "semgcn", "mlp"):
        out = tmp_path_factory.mktemp(network)
        train = ["train", "--network", network, "--channels", "4", "--epochs", "1"]
        main([*train, *QUICK, "--train-every", "60", "--out", str(out)])
        files[network] = str(out / "weights.safetensors")
    return files


@pytest.mark.parametrize("ours", ["hgn", "mlp"])
def test_the_command_draws_all_three_and_writes_their_numbers(weights, ours, tmp_path, capsys):
    main(["figures", weights[ours], weights["semgcn"], *QUICK, "--out", str(tmp_path)])
    for number in (3, 4, 5):
        data = (tmp_path / f"figure{number}.png").read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", data[16:24])
        assert min(width, height) > 400
    report = json.loads((tmp_path / "figures.json").read_text())
    main(["evaluate", weights["semgcn"], *QUICK, "--out", str(tmp_path / "scores.json")])
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert report["scores"]["SemGCN"] == scores
    title = {"hgn": "HGN", "mlp": "MLP (SimpleBaseline)"}[ours]
    gain = scores["mpjpe_mm"] - report["scores"][title]["mpjpe_mm"]
    assert report["gain_mm"]["overall"]["all"] == pytest.approx(gain, abs=0.02)
    assert len(report["figure4_samples"]) == 3
    assert len(report["figure5_samples"]) == 8
    for fact in report["figure5_samples"]:
        assert fact["action"] in report["scores"]["SemGCN"]["per_action"]


def test_figure_5_shows_what_people_bring(weights, tmp_path):
    files = []
    for place, clip in enumerate(("walk", "kick", "dance_a")):
        files.append(str(tmp_path / f"{clip}.json"))
        main(["sample", "--clip", clip, "--camera", str(place), "--out", files[-1]])
    arguments = ["figures", weights["hgn"], weights["semgcn"], *QUICK, "--out", str(tmp_path)]
    main([*arguments, "--in-the-wild", *files])
    data = (tmp_path / "figure5_in_the_wild.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert json.loads((tmp_path / "figures.json").read_text())["in_the_wild"] == files
    missing = tmp_path / "none.json"
    with refused(f"{missing}"):
        main([*arguments, "--in-the-wild", str(missing)])


def test_people_without_a_truth_are_drawn_without_one():
    rng = np.random.default_rng(0)
    pose, mesh = rng.normal(size=(17, 3)), rng.normal(size=(48, 3))
    person = Shown("an image", rng.uniform(0, 500, (17, 2)), pose, [mesh])
    edges = np.array([[0, 1], [1, 2]])
    alone = gallery_of([person], "HGN", [edges])
    both = gallery_of([replace(person, true_pose=pose)], "HGN", [edges])
    labels = [
        [text.get_text() for text in figure.legends[0].get_texts()] for figure in (alone, both)
    ]
    assert [("truth" in texts, "HGN" in texts) for texts in labels] == [(False, True), (True, True)]
    drawn = [len(figure.axes[1].collections) for figure in (alone, both)]
    assert drawn[1] == drawn[0] + 2  # bones and joints
    offsets = np.asarray(alone.axes[1].collections[2].get_offsets())
    np.testing.assert_allclose(offsets, turned(pose))
    assert [ax.get_title() for ax in alone.axes] == ["an image", "", ""]
