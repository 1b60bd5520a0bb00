"""Clips against single frames: the same targets, and in the windows what each frame shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from examples.hgn_pose.body.skeleton import EDGES, FLIP
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.measuring.predictions import predict
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.recording import Recording
from examples.hgn_pose.samples.augmentation import Augmentation, Variation
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.preparing import _clips, prepare_data

CPU = torch.device("cpu")
OPTIONS = DataOptions("builtin", train_every=20, test_every=20)
FRAMES = 5


@pytest.fixture(scope="module")
def single():
    return prepare_data(OPTIONS, CPU)


@pytest.fixture(scope="module")
def clips():
    return prepare_data(OPTIONS, CPU, frames=FRAMES)


@pytest.fixture(scope="module")
def dense():
    """Every frame by itself."""
    return prepare_data(replace(OPTIONS, train_every=1, test_every=1), CPU)


def some(samples, count=40):
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(0, len(samples), (count,), generator=generator)
    view = torch.randint(0, 4, (count,), generator=generator)
    return row, view, Augmentation().draw(count, generator)


def test_targets_and_labels_are_those_of_single_frames(single, clips):
    for part in ("train", "test"):
        one, many = getattr(single, part), getattr(clips, part)
        row, view, variation = some(one)
        a = one.batch(single.cameras, row, view, variation)
        b = many.batch(clips.cameras, row, view, variation)
        assert torch.equal(a.pose, b.pose)
        assert torch.equal(a.fitted, b.fitted)
        assert b.image.shape == (len(row), FRAMES, 17, 2)
        torch.testing.assert_close(b.image[:, FRAMES // 2], a.image)
        torch.testing.assert_close(b.poses[:, FRAMES // 2], a.pose)
        assert a.poses is None
        first, second = one.labels(single.cameras), many.labels(clips.cameras)
        assert first.action.of_samples().tolist() == second.action.of_samples().tolist()
        assert len(one) == len(many)
    assert single.split == clips.split
    assert single.steps_per_second is None


def test_a_window_shows_neighbours_under_one_variation_to_one_camera(clips, dense):
    """Frame by frame, from the motion as it is read: the ends of a take stand still."""
    samples, every = clips.train, dense.train
    row, view, variation = some(samples)
    batch = samples.batch(clips.cameras, row, view, variation)
    asked = np.flatnonzero(
        np.concatenate([np.arange(n) for n in np.unique(every.clip, return_counts=True)[1]]) % 20
        == 0
    )
    for b in range(len(row)):
        middle = asked[row[b]]
        same = np.flatnonzero(every.clip == every.clip[middle])
        one = Variation.of({k: v[b : b + 1] for k, v in variation.tensors().items()})
        for k in range(FRAMES):
            frame = torch.tensor([min(max(middle + k - FRAMES // 2, same[0]), same[-1])])
            # Centred by all frames of the clip, where the windows are by those asked for.
            shift = samples.single.positions[row[b]] - every.positions[middle]
            moved = replace(every, positions=every.positions[frame] + shift[0])
            seen = moved.batch(clips.cameras, torch.tensor([0]), view[b : b + 1], one)
            torch.testing.assert_close(batch.image[b, k], seen.image[0], atol=2e-6, rtol=0)
            torch.testing.assert_close(batch.poses[b, k], seen.pose[0], atol=2e-6, rtol=0)


def test_a_window_is_rebuilt_as_the_frame_that_is_asked_for(single, clips):
    """A limb comes from the sample before, not from the frame before."""
    row, view, _ = some(single.train)
    drawn = Augmentation(bones=0.1, crossover=1.0).draw(len(row), torch.Generator().manual_seed(0))
    a = single.train.batch(single.cameras, row, view, drawn)
    b = clips.train.batch(clips.cameras, row, view, drawn)
    assert torch.equal(a.pose, b.pose)
    torch.testing.assert_close(b.image[:, FRAMES // 2], a.image)
    torch.testing.assert_close(b.poses[:, FRAMES // 2], a.pose)


def test_the_person_of_a_window_is_one(clips):
    """Bones are as many times as long in every frame."""
    row, view, _ = some(clips.train)
    drawn = Augmentation(bones=0.1, flip=False).draw(len(row), torch.Generator().manual_seed(0))
    usual = replace(drawn, bones=torch.ones(len(row), 9))
    parent, child = torch.tensor(EDGES).T

    def lengths(variation):
        poses = clips.train.batch(clips.cameras, row, view, variation).poses
        return torch.linalg.vector_norm(poses[:, :, child] - poses[:, :, parent], dim=3)

    factor = lengths(drawn) / lengths(usual)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), rtol=1e-3, atol=0)
    assert factor.std() > 0.03


def test_frames_of_a_clip_may_lie_apart():
    apart = prepare_data(OPTIONS, CPU, frames=FRAMES, spacing=3)
    every = prepare_data(OPTIONS, CPU, frames=13)
    assert every.steps_per_second is not None
    assert apart.steps_per_second == pytest.approx(every.steps_per_second / 3)
    row, view, variation = some(apart.train)
    found = apart.train.batch(apart.cameras, row, view, variation)
    wanted = every.train.batch(every.cameras, row, view, variation)
    assert torch.equal(found.image, wanted.image[:, ::3])
    assert found.poses is not None
    assert wanted.poses is not None
    assert torch.equal(found.poses, wanted.poses[:, ::3])
    same = every.train.of_frames(FRAMES, 3).batch(every.cameras, row, view, variation)
    assert torch.equal(same.image, found.image)


def test_clips_of_one_frame_are_single_frames(single, clips):
    assert clips.test.of_frames(1) is clips.test.single
    row, view, variation = some(single.test)
    longer = clips.test.of_frames(9).batch(clips.cameras, row, view, variation)
    shorter = clips.test.batch(clips.cameras, row, view, variation)
    torch.testing.assert_close(longer.image[:, 2:-2], shorter.image)
    with pytest.raises(ValueError, match="of single frames, and the network is given 27"):
        single.test.of_frames(27)


def test_a_batch_reads_no_value_back(clips):
    """What has no values cannot be read: so a CUDA device is never waited for, and can record."""
    row, view, variation = some(clips.train)
    samples, cameras = clips.train.to("meta"), clips.cameras.to("meta")
    batch = samples.batch(cameras, row.to("meta"), view.to("meta"), variation.to("meta"))
    assert batch.image.shape == (len(row), FRAMES, 17, 2)


class Sum(nn.Module):
    """Answers with all frames of a clip: what changes in any, or in their order, is seen."""

    def forward(self, clips):
        weight = torch.arange(1.0, clips.shape[1] + 1)[:, None, None]
        flat = (clips * weight).sum(1)
        return (torch.cat([flat, flat.prod(2, keepdim=True)], 2),)


@pytest.mark.parametrize("flip", [False, True])
def test_every_sample_is_asked_with_its_window(clips, flip):
    samples, cameras = clips.test, clips.cameras
    found = predict(Sum(), samples, cameras, flip=flip, batch_size=7)
    everything = torch.arange(4 * len(samples))
    batch = samples.batch(cameras, everything // 4, everything % 4)
    (pose,) = Sum()(batch.image)
    if flip:
        swap = torch.tensor(FLIP.copy())
        pose = (pose + mirrored(Sum()(mirrored(batch.image, swap))[0], swap)) / 2
    np.testing.assert_allclose(found.pose, (pose - pose[:, :1]).numpy(), atol=1e-5)
    np.testing.assert_array_equal(found.true_pose, batch.pose.numpy())


def test_spoiled_frames_are_the_same_in_every_window(clips):
    samples, cameras = clips.test, clips.cameras
    image = torch.randn(4 * len(samples), 17, 2)
    windows = torch.cat(list(samples.inputs(cameras, image, lambda seen: seen + 10).split(50)))
    torch.testing.assert_close(windows[:, FRAMES // 2], image)
    plain = torch.cat(list(samples.inputs(cameras, image).split(50)))
    others = torch.arange(FRAMES) != FRAMES // 2
    shift = (windows - plain)[:, others].flatten(2)
    asked = shift.abs().amax(2) == 0  # at the ends of takes a frame in the middle comes again
    torch.testing.assert_close(shift[~asked], torch.full_like(shift[~asked], 10))
    assert 0 < int(asked.sum()) < len(asked)


def recording(frames=12, cameras=2):
    """Two takes, of which the second lacks a frame; camera by camera."""
    motion = load_builtin().select(slice(0, frames))
    motion = replace(motion, clip=np.repeat([0, 1], frames // 2), poses=None, fit_error=None)
    number = np.r_[np.arange(frames // 2), [0, 1, 2, 4, 5, 6]]
    sights = np.arange(frames * cameras)
    image = np.zeros((len(sights), 17, 2), np.float32)
    image[:, 0, 0] = sights
    return Recording(
        motion,
        number,
        first_cameras(cameras),
        tuple("ab"),
        frame=sights % frames,
        camera=sights // frames,
        image=image,
    )


def first_cameras(count):
    ring = ring_of_cameras()
    return type(ring)(ring.rotation[:count], ring.position[:count])


def test_windows_of_recordings_stay_with_a_camera_and_end_at_gaps():
    whole = recording()
    part = whole.every(2)
    samples = _clips(gather(part), whole, part, 2, 3)
    row = torch.arange(len(samples))
    batch = samples.batch(whole.cameras, row, torch.zeros_like(row))
    shown = batch.image[:, :, 0, 0].int().tolist()
    first = [[0, 0, 1], [1, 2, 3], [3, 4, 5], [6, 6, 7], [7, 8, 8], [9, 9, 10], [10, 11, 11]]
    assert shown == first + [[frame + 12 for frame in window] for window in first]
    assert torch.equal(batch.pose, samples.single.batch(whole.cameras, row, row * 0).pose)
    assert batch.poses is not None
    assert torch.equal(batch.poses[:, 1], batch.pose)
