from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.measuring.predictions import predict
from examples.hgn_pose.motion.cameras import Cameras, ring_of_cameras
from examples.hgn_pose.motion.motion import every_nth
from examples.hgn_pose.motion.recording import Recording, normalised
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION, Augmentation, Variation
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.labels import Column, Labels
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.trainer import Trainer


@pytest.fixture(scope="module")
def motion():
    whole = load_builtin()
    return whole.select(every_nth(whole.clip, 40))


@pytest.fixture(scope="module")
def cameras():
    return ring_of_cameras()


@pytest.fixture(scope="module")
def recording(motion, cameras):
    """What the virtual cameras see, with the sights of each camera in one block."""
    points = torch.from_numpy(motion.positions)
    frames = torch.arange(len(motion))
    images = []
    for camera in range(4):
        seen = cameras.to_camera(points, torch.full_like(frames, camera))
        images.append(normalised(cameras.project(seen).numpy(), 1000, 1000))
    return Recording(
        motion=motion,
        number=np.arange(len(motion)),
        cameras=cameras,
        camera_names=("a", "b", "c", "d"),
        frame=np.tile(np.arange(len(motion)), 4),
        camera=np.repeat(np.arange(4), len(motion)),
        image=np.concatenate(images),
    )


@pytest.fixture(scope="module")
def samples(motion, recording):
    """The joints double as a mesh."""
    return gather(recording, [motion.positions], [FLIP])


def test_recordings_show_what_the_cameras_saw(motion, cameras, recording, samples):
    uncentred = replace(
        gather(motion, [motion.positions], [FLIP]),
        positions=torch.from_numpy(motion.positions),
        meshes=(torch.from_numpy(motion.positions),),
    )
    row = torch.tensor([0, 5, len(motion) + 3, 4 * len(motion) - 1])
    view = torch.zeros(4, dtype=torch.int64)
    batch = samples.batch(cameras, row, view)
    virtual = uncentred.batch(cameras, samples.frame[row], samples.camera[row])
    torch.testing.assert_close(batch.image, virtual.image, atol=1e-6, rtol=0)
    torch.testing.assert_close(batch.pose, virtual.pose, atol=1e-6, rtol=0)
    torch.testing.assert_close(batch.meshes[0], virtual.pose, atol=1e-6, rtol=0)


def test_a_recorded_sample_is_mirrored_and_nothing_else(cameras, samples):
    row = torch.arange(6)
    view = torch.zeros(6, dtype=torch.int64)
    flip = torch.tensor([True, False] * 3)
    variation = Variation(torch.rand(6), 1 + torch.rand(6), flip)
    batch, plain = (samples.batch(cameras, row, view, v) for v in (variation, None))
    for name in ("image", "pose"):
        varied, same = getattr(batch, name), getattr(plain, name)
        torch.testing.assert_close(varied[~flip], same[~flip])
        expected = same[flip][:, FLIP.copy()].clone()
        expected[..., 0] *= -1
        torch.testing.assert_close(varied[flip], expected)
    torch.testing.assert_close(batch.meshes[0], batch.pose)


def test_every_sight_is_one_sample_with_its_labels(cameras, recording, samples):
    assert samples.views(cameras) == 1
    labels = samples.labels(cameras)
    assert len(labels) == len(samples) == 4 * len(recording.motion)
    clips = [recording.motion.clips[c] for c in recording.motion.clip]
    assert labels.action.of_samples().tolist() == [clip.action for clip in clips] * 4
    assert set(labels.subject.of_samples()) == {"0"}
    assert labels.camera.of_samples().tolist() == np.repeat(list("abcd"), len(clips)).tolist()


def test_virtual_samples_have_labels_in_the_order_of_predictions(motion, cameras):
    samples = gather(motion)
    labels = samples.labels(cameras)
    clips = [motion.clips[c] for c in motion.clip]
    assert labels.action.of_samples().tolist() == [c.action for c in clips for _ in range(4)]
    assert labels.camera.code.tolist() == [0, 1, 2, 3] * len(clips)


def test_a_network_trains_on_recordings_and_is_measured(cameras, recording):
    half = recording.select(np.arange(len(recording.motion)) % 2 == 0)
    assert len(half.motion) == (len(recording.motion) + 1) // 2
    samples = gather(half)
    _, hierarchy = coarse_body()
    model = build_network(NetworkOptions("mlp", 4), hierarchy, seed=0)
    options = TrainingOptions(epochs=2, batch_size=16, learning_rate=1e-2)
    trainer = Trainer(model, samples, half.cameras, options)
    assert trainer.steps == -(-len(samples) // 16)
    records = trainer.fit()
    assert records[1].loss < records[0].loss
    predictions = predict(model, samples, half.cameras, batch_size=7)
    assert len(predictions.pose) == len(half)
    np.testing.assert_array_equal(predictions.image, half.image)
    assert len(predictions.labels) == len(half)


def test_recordings_are_never_too_near(motion, recording):
    samples = gather(recording)
    near = Cameras(recording.cameras.rotation, recording.cameras.position / 10)
    with pytest.raises(ValueError, match="too near"):
        gather(motion).check_in_view(near, NO_AUGMENTATION)
    samples.check_in_view(near, Augmentation())


@pytest.mark.parametrize(
    "unseen", [{"bones": 0.1}, {"crossover": 0.3}, {"swing": 5.0}, {"cameras": "wild"}]
)
def test_what_real_cameras_did_not_see_is_refused(recording, unseen):
    with pytest.raises(ValueError, match="make what real cameras did not see; leave them out"):
        gather(recording).check_in_view(recording.cameras, Augmentation(**unseen))


def test_select_keeps_all_sights_of_the_frames(recording):
    mask = np.zeros(len(recording.motion), bool)
    mask[[2, 5]] = True
    part = recording.select(mask)
    assert part.number.tolist() == [2, 5]
    assert part.frame.tolist() == [0, 1] * 4
    np.testing.assert_array_equal(part.image, recording.image[np.isin(recording.frame, [2, 5])])
    assert repr(part).endswith("8 sights by 4 cameras)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((3, 17, 2), np.float32)}, "image has shape"),
        ({"number": np.zeros(3, int)}, "number has shape"),
        ({"camera_names": ("a",)}, "4 cameras and 1 names"),
        ({"camera": 9}, r"camera\[0\] = 9, but there are 4"),
        ({"frame": -1}, r"frame\[0\] = -1"),
        ({"image": np.nan}, "the 2D R_Knee of frame 0 of .* is not finite"),
    ],
)
def test_what_does_not_fit_is_refused(recording, change, message):
    name, value = next(iter(change.items()))
    if not np.ndim(value) and name != "camera_names":
        array = getattr(recording, name).copy()
        array[(0, 2, 1) if name == "image" else 0] = value
        value = array
    with pytest.raises(ValueError, match=message):
        replace(recording, **{name: value})


def test_pixels_keep_their_aspect():
    pixels = np.array([[0.0, 0.0], [1000.0, 1002.0], [500.0, 501.0]])
    np.testing.assert_allclose(
        normalised(pixels, 1000, 1002), np.array([[-1, -1.002], [1, 1.002], [0, 0]]), atol=1e-6
    )
    square = Cameras(torch.eye(3)[None], torch.zeros(1, 3))
    np.testing.assert_allclose(
        square.normalise(torch.from_numpy(pixels)).numpy(), normalised(pixels, 1000, 1000)
    )


def test_columns_hold_only_names_in_use():
    column = Column.of(["b", "a", "b", "c"], np.array([2, 1, 0]))
    assert column.names == ("a", "b")
    assert column.of_samples().tolist() == ["b", "a", "b"]
    with pytest.raises(ValueError, match="labels differ"):
        Labels(column, column, Column.of(["x"]))
