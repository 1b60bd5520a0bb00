from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from examples.hgn_pose.baselines import fit_baselines
from examples.hgn_pose.evaluation import evaluate, predict, score
from examples.hgn_pose.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.samples import NO_AUGMENTATION, Augmentation, make_batch
from examples.hgn_pose.skeleton import JOINTS
from examples.hgn_pose.task import DataOptions, load_task


@pytest.fixture(scope="module")
def task():
    options = DataOptions(train_every=20, test_every=20)
    return load_task(options, torch.device("cpu"), meshes=True)


class Oracle(nn.Module):
    """Knows the answers, in order, and adds what it is told to."""

    def __init__(self, task, shift):
        super().__init__()
        everything = torch.arange(len(task.test) * 4)
        batch = make_batch(task.test, task.cameras, everything // 4, everything % 4)
        self.answers = (batch.pose, *batch.meshes)
        self.shift = shift
        self.done = 0

    def forward(self, image):
        rows = slice(self.done, self.done + len(image))
        self.done += len(image)
        return tuple(answer[rows] + self.shift for answer in self.answers)


def test_the_truth_has_no_error(task):
    scores = evaluate(Oracle(task, 0.0), task.test, task.cameras)
    assert scores.mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.pa_mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.mpvpe == {"48": pytest.approx(0, abs=1e-3), "96": pytest.approx(0, abs=1e-3)}
    assert scores.samples == 4 * len(task.test)


def test_the_predicted_pelvis_is_subtracted(task):
    scores = evaluate(Oracle(task, torch.tensor([1.0, 2.0, 3.0])), task.test, task.cameras)
    assert scores.mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.mpvpe["96"] == pytest.approx(0, abs=1e-3)


def test_known_shifts_are_measured(task):
    shift = torch.zeros(17, 3)
    shift[JOINTS.index("L_Wrist"), 2] = 0.34
    oracle = Oracle(task, 0.0)
    oracle.answers = (oracle.answers[0] + shift, *oracle.answers[1:])
    scores = evaluate(oracle, task.test, task.cameras)
    assert scores.mpjpe == pytest.approx(20, rel=1e-4)
    assert scores.per_joint["L_Wrist"] == pytest.approx(340, rel=1e-4)
    assert scores.per_joint["R_Wrist"] == pytest.approx(0, abs=1e-3)
    assert scores.per_joint["Pelvis"] == 0


def test_batches_do_not_matter(task):
    model = nn.Sequential(nn.Flatten(), nn.Linear(34, 51), nn.Unflatten(1, (17, 3)))

    class One(nn.Module):
        def forward(self, image):
            return (model(image),)

    small = predict(One(), task.test, task.cameras, batch_size=7)
    large = predict(One(), task.test, task.cameras)
    np.testing.assert_allclose(small.pose, large.pose, atol=1e-6)
    assert small.meshes == ()
    assert score(small).mpvpe == {}


def test_scores_of_actions_are_those_of_their_frames(task):
    mean, _ = fit_baselines(task.train, task.cameras, NO_AUGMENTATION)
    predictions = predict(mean, task.test, task.cameras)
    scores = score(predictions)
    assert set(scores.per_action) == {"dance", "jump", "kick", "walk"}
    for action, (first, second) in scores.per_action.items():
        names = [task.test.actions[number] for number in task.test.clip for _ in range(4)]
        mine = np.array([name == action for name in names])
        assert first == pytest.approx(mpjpe(predictions.pose[mine], predictions.true_pose[mine]))
        assert second == pytest.approx(
            pa_mpjpe(predictions.pose[mine], predictions.true_pose[mine])
        )
    mean_of_actions = np.mean([first for first, _ in scores.per_action.values()])
    assert scores.as_json()["mpjpe_mean_over_actions_mm"] == round(float(mean_of_actions), 2)


@pytest.mark.parametrize(("good", "expected"), [(True, 0.0), (False, 5000 * 3**0.5)])
def test_only_frames_with_a_good_fit_count_for_meshes(task, good, expected):
    fitted = torch.full((len(task.test),), good)
    fitted[0] = not good
    oracle = Oracle(task, 0.0)
    oracle.answers[1][:4] += 5.0  # all views of frame 0
    scores = evaluate(oracle, replace(task.test, fitted=fitted), task.cameras)
    assert scores.mpvpe["48"] == pytest.approx(expected, abs=0.01)


def test_baselines_are_mean_and_least_squares(task):
    mean, linear = fit_baselines(task.train, task.cameras, NO_AUGMENTATION, rounds=1, ridge=0.0)
    everything = torch.arange(len(task.train) * 4)
    batch = make_batch(task.train, task.cameras, everything // 4, everything % 4)
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


def test_the_linear_map_beats_the_mean_pose(task):
    mean, linear = fit_baselines(task.train, task.cameras, Augmentation())
    scores = [evaluate(model, task.test, task.cameras) for model in (mean, linear)]
    assert scores[1].mpjpe < 0.6 * scores[0].mpjpe
