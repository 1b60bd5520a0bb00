from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.hgn_pose.body.skeleton import EDGES
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.measuring.wild import ASPECT, level_views, wild_views
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.motion import every_nth
from examples.hgn_pose.motion.turning import axes_towards, turned, turned_back
from examples.hgn_pose.network.facing import turned_axes
from examples.hgn_pose.samples.gathering import gather


@pytest.fixture(scope="module")
def samples():
    whole = load_builtin()
    return gather(whole.select(every_nth(whole.clip, 12)))


@pytest.fixture(scope="module")
def wild(samples):
    return wild_views(samples, 4, seed=0)


def test_the_cameras_are_those_of_the_protocol(wild, samples):
    assert len(wild.pose) == 4 * len(samples)
    pitch = np.rad2deg(np.arcsin(wild.down[:, 2]))
    roll = np.rad2deg(np.arctan2(wild.down[:, 0], wild.down[:, 1]))
    assert pitch.min() >= -10.001
    assert pitch.max() <= 35.001
    assert np.ptp(pitch) > 40
    assert -15.001 <= roll.min() < -13
    assert 13 < roll.max() <= 15.001
    tele = wild.field < 60
    assert 0.1 < tele.mean() < 0.4
    assert ((wild.field >= 60) & (wild.field <= 80) | tele & (wild.field >= 20)).all()


def test_everybody_is_whole_in_an_image_upright_or_lying(wild):
    longer = np.tan(np.deg2rad(wild.field / 2))
    most = np.abs(wild.slopes).max(axis=1) / longer[:, None]
    assert (most.max(axis=1) <= 1).all()
    assert (most.min(axis=1) <= ASPECT).all()
    assert (most[:, 0] > ASPECT).any()
    assert (most[:, 1] > ASPECT).any()


def test_the_pose_is_the_scene_and_the_slopes_are_its_picture(wild, samples):
    """Bones keep their lengths, heights are along down, and a distance fits both."""
    points = samples.positions.double().numpy().repeat(4, axis=0)
    a, b = np.array(EDGES).T
    here = np.linalg.norm(wild.pose[:, a] - wild.pose[:, b], axis=2)
    there = np.linalg.norm(points[:, a] - points[:, b], axis=2)
    np.testing.assert_allclose(here, there, atol=1e-5)
    height = -np.einsum("snc,sc->sn", wild.pose, wild.down)
    np.testing.assert_allclose(height, points[..., 2] - points[:, :1, 2], atol=1e-5)
    rays = np.concatenate([wild.slopes, np.ones((*wild.slopes.shape[:2], 1))], axis=2)
    head, pose = rays[:, 10], wild.pose[:, 10].astype(np.float64)
    depth = []
    for root, ray, offset in zip(rays[:, 0], head, pose, strict=True):
        (z, _), *_ = np.linalg.lstsq(np.stack([root, -ray], axis=1), -offset, rcond=None)
        depth.append(z * np.linalg.norm(root))
    assert min(depth) > 1.9
    assert max(depth) < 9
    assert np.ptp(depth) > 3


def test_the_same_seed_sees_the_same_and_another_one_not(wild, samples):
    assert np.array_equal(wild_views(samples, 4, seed=0).slopes, wild.slopes)
    assert not np.array_equal(wild_views(samples, 4, seed=1).slopes, wild.slopes)
    assert np.array_equal(wild.detected(5, 3), wild.detected(5, 3))
    assert not np.array_equal(wild.detected(5, 3), wild.detected(5, 4))


def test_errors_are_as_large_as_the_person_appears(wild):
    """With jitter alone nearly everywhere: half a pixel of people 771 pixels of bones long."""
    apart = np.linalg.norm(wild.detected(0.5, 0) - wild.slopes, axis=2)
    a, b = np.array(EDGES).T
    size = np.linalg.norm(wild.slopes[:, a] - wild.slopes[:, b], axis=2).sum(axis=1)
    usual = np.median(apart / size[:, None])
    assert usual == pytest.approx(0.5 * np.sqrt(2 * np.log(2)) / 771, rel=0.05)
    np.testing.assert_allclose(wild.detected(0.0, 0), wild.slopes, atol=1e-12)


def test_level_views_are_those_of_the_studio(samples):
    cameras = ring_of_cameras()
    level = level_views(samples, cameras)
    batch = samples.batch(cameras, torch.arange(8) // 4, torch.arange(8) % 4)
    np.testing.assert_allclose(2.29 * level.slopes[:8], batch.image.numpy(), atol=1e-6)
    np.testing.assert_allclose(np.rad2deg(np.arcsin(level.down[:, 2])), 6.58, atol=0.01)
    np.testing.assert_allclose(level.down[:, 0], 0, atol=1e-6)


def test_a_wrong_lens_is_a_wrong_scale(wild):
    ratio = np.tan(np.deg2rad(32.5)) / np.tan(np.deg2rad(wild.field / 2))
    np.testing.assert_allclose(wild.stretched(65.0), ratio)


def test_turning_here_and_in_the_network_is_the_same(wild):
    axes = axes_towards(wild.slopes[:, 0], np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(turned_axes(torch.from_numpy(wild.slopes[:, 0])), axes, atol=1e-12)
    back = turned_back(np.einsum("sij,snj->sni", axes, wild.pose), axes)
    np.testing.assert_allclose(back, wild.pose, atol=1e-6)
    np.testing.assert_allclose(turned(wild.slopes, axes)[:, 0], 0, atol=1e-12)


def test_people_who_fit_into_no_image_are_refused(samples):
    apart = samples.positions[:1].clone()
    apart[:, [3, 6, 13, 16], :2] = torch.tensor([[1e4, 0], [-1e4, 0], [0, 1e4], [0, -1e4]])
    with pytest.raises(ValueError, match="fits into no image"):
        wild_views(replace(samples, positions=apart), 1, seed=0)
