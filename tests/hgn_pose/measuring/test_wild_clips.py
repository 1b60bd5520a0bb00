"""Clips of the protocol wild: in the middle the samples of single frames, around it one camera."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.measuring.wild import level_views, wild_views
from examples.hgn_pose.measuring.wild_clips import WildClips, course_of, errors_of
from examples.hgn_pose.samples.clips import ClipSamples
from examples.hgn_pose.samples.detecting import over_time, spoiled
from examples.hgn_pose.samples.preparing import prepare_data

FRAMES, VIEWS, SEED = 9, 3, 4
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def prepared():
    options = DataOptions("builtin", train_every=20, test_every=20)
    return prepare_data(options, CPU, frames=FRAMES, spacing=3, test_only=True)


@pytest.fixture(scope="module")
def samples(prepared) -> ClipSamples:
    return prepared.test


@pytest.fixture(scope="module")
def views(samples):
    return wild_views(samples.single, VIEWS, SEED)


def clips_of(views, samples, found, pixels=0.0, size=7):
    clips = WildClips(views, samples, found, pixels, SEED, lambda slopes, _: slopes, CPU)
    assert len(clips) == len(found)
    return torch.cat(list(clips.split(size))).numpy()


def plainly(views, samples, number):
    """Slopes and depths of the frames of one clip as they are, in the frame of its camera."""
    rows = samples.windows.rows(torch.tensor([number // VIEWS]))[0]
    points = samples.around.positions[rows].double().numpy()
    camera = np.stack(
        [
            views.rotation[number] @ point
            for point in (points - views.position[number]).reshape(-1, 3)
        ]
    )
    camera = camera.reshape(points.shape)
    return rows.tolist(), camera[..., :2] / camera[..., 2:], camera[..., 2]


def test_the_camera_of_a_sample_sees_the_frames_around_it(views, samples):
    found = clips_of(views, samples, views.slopes)
    np.testing.assert_array_equal(found[:, FRAMES // 2], views.slopes.astype(np.float32))
    ended = 0
    for number in range(len(found)):
        rows, slopes, depth = plainly(views, samples, number)
        whole = ((np.abs(slopes) < views.half[number]).all(2) & (depth > 0.5)).all(1)
        for way, end in ((1, FRAMES), (-1, -1)):
            shown = FRAMES // 2
            for moment in range(FRAMES // 2 + way, end, way):
                if shown == moment - way and whole[moment] and rows[moment] != rows[moment - way]:
                    shown = moment
                np.testing.assert_allclose(found[number, moment], slopes[shown], atol=1e-6)
            ended += shown not in (0, FRAMES - 1)
    assert 0 < ended < len(found)


def test_people_are_whole_in_every_frame(views, samples):
    found = clips_of(views, samples, views.slopes)
    assert (np.abs(found) <= views.half[:, None, None] + 1e-6).all()


@pytest.mark.parametrize("pixels", [0.0, 3.0, 40.0])
def test_errors_are_the_draws_of_the_detector(views, pixels):
    errors = errors_of(len(views.pose), pixels, SEED)
    found = spoiled(torch.from_numpy(views.slopes), errors)
    np.testing.assert_allclose(found, views.detected(pixels, SEED), atol=1e-12)


def test_a_sample_has_its_errors_and_the_frames_around_it_others(views, samples):
    pixels = 6.0
    detected = views.detected(pixels, SEED)
    found = clips_of(views, samples, detected, pixels)
    np.testing.assert_array_equal(found[:, FRAMES // 2], detected.astype(np.float32))
    exact = clips_of(views, samples, views.slopes)
    errors = over_time(
        errors_of(len(exact), pixels, SEED), course_of(len(exact), pixels, SEED), samples.time()
    )
    number, moment = 5, FRAMES // 2 + 1
    rows, slopes, _ = plainly(views, samples, number)
    assert rows[moment] != rows[moment - 1]
    one = type(errors)(*(part[number * FRAMES + moment][None] for part in errors))
    wanted = spoiled(torch.from_numpy(slopes[moment][None]), one)
    if not np.array_equal(exact[number, moment], exact[number, moment - 1]):
        np.testing.assert_allclose(found[number, moment][None], wanted, atol=1e-6)
    assert (found != exact).mean() > 0.9


def test_how_many_are_made_at_once_changes_nothing(views, samples):
    detected = views.detected(5.0, SEED)
    few, many = (clips_of(views, samples, detected, 5.0, size) for size in (5, 1000))
    np.testing.assert_array_equal(few, many)


def test_clips_of_the_studio_are_those_that_networks_are_tested_on(prepared, samples):
    views = level_views(samples.single, prepared.cameras)
    found = clips_of(views, samples, views.slopes)
    everything = torch.arange(len(views.pose))
    batch = samples.batch(prepared.cameras, everything // 4, everything % 4)
    np.testing.assert_allclose(2.29 * found, batch.image, atol=2e-6)


def test_frames_that_lie_nearer_are_other_frames_of_the_same_clip(views, samples):
    detected = views.detected(5.0, SEED)
    near = samples.of_frames(3, 3)
    found = clips_of(views, near, detected)
    exact = clips_of(views, samples, detected)
    np.testing.assert_array_equal(found, exact[:, 3:6])
    assert isinstance(near, ClipSamples)
    assert replace(near, fps=60.0).time().tolist() == pytest.approx([-0.05, 0.0, 0.05])
