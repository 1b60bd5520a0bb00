"""The recipes: what they are made of, each written out a second time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.precision import ends_of
from examples.hgn_pose.network.weights import Passport
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION
from examples.hgn_pose.samples.batches import Batch
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.loss import pose_loss
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.recipes import RECIPES, recipe_of
from examples.hgn_pose.training.trainer import Trainer

MODERN = replace(RECIPES["modern"], steps=6, batch_size=32)  # two epochs of 80 samples
PASSPORT = Passport({"network": "semgcn"}, "abc", {"data": "builtin", "meshes": False})


def trainer(options, network="semgcn"):
    samples = gather(load_builtin().select(slice(0, 20)))
    model = build_network(NetworkOptions(network, 8, dropout=0.1, head="ray"), None, options.seed)
    ends = ends_of(network, model)
    return Trainer(model, samples, ring_of_cameras(), options, ends=ends)


def test_the_loss_may_be_the_distance_itself():
    torch.manual_seed(0)
    true, found = torch.randn(5, 17, 3), torch.randn(5, 17, 3)
    mesh, other = torch.randn(5, 9, 3), torch.randn(5, 9, 3)
    fitted = torch.tensor([True, False, True, True, False])
    batch = Batch(true[..., :2], true, (mesh,), fitted)
    pose_term, mesh_term = pose_loss((found, other), batch, "distance")
    away = [[float((p - t).norm()) for p, t in zip(*pair, strict=True)]
            for pair in zip(found, true, strict=True)]  # fmt: skip
    assert float(pose_term) == pytest.approx(sum(map(sum, away)) / (5 * 17), rel=1e-5)
    mesh_away = [
        sum(float((p - t).norm()) for p, t in zip(other[b], mesh[b], strict=True)) / 9
        for b in range(5)
        if fitted[b]
    ]
    assert float(mesh_term) == pytest.approx(sum(mesh_away) / 5, rel=1e-5)


@pytest.mark.parametrize("reduction", ["distance", "sum"])
def test_all_frames_of_a_clip_count_alike(reduction):
    torch.manual_seed(0)
    true, found = torch.randn(2, 4, 3, 17, 3).unbind(0)
    batch = Batch(true[..., :2], true[:, 1], (), torch.ones(4, dtype=torch.bool), true)
    apart = [
        pose_loss((found[:, k],), Batch(true[:, k], true[:, k], (), batch.fitted), reduction)[0]
        for k in range(3)
    ]
    together = pose_loss((found,), batch, reduction)[0]
    torch.testing.assert_close(together, torch.stack(apart).mean())
    # A network that answers for the middle is measured there.
    middle = pose_loss((found[:, 1],), batch, reduction)[0]
    torch.testing.assert_close(middle, apart[1])


def test_a_point_in_its_place_has_no_slope():
    """The pelvis of a ray head always is."""
    true = torch.zeros(1, 17, 3)
    found = torch.zeros(1, 17, 3, requires_grad=True)
    batch = Batch(true[..., :2], true, (), torch.ones(1, dtype=torch.bool))
    pose_loss((found,), batch, "distance")[0].backward()
    assert found.grad is not None
    assert (found.grad == 0).all()


def test_the_result_is_a_running_mean_of_the_weights():
    options = replace(MODERN, average=0.75)
    run = trainer(options)
    expected = {name: value.clone() for name, value in run.model.state_dict().items()}
    step = run._step

    def watched(*draw):
        loss = step(*draw)
        for name, value in run.model.state_dict().items():
            if value.is_floating_point():
                expected[name] = 0.75 * expected[name] + 0.25 * value
        return loss

    run._step = watched
    run.fit()
    assert run.result is not run.model
    for name, value in run.result.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name], msg=name)
    one = next(iter(expected))
    assert not torch.equal(expected[one], run.model.state_dict()[one])


def test_without_a_mean_the_last_weights_are_the_result():
    run = trainer(replace(MODERN, average=0.0))
    assert run.result is run.model


def test_weights_shrink_as_adamw_says():
    """One step of either from the same weights, on the same samples, differs by the decay alone."""
    options = replace(MODERN, steps=1, batch_size=80, average=0.0, bf16=False,
                      augmentation=NO_AUGMENTATION)  # fmt: skip
    first = trainer(options).model.state_dict()
    first = {name: value.clone() for name, value in first.items()}
    plain, decayed = (trainer(replace(options, weight_decay=w)) for w in (0.0, 0.25))
    for run in (plain, decayed):
        run.fit()
        assert len(run.records) == 1
    for name, _ in plain.model.named_parameters():
        one, other = plain.model.state_dict()[name], decayed.model.state_dict()[name]
        torch.testing.assert_close(other, one - 1e-3 * 0.25 * first[name], rtol=1e-4, atol=1e-7)


def test_a_resumed_run_ends_like_one_that_never_stopped(tmp_path):
    straight = trainer(MODERN)
    straight.fit()
    assert len(straight.records) == 2

    class Stop(Exception):
        pass

    def stop(self):
        save_training(tmp_path / "state.safetensors", self, PASSPORT)
        raise Stop

    with pytest.raises(Stop):
        trainer(MODERN).fit(after_epoch=stop)
    resumed = trainer(MODERN)
    resume_training(tmp_path / "state.safetensors", resumed, PASSPORT)
    resumed.fit()
    assert resumed.records == straight.records
    assert any(name.startswith("average.") for name in straight.tensors())
    for name, value in straight.tensors().items():
        assert torch.equal(value, resumed.tensors()[name]), name
    with pytest.raises(ValueError, match=r"its options\.average is 0\.99, not None"):
        resume_training(
            tmp_path / "state.safetensors", trainer(replace(MODERN, average=0.0)), PASSPORT
        )


def test_so_many_steps_are_whole_epochs():
    assert trainer(MODERN).options.epochs == 2
    assert trainer(replace(MODERN, steps=7)).options.epochs == 3
    assert MODERN.length == "6 steps"
    with pytest.raises(ValueError, match="epochs = 3 and steps = 6 both say how long"):
        replace(MODERN, epochs=3)
    assert replace(MODERN, steps=None, epochs=3).length == "3 epochs"


def test_files_of_the_published_recipe_are_as_ever():
    keys = set(TrainingOptions().as_json())
    assert not keys & {"steps", "weight_decay", "average", "bf16"}
    written = json.loads(json.dumps(RECIPES["modern"].as_json()))
    assert written["average"] == 0.99
    assert written["augmentation"]["bones"] == 0.1


@pytest.mark.parametrize(
    ("line", "recipe"),
    [
        (["train", "--recipe", "modern"], "modern"),
        (["--recipe=modern", "--recipe", "published"], "published"),
        (["train", "--recipe"], "published"),
        (["train", "--recipe", "ancient"], "published"),
        (["train", "modern"], "published"),
    ],
)
def test_a_command_line_names_its_recipe(line, recipe):
    assert recipe_of(line) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"average": 1.0}, "average = 1.0 must be at least 0 and below 1"),
        ({"weight_decay": -1.0}, "weight_decay = -1.0"),
        ({"steps": 0}, "steps = 0"),
    ],
)
def test_options_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**change)
