import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from examples.hgn_pose.body.coarse import MESH_SIZES
from examples.hgn_pose.body.skeleton import FLIP, JOINTS
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.measuring.evaluation import evaluate
from examples.hgn_pose.measuring.metrics import mpjpe, n_mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.predictions import answer, predict
from examples.hgn_pose.measuring.scores import SIXTEEN, score
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION, Augmentation
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.training.baselines import fit_baselines


@pytest.fixture(scope="module")
def prepared():
    options = DataOptions(train_every=20, test_every=20)
    return prepare_data(options, torch.device("cpu"), mesh_sizes=MESH_SIZES)


class Oracle(nn.Module):
    """Knows the answers, in order, and adds what it is told to."""

    def __init__(self, prepared, shift):
        super().__init__()
        everything = torch.arange(len(prepared.test) * 4)
        batch = prepared.test.batch(prepared.cameras, everything // 4, everything % 4)
        self.answers = (batch.pose, *batch.meshes)
        self.shift = shift
        self.done = 0

    def forward(self, image):
        rows = slice(self.done, self.done + len(image))
        self.done += len(image)
        return tuple(answer[rows] + self.shift for answer in self.answers)


def test_the_truth_has_no_error(prepared):
    scores = evaluate(Oracle(prepared, 0.0), prepared.test, prepared.cameras)
    assert scores.mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.pa_mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.mpvpe == {"48": pytest.approx(0, abs=1e-3), "96": pytest.approx(0, abs=1e-3)}
    assert scores.samples == 4 * len(prepared.test)


def test_the_predicted_pelvis_is_subtracted(prepared):
    scores = evaluate(
        Oracle(prepared, torch.tensor([1.0, 2.0, 3.0])), prepared.test, prepared.cameras
    )
    assert scores.mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.mpvpe["96"] == pytest.approx(0, abs=1e-3)


def test_known_shifts_are_measured(prepared):
    shift = torch.zeros(17, 3)
    shift[JOINTS.index("L_Wrist"), 2] = 0.34
    oracle = Oracle(prepared, 0.0)
    oracle.answers = (oracle.answers[0] + shift, *oracle.answers[1:])
    scores = evaluate(oracle, prepared.test, prepared.cameras)
    assert scores.mpjpe == pytest.approx(20, rel=1e-4)
    assert scores.per_joint["L_Wrist"] == pytest.approx(340, rel=1e-4)
    assert scores.per_joint["R_Wrist"] == pytest.approx(0, abs=1e-3)
    assert scores.per_joint["Pelvis"] == 0


def test_batches_do_not_matter(prepared):
    model = nn.Sequential(nn.Flatten(), nn.Linear(34, 51), nn.Unflatten(1, (17, 3)))

    class One(nn.Module):
        def forward(self, image):
            return (model(image),)

    small = predict(One(), prepared.test, prepared.cameras, batch_size=7)
    large = predict(One(), prepared.test, prepared.cameras)
    np.testing.assert_allclose(small.pose, large.pose, atol=1e-6)
    assert small.meshes == ()
    assert score(small).mpvpe == {}


def test_scores_of_actions_are_those_of_their_frames(prepared):
    mean, _ = fit_baselines(prepared.train, prepared.cameras, NO_AUGMENTATION)
    predictions = predict(mean, prepared.test, prepared.cameras)
    scores = score(predictions)
    assert set(scores.per_action) == {"dance", "jump", "kick", "walk"}
    for action, summary in scores.per_action.items():
        names = [prepared.test.actions[number] for number in prepared.test.clip for _ in range(4)]
        mine = np.array([name == action for name in names])
        assert summary.samples == mine.sum()
        pair = predictions.pose[mine], predictions.true_pose[mine]
        assert summary.mpjpe == pytest.approx(mpjpe(*pair))
        assert summary.pa_mpjpe == pytest.approx(pa_mpjpe(*pair))
        assert summary.n_mpjpe == pytest.approx(n_mpjpe(*pair))
    (only,) = scores.per_subject.values()
    assert vars(only) == {name: getattr(scores, name) for name in vars(only)}
    for name, value in vars(scores.mean_over_actions).items():
        figures = [getattr(summary, name) for summary in scores.per_action.values()]
        expected = scores.samples if name == "samples" else np.mean(figures)
        assert value == pytest.approx(expected), name
    assert json.loads(json.dumps(scores.as_json())) == scores.as_json()


def test_scores_without_the_nose(prepared):
    _, linear = fit_baselines(prepared.train, prepared.cameras, NO_AUGMENTATION)
    predictions = predict(linear, prepared.test, prepared.cameras)
    scores = score(predictions, SIXTEEN)
    assert "Nose" not in scores.per_joint
    assert len(scores.per_joint) == 16
    kept = [i for i in range(17) if i != 9]
    pair = predictions.pose[:, kept], predictions.true_pose[:, kept]
    assert scores.mpjpe == pytest.approx(mpjpe(*pair))
    assert scores.pa_mpjpe == pytest.approx(pa_mpjpe(*pair))
    assert scores.n_mpjpe == pytest.approx(n_mpjpe(*pair))
    assert scores.pck_every_joint == score(predictions).pck_every_joint


class Shifted(nn.Module):
    """Answers with a function of the input that a mirror does not commute with."""

    def forward(self, image):
        depth = image.sum(dim=2, keepdim=True) ** 2
        pose = torch.cat([image + 0.1, depth], dim=2)
        return pose, torch.cat([pose, 2 * pose], dim=1)


def test_flipping_averages_an_answer_and_the_mirrored_answer_to_the_mirror():
    rng = np.random.default_rng(0)
    image = torch.tensor(rng.normal(size=(6, 17, 2)), dtype=torch.float32)
    mesh_flip = torch.tensor([*FLIP, *(FLIP + 17)])
    model = Shifted()
    pose, mesh = answer(model, image, [mesh_flip], flip=True, batch_size=4)
    swap = {name: name.replace("L_", "R_") for name in JOINTS if name.startswith("L_")}
    swap |= {right: left for left, right in swap.items()}
    for s in range(6):
        other = torch.zeros(17, 2)
        for i, name in enumerate(JOINTS):
            j = JOINTS.index(swap.get(name, name))
            other[i, 0], other[i, 1] = -image[s, j, 0], image[s, j, 1]
        plain, mirror = model(image[s : s + 1])[0][0], model(other[None])[0][0]
        average = np.zeros((17, 3))
        for i, name in enumerate(JOINTS):
            j = JOINTS.index(swap.get(name, name))
            for axis in range(3):
                back = mirror[j, axis] * (-1 if axis == 0 else 1)
                average[i, axis] = (plain[i, axis] + back) / 2
        np.testing.assert_allclose(pose[s], average - average[0], atol=1e-5)
        np.testing.assert_allclose(mesh[s, :17], average - average[0], atol=1e-5)
        np.testing.assert_allclose(mesh[s, 17:], 2 * average - average[0], atol=1e-5)


def test_flipped_answers_commute_with_the_mirror(prepared):
    model = build_network(NetworkOptions("hgn", 4), prepared.hierarchy, seed=0)
    image = torch.tensor(predict(model, prepared.test, prepared.cameras).image[:8])
    flips = prepared.test.mesh_flips
    plain = answer(model, image, flips, flip=True)
    other = answer(model, mirrored(image, torch.tensor(FLIP)), flips, flip=True)
    for one, two, flip in zip(plain, other, [torch.tensor(FLIP), *flips], strict=True):
        np.testing.assert_allclose(mirrored(torch.tensor(two), flip), one, atol=1e-6)


@pytest.mark.parametrize(("good", "expected"), [(True, 0.0), (False, 5000 * 3**0.5)])
def test_only_frames_with_a_good_fit_count_for_meshes(prepared, good, expected):
    fitted = torch.full((len(prepared.test),), good)
    fitted[0] = not good
    oracle = Oracle(prepared, 0.0)
    oracle.answers[1][:4] += 5.0  # all views of frame 0
    scores = evaluate(oracle, replace(prepared.test, fitted=fitted), prepared.cameras)
    assert scores.mpvpe["48"] == pytest.approx(expected, abs=0.01)


def test_baselines_are_mean_and_least_squares(prepared):
    mean, linear = fit_baselines(
        prepared.train, prepared.cameras, NO_AUGMENTATION, rounds=1, ridge=0.0
    )
    everything = torch.arange(len(prepared.train) * 4)
    batch = prepared.train.batch(prepared.cameras, everything // 4, everything % 4)
    targets = (batch.pose, *batch.meshes)
    inputs = np.c_[batch.image.flatten(1).double().numpy(), np.ones(len(everything))]
    for k, target in enumerate(targets):
        expected = target.mean(dim=0).expand_as(target)
        torch.testing.assert_close(mean(batch.image)[k], expected, atol=1e-5, rtol=0)
        flat = target.flatten(1).double().numpy()
        solution = inputs @ np.linalg.lstsq(inputs, flat, rcond=None)[0]
        answer = linear(batch.image)[k].flatten(1).numpy()
        assert np.square(answer - flat).mean() == pytest.approx(
            np.square(solution - flat).mean(), rel=1e-3
        )


def test_the_linear_map_beats_the_mean_pose(prepared):
    mean, linear = fit_baselines(prepared.train, prepared.cameras, Augmentation())
    scores = [evaluate(model, prepared.test, prepared.cameras) for model in (mean, linear)]
    assert scores[1].mpjpe < 0.6 * scores[0].mpjpe
