import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from recordable import Recordable

from examples.hgn_pose.body.skeleton import FLIP, JOINTS
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.hand_held import HandHeld
from examples.hgn_pose.motion.motion import every_nth
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION, Augmentation, Variation
from examples.hgn_pose.samples.gathering import clip_centres, gather


@pytest.fixture(scope="module")
def motion():
    whole = load_builtin()
    return whole.select(every_nth(whole.clip, 25))


@pytest.fixture(scope="module")
def samples(motion):
    """The joints double as a mesh, so that what happens to one can be seen on the other."""
    positions = motion.positions
    return gather(motion, [positions], [FLIP])


@pytest.fixture(scope="module")
def cameras():
    return ring_of_cameras()


def draw(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frame = torch.randint(0, 60, (count,), generator=generator)
    camera = torch.randint(0, 4, (count,), generator=generator)
    return frame, camera, Augmentation().draw(count, generator)


def test_batch_agrees_with_one_sample_at_a_time(motion, samples, cameras):
    frame, camera, variation = draw(40)
    batch = samples.batch(cameras, frame, camera, variation)
    for b in range(40):
        k = int(frame[b])
        ground = motion.positions[motion.clip == motion.clip[k], 0, :2].astype(np.float64)
        middle = [*((ground.min(axis=0) + ground.max(axis=0)) / 2), 0]
        points = motion.positions[k].astype(np.float64) - middle
        if variation.flip[b]:
            names = [
                {"L": "R", "R": "L"}[name[0]] + name[1:] if name[1] == "_" else name
                for name in JOINTS
            ]
            points = np.array([points[JOINTS.index(name)] for name in names])
            points[:, 0] = -points[:, 0]
        points *= float(variation.size[b])
        a = float(variation.heading[b])
        x, y = points[:, 0].copy(), points[:, 1].copy()
        points[:, 0] = x * math.cos(a) - y * math.sin(a)
        points[:, 1] = x * math.sin(a) + y * math.cos(a)
        R = cameras.rotation[camera[b]].double().numpy()
        seen = np.array([R @ (p - cameras.position[camera[b]].double().numpy()) for p in points])
        image = np.array([[1145 * x / z + 500, 1145 * y / z + 500] for x, y, z in seen])
        np.testing.assert_allclose(batch.pose[b].numpy(), seen - seen[0], atol=2e-6)
        np.testing.assert_allclose(batch.image[b].numpy(), image / 500 - 1, atol=2e-6)


def test_meshes_go_where_the_joints_go(samples, cameras):
    frame, camera, variation = draw(64, seed=1)
    assert variation.flip.any()
    assert not variation.flip.all()
    batch = samples.batch(cameras, frame, camera, variation)
    torch.testing.assert_close(batch.meshes[0], batch.pose, atol=2e-6, rtol=0)


def test_turning_the_scene_is_turning_the_camera_back(samples, cameras):
    frame, _, variation = draw(30, seed=2)
    first, second = torch.zeros(30, dtype=torch.int64), torch.ones(30, dtype=torch.int64)
    turned = Variation(variation.heading + math.pi / 2, variation.size, variation.flip)
    a = samples.batch(cameras, frame, first, variation)
    b = samples.batch(cameras, frame, second, turned)  # camera 1 stands 90 degrees further
    torch.testing.assert_close(a.image, b.image, atol=5e-6, rtol=0)
    torch.testing.assert_close(a.pose, b.pose, atol=5e-6, rtol=0)


def test_size_scales_the_targets_exactly(samples, cameras):
    frame, camera, variation = draw(10, seed=3)
    same = Variation(variation.heading, torch.ones(10), variation.flip)
    batch = samples.batch(cameras, frame, camera, variation)
    plain = samples.batch(cameras, frame, camera, same)
    torch.testing.assert_close(
        batch.pose, plain.pose * variation.size[:, None, None], atol=2e-6, rtol=0
    )


def test_no_variation_is_the_neutral_variation(samples, cameras):
    frame, camera, _ = draw(10)
    neutral = NO_AUGMENTATION.draw(10, torch.Generator())
    a = samples.batch(cameras, frame, camera)
    b = samples.batch(cameras, frame, camera, neutral)
    torch.testing.assert_close(a.image, b.image)
    torch.testing.assert_close(a.pose, b.pose)


def test_variations_cover_their_ranges():
    variation = Augmentation(size=0.08).draw(20_000, torch.Generator().manual_seed(0))
    assert 0 <= variation.heading.min() < 0.01
    assert 6.27 < variation.heading.max() <= 2 * math.pi
    assert 0.92 <= variation.size.min() < 0.921
    assert 1.079 < variation.size.max() <= 1.08
    assert 0.48 < variation.flip.float().mean() < 0.52


def test_clips_are_centred(samples, motion):
    for number in np.unique(motion.clip):
        ground = samples.positions[motion.clip == number][:, 0, :2].numpy()
        np.testing.assert_allclose(ground.min(axis=0), -ground.max(axis=0), atol=1e-6)
    np.testing.assert_array_equal(samples.positions[..., 2].numpy(), motion.positions[..., 2])
    assert not clip_centres(motion.positions, motion.clip)[:, 2].any()


def test_poor_fits_do_not_count(motion):
    error = np.full(len(motion), 10.0, dtype=np.float32)
    error[3] = 25.1
    fitted = gather(replace(motion, fit_error=error)).fitted
    assert not fitted[3]
    assert fitted.sum() == len(motion) - 1


def test_wrong_input_is_refused(motion, samples, cameras):
    with pytest.raises(ValueError, match=r"meshes\[0\] has 3 frames"):
        gather(motion, [motion.positions[:3]], [FLIP])
    with pytest.raises(ValueError, match="mesh_flips is for 0 meshes, there are 1"):
        gather(motion, [motion.positions])
    with pytest.raises(ValueError, match=r"mesh_flips\[0\] is for 3 nodes, meshes\[0\] has 17"):
        gather(motion, [motion.positions], [FLIP[:3]])
    with pytest.raises(ValueError, match="no frames"):
        gather(motion.select(np.zeros(len(motion), dtype=bool)))
    with pytest.raises(ValueError, match="n must be at least 1"):
        every_nth(motion.clip, 0)
    samples.check_in_view(cameras, Augmentation())
    with pytest.raises(ValueError, match=r"positions\[\d+\] reaches .* m from the middle"):
        samples.check_in_view(cameras, Augmentation(size=4.0))


def test_wild_views_are_those_of_a_camera_at_a_time(motion, samples, cameras):
    """The pose is the scene in the camera's axes, and the image its picture through its lens."""
    count = 60
    frame = torch.arange(count)
    view = frame % 4
    augmentation = Augmentation(flip=False, cameras="wild", wild=HandHeld(share=0.5))
    varied = augmentation.draw(count, torch.Generator().manual_seed(8))
    assert varied.camera is not None
    batch = samples.batch(cameras, frame, view, varied)
    plain = samples.batch(cameras, frame, view, replace(varied, camera=None))
    torch.testing.assert_close(batch.meshes[0], batch.pose, atol=2e-6, rtol=0)
    assert 0 < varied.camera.held.sum() < count
    for b in range(count):
        if not varied.camera.held[b]:
            assert torch.equal(batch.image[b], plain.image[b])
            assert torch.equal(batch.pose[b], plain.pose[b])
            continue
        rotation = varied.camera.rotation[b].double().numpy()
        ray = np.array([*varied.camera.slope[b].tolist(), 1.0])
        root = float(varied.camera.distance[b]) * ray / np.linalg.norm(ray)
        ring = cameras.rotation[view[b]].double().numpy()
        pose = (rotation @ ring.T @ plain.pose[b].double().numpy().T).T
        np.testing.assert_allclose(batch.pose[b].numpy(), pose, atol=3e-6)
        height = float(rotation[2] @ [0, 0, 1]), (rotation.T @ root)[2]
        scene = samples.positions[frame[b], 0, 2] * varied.size[b]
        if scene - height[1] < 0.21:  # the camera was raised from the ground
            continue
        seen = pose + root
        picture = 2.29 * float(varied.camera.lens[b]) * seen[:, :2] / seen[:, 2:]
        np.testing.assert_allclose(batch.image[b].numpy(), picture, atol=5e-5)


def test_a_robust_batch_can_be_recorded(samples, cameras):
    row = torch.arange(8)
    varied = Augmentation().robust().draw(8, torch.Generator().manual_seed(9))
    first = samples.batch(cameras, row, row % 4, varied)
    with Recordable():
        again = samples.batch(cameras, row, row % 4, varied)
    assert torch.equal(first.image, again.image)


def test_wild_cameras_cover_their_ranges():
    wild = HandHeld()
    drawn = wild.draw(40_000, torch.Generator().manual_seed(0))
    forward = drawn.rotation[:, 2]
    pitch = torch.rad2deg(-forward[:, 2].asin())
    assert (pitch.min(), pitch.max()) == pytest.approx((-10, 35), abs=0.1)
    roll = torch.rad2deg((-drawn.rotation[:, 0, 2] / pitch.deg2rad().cos()).asin())
    assert (roll.min(), roll.max()) == pytest.approx((-15, 15), abs=0.1)
    assert (drawn.distance.min(), drawn.distance.max()) == pytest.approx((2, 8), abs=0.01)
    assert drawn.distance.median() == pytest.approx(4, abs=0.05)
    aside = torch.rad2deg(drawn.slope.atan())
    assert (aside.min(), aside.max()) == pytest.approx((-25, 25), abs=0.1)
    assert (drawn.lens.min(), drawn.lens.max()) == pytest.approx((0.8, 1.2), abs=0.01)
    assert drawn.held.float().mean() == pytest.approx(0.75, abs=0.01)
    for wrong in ({"pitch": (10, -10)}, {"distance": (0.5, 8)}, {"roll": -1}, {"lens": 1.0}):
        with pytest.raises(ValueError, match=r"must be at (least|most)"):
            HandHeld(**wrong)
