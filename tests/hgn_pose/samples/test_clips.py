"""Clips against single frames: the same targets, and in the windows what each frame shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recordable import Recordable
from torch import nn

from examples.hgn_pose.body.skeleton import EDGES, FLIP
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.measuring.predictions import predict
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.recording import Recording
from examples.hgn_pose.samples.augmentation import Augmentation, Variation
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.clips import whole_time
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


HELD = Augmentation(bones=0.1, crossover=0.3).robust()


def filmed(samples, count=60, augmentation=HELD):
    row, view, _ = some(samples, count)
    drawn = augmentation.draw(count, torch.Generator().manual_seed(3), clips=True)
    return row, view, drawn


def test_held_cameras_see_the_sample_of_single_frames_in_the_middle(single, clips):
    row, view, drawn = filmed(single.train)
    a = single.train.batch(single.cameras, row, view, drawn)
    b = clips.train.batch(clips.cameras, row, view, drawn)
    assert torch.equal(a.pose, b.pose)
    torch.testing.assert_close(b.image[:, FRAMES // 2], a.image)
    torch.testing.assert_close(b.poses[:, FRAMES // 2], a.pose)
    first, second = (torch.Generator().manual_seed(4) for _ in range(2))
    alone = HELD.draw(9, first).tensors()
    together = HELD.draw(9, second, clips=True).tensors()
    for name, values in alone.items():
        assert torch.equal(together[name], values)


def test_a_window_is_seen_by_one_held_camera(clips):
    """Point by point, in plain Python, from what the variation says of the camera."""
    augmentation = replace(HELD, crossover=0.0, bones=0.0, detector=0.0)
    augmentation = replace(augmentation, wild=replace(augmentation.wild, share=1.0))
    row, view, drawn = filmed(clips.train, 20, augmentation)
    batch = clips.train.batch(clips.cameras, row, view, drawn)
    camera, rows = drawn.camera, clips.train.windows.rows(row)
    assert camera is not None
    for b in range(len(row)):
        points = clips.train.around.positions[rows[b]].double().numpy()
        if drawn.flip[b]:
            points = points[:, FLIP] * [-1, 1, 1]
        c, s = np.cos(drawn.heading[b].item()), np.sin(drawn.heading[b].item())
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        points = points @ turn * drawn.size[b].item()
        axes = camera.rotation[b].double().numpy()
        ray = np.append(camera.slope[b].double().numpy(), 1)
        ray *= camera.distance[b].item() / np.linalg.norm(ray)
        stands = points[FRAMES // 2, 0] - ray @ axes
        stands[2] = max(stands[2], 0.2)
        seen = (points - stands) @ axes.T
        assert seen[..., 2].min() > 0.5  # else the window would end
        image = 2.29 * seen[..., :2] / seen[..., 2:] * camera.lens[b].item()
        np.testing.assert_allclose(batch.image[b].numpy(), image, atol=2e-4)
        np.testing.assert_allclose(batch.poses[b].numpy(), seen - seen[:, :1], atol=1e-5)


def test_a_window_ends_where_the_person_is_too_near_or_not_found():
    windows = torch.tensor([[4, 5, 6, 7, 8], [4, 4, 4, 5, 6], [4, 5, 6, 6, 6]])
    seen = torch.ones(3, 5, dtype=torch.bool)
    assert whole_time(windows, seen).tolist() == [[0, 1, 2, 3, 4], [2, 2, 2, 3, 4], [0, 1, 2, 2, 2]]
    seen[0, [0, 3]] = False
    seen[1, 4] = False
    assert whole_time(windows, seen).tolist() == [[1, 1, 2, 2, 2], [2, 2, 2, 3, 3], [0, 1, 2, 2, 2]]


@given(st.data())
def test_windows_end_as_they_do_step_by_step(data):
    frames = 2 * data.draw(st.integers(1, 5)) + 1
    rows = data.draw(st.lists(st.integers(0, 2), min_size=frames, max_size=frames))
    seen = data.draw(st.lists(st.booleans(), min_size=frames, max_size=frames))
    shown = [frames // 2] * frames
    for way, end in ((1, frames), (-1, -1)):
        ended = False
        for moment in range(frames // 2 + way, end, way):
            ended |= not seen[moment] or rows[moment] == rows[moment - way]
            shown[moment] = shown[moment - way] if ended else moment
    assert whole_time(torch.tensor([rows]), torch.tensor([seen])).tolist() == [shown]


def test_who_comes_to_the_camera_leaves_a_clip_that_stands_still(clips):
    """Somebody who runs at the camera, past it and on: finite, and never from behind it."""
    around = clips.train.around
    run = torch.arange(len(around.positions))[:, None, None] * torch.tensor([0.9, 0.0, 0.0])
    samples = replace(
        clips.train,
        around=replace(around, positions=around.positions[:1] + run),
        single=replace(
            clips.train.single,
            positions=(around.positions[:1] + run)[clips.train.windows.order][
                clips.train.windows.place
            ],
        ),
    )
    row, view, drawn = filmed(samples, 200, replace(HELD, detector=0.0, crossover=0.0))
    batch = samples.batch(clips.cameras, row, view, drawn)
    assert drawn.camera is not None
    held = drawn.camera.held
    depth = []
    for b in torch.nonzero(held)[:, 0].tolist():
        still = (batch.image[b, 1:] == batch.image[b, :-1]).flatten(1).all(1)
        depth.append(still.any().item())
        assert torch.equal(still[2:], still[2:].cummax(0)[0])  # once it stands, it stands
        assert torch.equal(still[:2].flip(0), still[:2].flip(0).cummax(0)[0])
    assert 0.05 < np.mean(depth) < 0.95
    assert batch.image.isfinite().all()


def test_frames_that_are_repeated_have_one_error(clips):
    """As in a video, in which a detector looks at each frame once."""
    row, view, drawn = filmed(clips.train, 200)
    rows = clips.train.windows.rows(row)
    batch = clips.train.batch(clips.cameras, row, view, drawn)
    again = rows[:, 1:] == rows[:, :-1]
    assert 0 < again.float().mean() < 0.5
    assert torch.equal(batch.image[:, 1:][again], batch.image[:, :-1][again])
    exact = clips.train.batch(clips.cameras, row, view, replace(drawn, errors=None, course=None))
    assert (batch.image != exact.image).float().mean() > 0.9


def test_errors_of_single_frames_are_refused_for_clips(clips):
    row, view, _ = filmed(clips.train, 5)
    drawn = HELD.draw(5, torch.Generator())
    with pytest.raises(ValueError, match="draw them with clips=True"):
        clips.train.batch(clips.cameras, row, view, drawn)


def test_a_batch_before_held_cameras_reads_no_value_back(clips):
    row, view, drawn = filmed(clips.train)
    clips.train.batch(clips.cameras, row, view, drawn)  # what is made once per device
    with Recordable():
        clips.train.batch(clips.cameras, row, view, drawn)


def test_a_detector_errs_on_clips_of_recordings_too():
    whole = recording()
    part = whole.every(2)
    samples = _clips(gather(part), whole, part, 2, 3)
    samples.check_in_view(whole.cameras, Augmentation(detector=5.0))
    with pytest.raises(ValueError, match="make what real cameras did not see"):
        samples.check_in_view(whole.cameras, HELD)
    row = torch.arange(len(samples))
    drawn = Augmentation(detector=5.0).draw(len(row), torch.Generator().manual_seed(0), clips=True)
    found = samples.batch(whole.cameras, row, row * 0, drawn)
    alone = samples.single.batch(whole.cameras, row, row * 0, drawn)
    assert found.poses is not None
    torch.testing.assert_close(found.image[:, 1], alone.image)
    torch.testing.assert_close(found.poses[:, 1], alone.pose)
