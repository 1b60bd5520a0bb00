import numpy as np
import pytest

from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.over_time.trajectory import (
    FEET,
    reprojected,
    scene_axes,
    standing,
    trajectory,
)

DOWN = np.array([0.1, 0.95, 0.25])


@pytest.fixture(scope="module")
def walk():
    """Joints before the camera, 3 cycles, and the down of that camera."""
    made = film("walk", 1)
    seen = made.seen(made.motion.positions).astype(np.float64)
    down = -made.cameras.rotation[1, :, 2].double().numpy()
    return seen, down, made.fps


def slopes_of(seen):
    return seen[..., :2] / seen[..., 2:]


def test_exact_poses_are_put_where_they_were(walk):
    seen, *_ = walk
    pose = seen - seen[:, :1]
    weight = np.random.default_rng(0).uniform(0.1, 1, seen.shape[:2])
    np.testing.assert_allclose(reprojected(pose, slopes_of(seen), weight), seen[:, 0], atol=1e-9)


def test_reprojection_is_the_least_of_squares(walk):
    """No place near it has a smaller error."""
    seen, *_ = walk
    random = np.random.default_rng(1)
    pose = (seen - seen[:, :1])[:1] + 0.03 * random.normal(size=(1, 17, 3))
    weight, slopes = random.uniform(0.1, 1, (1, 17)), slopes_of(seen[:1])
    [best] = reprojected(pose, slopes, weight)

    def price(place):
        away = pose[0] + place
        return (weight[0, :, None] * (away[:, :2] - slopes[0] * away[:, 2:]) ** 2).sum()

    steps = 1e-3 * np.concatenate([np.eye(3), -np.eye(3)])
    assert all(price(best + step) > price(best) for step in steps)


def test_axes_of_the_scene_are_level():
    axes = scene_axes(DOWN)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    np.testing.assert_allclose(axes @ DOWN / np.linalg.norm(DOWN), [0, 0, -1], atol=1e-12)
    assert axes[0, 0] > 0.9


def test_feet_stand_where_they_do_not_move(walk):
    seen, down, fps = walk
    feet = seen[:, FEET] @ scene_axes(down).T
    stand = standing(feet, fps)
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=2) * fps
    assert stand.any(axis=1).mean() > 0.5  # somebody who walks always stands on a foot
    assert speed[stand].mean() < 0.3 * speed[~stand].mean()


def test_standing_feet_slide_less_and_keep_to_one_floor(walk):
    seen, down, fps = walk
    random = np.random.default_rng(2)
    shaking = 0.02 * random.normal(size=(len(seen), 17, 3))
    pose = (seen - seen[:, :1]) + shaking - shaking[:, :1]
    slopes, weight = slopes_of(seen), np.ones(seen.shape[:2])
    alone = reprojected(pose, slopes, weight)
    together = trajectory(pose, slopes, weight, down, fps)
    axes = scene_axes(down)
    true = seen[:, FEET] @ axes.T
    still = np.linalg.norm(np.diff(true, axis=0), axis=2) * fps < 0.3

    def slide(root):
        feet = (pose[:, FEET] + root[:, None]) @ axes.T
        return np.linalg.norm(np.diff(feet, axis=0)[..., :2], axis=2)[still].mean()

    assert slide(together) < 0.6 * slide(alone)
    away = together - seen[:, 0]
    assert np.linalg.norm(away - away.mean(axis=0), axis=1).mean() < 0.05


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_clips_have_a_place(walk, count):
    seen, down, fps = walk
    seen = seen[:count]
    pose, weight = seen - seen[:, :1], np.ones(seen.shape[:2])
    found = trajectory(pose, slopes_of(seen), weight, down, fps)
    np.testing.assert_allclose(found, seen[:, 0], atol=0.02)
