"""Recorded steps against the same steps run as they are."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from examples.hgn_pose.body.coarse import MESH_SIZES
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.precision import ends_of
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.samples.augmentation import Augmentation
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.recipes import RECIPES
from examples.hgn_pose.training.trainer import Trainer
from multiscale_gcn.nn import RecordedStep
from multiscale_gcn.nn.recorded import WARM_UP

pytestmark = pytest.mark.gpu
SHORT = TrainingOptions(epochs=3, batch_size=32, schedule="cosine")


@pytest.fixture(scope="module")
def prepared():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    options = DataOptions(data="builtin", train_every=60, test_every=60)
    return prepare_data(options, torch.device("cuda"), mesh_sizes=MESH_SIZES, frames=27)


def test_every_call_does_the_work_of_one_call(prepared):
    total = torch.zeros((), device="cuda")

    def add(x: Tensor, y: Tensor) -> Tensor:
        total.add_((x * y).sum())
        return 2 * total

    replay = RecordedStep(add)
    expected = 0.0
    for size in [4] * (WARM_UP + 3) + [3, 4, 1, 4]:
        x, y = torch.rand(2, size, device="cuda")
        expected += float(x @ y)
        assert float(replay(x, y)) == pytest.approx(2 * expected, rel=1e-5)


def run(prepared, options, network, *, replay):
    model = build_network(network, prepared.hierarchy, options.seed, prepared.body).to("cuda")
    ends = ends_of(network.network, model)
    samples = prepared.train.of_frames(network.window)
    trainer = Trainer(model, samples, prepared.cameras, options, replay=replay, ends=ends)
    trainer.fit()
    return trainer


def test_other_bodies_are_recorded_too(prepared):
    options = replace(SHORT, augmentation=Augmentation(bones=0.1, crossover=0.3))
    network = NetworkOptions("hgn", channels=8)
    plain, replayed = (run(prepared, options, network, replay=replay) for replay in (False, True))
    for first, second in zip(plain.records, replayed.records, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=1e-3)


def test_clips_before_held_cameras_are_recorded_too(prepared):
    modern = replace(RECIPES["modern"], steps=20, batch_size=32)
    options = replace(modern, augmentation=modern.augmentation.robust())
    network = NetworkOptions(
        "body_clips", 16, dropout=0.0, clusters="none", head="xyz", facing=True
    )
    plain, replayed = (run(prepared, options, network, replay=replay) for replay in (False, True))
    for first, second in zip(plain.records, replayed.records, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=0.02)


@pytest.mark.parametrize("name", ["body_streams", "hgn", "semgcn", "transformer"])
def test_the_modern_recipe_is_recorded_too(prepared, name):
    options = replace(RECIPES["modern"], steps=20, batch_size=32)
    network = NetworkOptions(name, channels=16, dropout=0.0, head="ray")
    plain, replayed = (run(prepared, options, network, replay=replay) for replay in (False, True))
    for first, second in zip(plain.records, replayed.records, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=0.02)
    found, expected = (one.result.state_dict() for one in (replayed, plain))
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0.1, atol=5e-3, msg=key)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_training_is_the_same_but_for_rounding(prepared, name, dropout):
    network = NetworkOptions(name, channels=8, dropout=dropout)
    plain, replayed = (run(prepared, SHORT, network, replay=replay) for replay in (False, True))
    assert not plain.replay
    assert replayed.replay
    for first, second in zip(plain.records, replayed.records, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=1e-3)
        assert second.mesh_loss == pytest.approx(first.mesh_loss, rel=1e-3)
    state = replayed.model.state_dict()
    for key, value in plain.model.state_dict().items():
        torch.testing.assert_close(state[key], value, rtol=0.02, atol=2e-3, msg=key)


def test_stopping_and_going_on_is_the_same(prepared):
    network = NetworkOptions("hgn", channels=8)
    straight = run(prepared, SHORT, network, replay=True)

    class Stop(Exception):
        pass

    def stop(trainer):
        raise Stop

    model = build_network(network, prepared.hierarchy, SHORT.seed).to("cuda")
    broken = Trainer(model, prepared.train.single, prepared.cameras, SHORT)
    with pytest.raises(Stop):
        broken.fit(after_epoch=stop)
    tensors = {key: value.cpu().clone() for key, value in broken.tensors().items()}
    other = build_network(network, prepared.hierarchy, seed=99).to("cuda")
    resumed = Trainer(other, prepared.train.single, prepared.cameras, SHORT)
    resumed.restore(tensors, broken.records)
    resumed.fit()
    for first, second in zip(straight.records, resumed.records, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=1e-3)


def test_every_device_trains_on_the_same_samples(prepared):
    options = replace(SHORT, batch_size=7)
    network = NetworkOptions("semgcn", 4)
    trainers = [
        Trainer(
            build_network(network, None, 0).to(device),
            prepared.train.single.to(device),
            prepared.cameras.to(device),
            options,
        )
        for device in ("cpu", "cuda")
    ]
    for here, there in zip(*(trainer._draws(seed=5) for trainer in trainers), strict=True):
        for first, second in zip(here, there, strict=True):
            assert torch.equal(first, second.cpu())
