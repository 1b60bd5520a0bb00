from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from examples.hgn_pose.body.coarse import MESH_SIZES
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.samples.augmentation import Augmentation
from examples.hgn_pose.samples.batches import Batch, input_shape
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.training.loss import pose_loss
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.trainer import Trainer, epoch_seed

CPU = torch.device("cpu")
HGN = NetworkOptions("hgn", channels=4, dropout=0.2)
SHORT = TrainingOptions(epochs=2, batch_size=64, schedule="cosine")


@pytest.fixture(scope="module")
def prepared():
    return prepare_data(DataOptions(train_every=60, test_every=60), CPU, mesh_sizes=MESH_SIZES)


@pytest.fixture(scope="module")
def clips():
    options = DataOptions(train_every=60, test_every=60)
    return prepare_data(options, CPU, mesh_sizes=MESH_SIZES, frames=27)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trained(prepared, options, network=HGN):
    model = build_network(network, prepared.hierarchy, options.seed, prepared.body)
    trainer = Trainer(model, prepared.train, prepared.cameras, options)
    trainer.fit()
    return trainer


def random_batch(seed=0):
    rng = np.random.default_rng(seed)

    def points(nodes):
        return torch.tensor(rng.normal(size=(5, nodes, 3)), dtype=torch.float32)

    fitted = torch.tensor([True, True, False, True, False])
    batch = Batch(points(17)[..., :2], points(17), (points(48), points(96)), fitted)
    return batch, (points(17), points(48), points(96))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_loss_is_equation_4(reduction):
    batch, outputs = random_batch()
    pose, mesh = pose_loss(outputs, batch, reduction)

    def term(predicted, true, b):
        squares = [
            sum(
                (float(p) - float(t)) ** 2 for p, t in zip(predicted[b, i], true[b, i], strict=True)
            )
            for i in range(predicted.shape[1])
        ]
        return sum(squares) / (len(squares) if reduction == "mean" else 1)

    expected_pose = sum(term(outputs[0], batch.pose, b) for b in range(5)) / 5
    expected_mesh = (
        sum(
            term(outputs[k + 1], batch.meshes[k], b)
            for k in range(2)
            for b in range(5)
            if batch.fitted[b]
        )
        / 5
    )
    assert float(pose) == pytest.approx(expected_pose, rel=1e-5)
    assert float(mesh) == pytest.approx(expected_mesh, rel=1e-5)


def test_the_published_loss_averages_over_everything():
    batch, outputs = random_batch()
    pose, mesh = (float(term) for term in pose_loss(outputs, batch, "published"))
    squared = [
        (o - t).numpy() ** 2 for o, t in zip(outputs, (batch.pose, *batch.meshes), strict=True)
    ]
    assert pose == pytest.approx(squared[0].mean())
    fitted = batch.fitted.numpy()
    expected = sum(s[fitted].sum() / s.size for s in squared[1:])
    assert mesh == pytest.approx(expected)
    assert TrainingOptions(loss_reduction="published").lambdas() == (100.0, 1.0)


def test_published_means_weigh_meshes_as_smaller_sums():
    """What lambdas() says of 100 : 1 over means and the 1 : 0.01 over sums."""
    batch, outputs = random_batch()
    weights = TrainingOptions(loss_reduction="mean").lambdas()
    means = sum(
        w * float(t) for w, t in zip(weights, pose_loss(outputs, batch, "mean"), strict=True)
    )
    pose = float(pose_loss(outputs, batch, "sum")[0])
    meshes = [
        float(
            pose_loss(
                (outputs[0], outputs[k]), replace(batch, meshes=batch.meshes[k - 1 : k]), "sum"
            )[1]
        )
        for k in (1, 2)
    ]
    sums = pose + 0.01 * 17 / 48 * meshes[0] + 0.01 * 17 / 96 * meshes[1]
    assert means == pytest.approx(100 / 17 * sums, rel=1e-5)


def test_given_weights_are_kept():
    assert TrainingOptions(lambda_mesh=0.0).lambdas() == (1.0, 0.0)
    options = TrainingOptions(loss_reduction="mean", lambda_pose=2.0)
    assert options.lambdas() == (2.0, 1.0)
    assert options.as_json()["lambda_mesh"] == 1.0


def test_loss_without_meshes():
    batch, outputs = random_batch()
    assert pose_loss(outputs[:1], batch, "sum")[1] == 0
    with pytest.raises(ValueError, match="answers with 2 meshes, the samples have 1"):
        pose_loss(outputs, replace(batch, meshes=batch.meshes[:1]), "sum")


def test_step_schedule_is_the_papers():
    options = TrainingOptions()
    rates = [options.rate(epoch, 0, 10) for epoch in (0, 19, 20, 39, 40, 99)]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 9e-4, 9e-4, 8.1e-4, 1e-3 * 0.9**4])


def test_cosine_schedule_falls_to_zero():
    options = TrainingOptions(epochs=5, schedule="cosine")
    rates = [options.rate(epoch, step, 10) for epoch in range(5) for step in range(10)]
    assert rates[0] == 1e-3
    assert all(a > b for a, b in pairwise(rates))
    assert 0 < rates[-1] < 1e-5


def test_two_runs_end_with_the_same_bits(prepared):
    first, second = trained(prepared, SHORT), trained(prepared, SHORT)
    assert first.records == second.records
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_another_seed_ends_elsewhere(prepared):
    first, second = trained(prepared, SHORT), trained(prepared, replace(SHORT, seed=1))
    assert first.records[-1].loss != second.records[-1].loss


def test_training_leaves_global_randomness_alone(prepared):
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    trained(prepared, replace(SHORT, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_stopping_and_going_on_changes_no_bit(prepared):
    options = replace(SHORT, epochs=3)
    straight = trained(prepared, options)

    class Stop(Exception):
        pass

    def stop(trainer):
        raise Stop

    model = build_network(HGN, prepared.hierarchy, options.seed)
    broken = Trainer(model, prepared.train, prepared.cameras, options)
    with pytest.raises(Stop):
        broken.fit(after_epoch=stop)
    tensors = {name: value.clone() for name, value in broken.tensors().items()}

    other = build_network(HGN, prepared.hierarchy, seed=99)
    resumed = Trainer(other, prepared.train, prepared.cameras, options)
    resumed.restore(tensors, broken.records)
    resumed.fit()
    assert resumed.records == straight.records
    for name, value in straight.tensors().items():
        assert torch.equal(value, resumed.tensors()[name]), name


def test_every_frame_is_seen_by_every_camera_once_an_epoch(prepared):
    options = TrainingOptions(
        batch_size=7, augmentation=Augmentation(heading=False, size=0, flip=False)
    )
    model = build_network(NetworkOptions("semgcn", 4), None, 0)
    trainer = Trainer(model, prepared.train, prepared.cameras, options)
    batches = [trainer._batch(*draw) for draw in trainer._draws(seed=5)]
    assert len(batches) == trainer.steps
    seen = torch.cat([batch.image for batch in batches]).flatten(1)
    assert len(seen) == 4 * len(prepared.train)
    assert len(torch.unique(seen, dim=0)) == len(seen)
    again = torch.cat([trainer._batch(*draw).image for draw in trainer._draws(seed=6)]).flatten(1)
    assert not torch.equal(seen, again)
    assert torch.equal(torch.unique(seen, dim=0), torch.unique(again, dim=0))


def test_other_bodies_are_trained_on_and_a_stop_in_between_changes_nothing(prepared):
    other = Augmentation(bones=0.1, crossover=0.3)
    options = replace(SHORT, schedule="step", augmentation=other)
    straight, stopped, plain = (
        trained(prepared, one)
        for one in (options, replace(options, epochs=1), replace(SHORT, schedule="step"))
    )
    resumed = Trainer(
        build_network(HGN, prepared.hierarchy, seed=99), prepared.train, prepared.cameras, options
    )
    resumed.restore(stopped.tensors(), stopped.records)
    resumed.fit()
    assert resumed.records == straight.records
    assert straight.records != plain.records
    assert straight.records[1].mesh_loss > 0


def test_without_mesh_weight_the_meshes_stay(prepared):
    options = replace(SHORT, epochs=1, lambda_mesh=0.0)
    before = build_network(HGN, prepared.hierarchy, options.seed).state_dict()
    trainer = trained(prepared, options)
    after = trainer.model.state_dict()
    assert torch.equal(before["outputs.2.weight"], after["outputs.2.weight"])
    assert not torch.equal(before["outputs.0.weight"], after["outputs.0.weight"])
    assert "adam.exp_avg.outputs.0.weight" in trainer.tensors()
    assert "adam.exp_avg.outputs.2.weight" not in trainer.tensors()


@pytest.mark.parametrize("network", ARCHITECTURES)
def test_networks_learn(prepared, clips, network):
    options = TrainingOptions(epochs=6, batch_size=32, learning_rate=1e-2)
    frames = [number for number in ARCHITECTURES[network].frames if number > 1]
    chosen = NetworkOptions(network, channels=8, head="xyz", frames=min(frames, default=None))
    shown = prepared
    if chosen.window > 1:
        shown = replace(clips, train=clips.train.of_frames(chosen.window))
    records = trained(shown, options, chosen).records
    assert records[-1].pose_loss < 0.75 * records[0].pose_loss


def test_first_answers_lie_near_the_pelvis(prepared):
    for name in ARCHITECTURES:
        options = NetworkOptions(name, 16)
        model = build_network(options, prepared.hierarchy, 0, prepared.body).eval()
        with torch.no_grad():
            answers = model(0.1 * (torch.rand(8, *input_shape(options.window)) - 0.5))
        assert max(float(answer.abs().max()) for answer in answers) < 0.5
        assert count_parameters(model) > 1000


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation().robust()])
def test_a_run_on_clips_stops_and_goes_on_as_if_it_had_not(clips, augmentation):
    options = replace(SHORT, epochs=3, augmentation=augmentation)
    network = NetworkOptions("temporal_convolutions", 4)
    straight = trained(clips, options, network)
    first = build_network(network, None, options.seed)
    broken = Trainer(first, clips.train, clips.cameras, options)
    steps = broken.steps_to_go()
    while not broken.records:
        next(steps)
    tensors = {name: value.clone() for name, value in broken.tensors().items()}
    resumed = Trainer(build_network(network, None, 99), clips.train, clips.cameras, options)
    assert resumed.template(1).keys() == tensors.keys()
    resumed.restore(tensors, broken.records)
    resumed.fit()
    assert resumed.records == straight.records
    for name, value in straight.tensors().items():
        assert torch.equal(value, resumed.tensors()[name]), name


def test_running_statistics_settle_from_epoch_to_epoch(clips):
    shares = []

    def note(trainer):
        shares.append(float(trainer.model.expand.norm.share))

    model = build_network(NetworkOptions("temporal_convolutions", 4), None, 0)
    options = replace(SHORT, epochs=4)
    Trainer(model, clips.train, clips.cameras, options).fit(after_epoch=note)
    np.testing.assert_allclose(shares, [0.1 * 0.01 ** (epoch / 4) for epoch in range(4)], rtol=1e-6)


def test_seeds_of_epochs_differ():
    seeds = {epoch_seed(seed, epoch) for seed in range(20) for epoch in range(50)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_loss_that_is_not_finite_stops_the_run():
    motion = load_builtin()
    samples = gather(motion.select(slice(0, 4)))
    from examples.hgn_pose.motion.cameras import ring_of_cameras

    model = build_network(NetworkOptions("semgcn", 4), None, 0)
    with torch.no_grad():
        next(iter(model.parameters())).fill_(float("inf"))
    trainer = Trainer(model, samples, ring_of_cameras(), TrainingOptions(epochs=1))
    with pytest.raises(FloatingPointError, match="after epoch 1; lower the learning rate"):
        trainer.fit()


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("learning_rate", 0), ("lambda_mesh", -1), ("batch_size", 0)]
)
def test_bad_options_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        TrainingOptions(**{name: value})


def test_hgn_needs_a_hierarchy():
    with pytest.raises(ValueError, match="hierarchy is missing"):
        build_network(HGN, None, 0)
