from dataclasses import replace

import numpy as np
import pytest
import torch
from recordable import Recordable
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.body.skinning import joint_positions
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.motion import every_nth
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION, Augmentation, Variation
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.mesh_targets import mesh_targets
from examples.hgn_pose.samples.other_bodies import (
    LENGTHS,
    LIMBS,
    SWUNG,
    carried,
    furthest,
    rebuilt,
    shares_of_bones,
)

ROW = {name: number for number, name in enumerate(JOINTS)}


@pytest.fixture(scope="module")
def motion():
    whole = load_builtin()
    return whole.select(every_nth(whole.clip, 25))


@pytest.fixture(scope="module")
def poses(motion):
    return torch.from_numpy(motion.positions)


def bone(points, end):
    parent = next(parent for parent, child in EDGES if child == ROW[end])
    return points[:, ROW[end]] - points[:, parent]


def length(points, end):
    return torch.linalg.vector_norm(bone(points, end), dim=1)


def axes(pose, left, right, low, high):
    """One body at a time, by Gram and Schmidt in double precision."""
    x = pose[ROW[left]] - pose[ROW[right]]
    x = x / np.linalg.norm(x)
    y = pose[ROW[high]] - pose[ROW[low]]
    y = y - (y @ x) * x
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])


def test_every_bone_belongs_to_one_length_and_both_sides_to_the_same():
    ends = [end for group in LENGTHS for end in group]
    assert sorted(ends) == sorted(JOINTS[1:])
    for group in LENGTHS:
        assert {JOINTS[FLIP[ROW[end]]] for end in group} == set(group)


def test_bones_are_as_many_times_as_long_and_point_where_they_did(poses):
    factors = 0.8 + 0.4 * torch.rand(len(poses), 9, generator=torch.Generator().manual_seed(1))
    built = rebuilt(poses, factors, None)
    for k, group in enumerate(LENGTHS):
        for end in group:
            expected = bone(poses, end) * factors[:, k, None]
            torch.testing.assert_close(bone(built, end), expected, atol=2e-6, rtol=0)


def test_the_lowest_joint_is_as_high_as_it_was_and_the_pelvis_over_its_place(poses):
    factors = 0.8 + 0.4 * torch.rand(len(poses), 9, generator=torch.Generator().manual_seed(2))
    limb = torch.arange(len(poses)) % 4
    built = rebuilt(poses, factors, limb)
    torch.testing.assert_close(built[..., 2].amin(1), poses[..., 2].amin(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(built[:, 0, :2], poses[:, 0, :2], atol=0, rtol=0)


@pytest.mark.parametrize("choice", [1, 2, 3])
def test_a_limb_has_the_angles_of_the_other_and_its_own_lengths(poses, choice):
    """Against one body after the other: local directions of the donor, from the hip or shoulder."""
    built = rebuilt(poses, None, torch.full((len(poses),), choice)).double().numpy()
    frames = ("L_Hip", "R_Hip", "Pelvis", "Torso")
    if choice > 1:
        frames = ("L_Shoulder", "R_Shoulder", "Torso", "Neck")
    own = poses.double().numpy()
    for k in range(len(poses)):
        donor = own[k - 1]
        here, there = axes(own[k], *frames), axes(donor, *frames)
        for end in JOINTS[1:]:
            parent = next(p for p, c in EDGES if c == ROW[end])
            expected = own[k, ROW[end]] - own[k, parent]
            if end in LIMBS[choice]:
                local = there @ (donor[ROW[end]] - donor[parent])
                expected = here.T @ local * np.linalg.norm(expected) / np.linalg.norm(local)
            found = built[k, ROW[end]] - built[k, parent]
            np.testing.assert_allclose(found, expected, atol=3e-6)


def test_bones_swing_with_all_that_hangs_on_them(poses):
    """Against rotations of SciPy, bone by bone: joints that a bone does not lead to stay."""
    generator = torch.Generator().manual_seed(1)
    for number, name in enumerate(SWUNG):
        swing = torch.zeros(len(poses), len(SWUNG), 3)
        swing[:, number] = 0.5 * torch.randn(len(poses), 3, generator=generator)
        built = rebuilt(poses, None, None, swing=swing).double().numpy()
        built[..., 2] -= (built[:, 0, 2] - poses[:, 0, 2].numpy())[:, None]
        end = ROW[name]
        start = next(parent for parent, child in EDGES if child == end)
        taken = {end}
        for parent, child in EDGES:
            taken |= {child} if parent in taken else set()
        turns = Rotation.from_rotvec(swing[:, number].double().numpy())
        for joint in range(17):
            expected = poses[:, joint].double().numpy()
            if joint in taken:
                about = poses[:, start].double().numpy()
                expected = about + turns.apply(expected - about)
            np.testing.assert_allclose(built[:, joint], expected, atol=3e-6)


def test_swings_cover_their_range_and_change_nothing_else():
    drawn = Augmentation(swing=10.0).draw(20_000, torch.Generator().manual_seed(0))
    swing = torch.rad2deg(drawn.tensors()["swing"])
    assert swing.shape == (20_000, len(SWUNG), 3)
    assert 9.99 < swing.max() <= 10.001
    assert -10.001 <= swing.min() < -9.99
    assert abs(float(swing.mean())) < 0.05
    plain = Augmentation().draw(20_000, torch.Generator().manual_seed(0))
    for name, values in plain.tensors().items():
        assert torch.equal(drawn.tensors()[name], values)
    assert Augmentation(swing=10.0).as_json()["swing"] == 10.0
    assert "swing" not in Augmentation().as_json()


def test_no_limb_and_factors_of_one_change_nothing(poses):
    nothing = torch.zeros(len(poses), dtype=torch.int64)
    still = torch.zeros(len(poses), len(SWUNG), 3)
    same = rebuilt(poses, torch.ones(len(poses), 9), nothing, swing=still)
    torch.testing.assert_close(same, poses, atol=1e-6, rtol=0)


def test_no_joint_goes_farther_than_it_may(poses):
    generator = torch.Generator().manual_seed(3)
    bones, crossed = 0.3, True
    bound = furthest(poses, bones, crossed)
    for _ in range(20):
        wildly = Augmentation(bones=bones, crossover=1.0, swing=60.0)
        variation = wildly.draw(len(poses), generator)
        built = variation.rebuild(poses)
        reach = torch.linalg.vector_norm(built[..., :2], dim=2).amax(1)
        assert (reach <= bound + 1e-5).all()
    away = torch.linalg.vector_norm(poses[..., :2], dim=2).amax(1)
    torch.testing.assert_close(furthest(poses, 0.0, False), away, atol=0, rtol=0)


def test_draws_cover_their_ranges_and_shares():
    drawn = Augmentation(bones=0.1, crossover=0.3).draw(40_000, torch.Generator().manual_seed(0))
    assert drawn.bones is not None
    assert drawn.limb is not None
    assert drawn.bones.shape == (40_000, 9)
    assert 0.9 <= drawn.bones.min() < 0.9001
    assert 1.0999 < drawn.bones.max() <= 1.1
    shares = torch.bincount(drawn.limb, minlength=4) / 40_000
    np.testing.assert_allclose(shares, [0.7, 0.15, 0.075, 0.075], atol=0.01)
    everything = Augmentation(crossover=1.0).draw(1000, torch.Generator().manual_seed(0))
    assert everything.tensors()["limb"].min() == 1


def test_without_them_what_is_drawn_is_as_it_was():
    plain = Augmentation().draw(50, torch.Generator().manual_seed(4))
    more = Augmentation(bones=0.1, crossover=0.3).draw(50, torch.Generator().manual_seed(4))
    heading, size, flip = torch.rand(3, 50, generator=torch.Generator().manual_seed(4))
    assert (plain.bones, plain.limb) == (None, None)
    for one in (plain, more):
        assert torch.equal(one.heading, heading * (2 * torch.pi))
        assert torch.equal(one.size, 1 + 0.08 * (2 * size - 1))
        assert torch.equal(one.flip, flip < 0.5)


def test_meshes_of_longer_bones_follow_and_those_of_other_limbs_do_not_count(motion):
    """The joints stand in for a mesh: each lies on the ends of its bones, so it goes with them."""
    samples = gather(motion, [motion.positions], [FLIP])
    cameras = ring_of_cameras()
    frame = torch.arange(len(motion))
    view = frame % 4
    generator = torch.Generator().manual_seed(5)
    batch = samples.batch(
        cameras, frame, view, Augmentation(bones=0.1).draw(len(motion), generator)
    )
    ends = [ROW[name] for name in JOINTS if name not in ("Pelvis", "Neck", "Nose", "Torso")]
    torch.testing.assert_close(batch.meshes[0][:, ends], batch.pose[:, ends], atol=4e-3, rtol=0)
    assert batch.fitted.all()
    variation = Augmentation(crossover=0.5).draw(len(motion), generator)
    crossed = samples.batch(cameras, frame, view, variation)
    assert torch.equal(crossed.fitted, variation.tensors()["limb"] == 0)
    assert crossed.fitted.any()


def test_a_body_with_longer_bones_is_what_its_mesh_is_carried_to():
    """The truth: the body model's own longer legs, posed alike."""
    motion = load_builtin().select(slice(0, 400, 10))
    body, hierarchy = coarse_body()
    level = hierarchy.level(96)
    restriction = [hierarchy.restriction(0, level.index, "mean")]
    assert motion.poses is not None
    scale = motion.poses.scale.copy()
    names = load_body().bones
    long = [k for k, name in enumerate(names) if name.startswith(("lowerleg", "foot"))]
    scale[:, long] *= 1.1
    longer = replace(motion.poses, scale=scale)
    taller = replace(motion, poses=longer)
    before = torch.from_numpy(joint_positions(load_body(), motion.poses)).float()
    after = torch.from_numpy(joint_positions(load_body(), longer)).float()
    mesh = torch.from_numpy(mesh_targets(body, motion, restriction)[0])
    true = torch.from_numpy(mesh_targets(body, taller, restriction)[0])
    share = shares_of_bones(mesh.numpy(), before.numpy())
    found = carried(mesh, share, before, after)
    unmoved = torch.linalg.vector_norm(mesh - true, dim=2).mean()
    missed = torch.linalg.vector_norm(found - true, dim=2).mean()
    assert unmoved > 0.005
    assert missed < unmoved / 3


def test_real_cameras_and_wrong_values_are_refused(motion):
    with pytest.raises(ValueError, match=r"bones = -0.1 must be at least 0"):
        Augmentation(bones=-0.1)
    with pytest.raises(ValueError, match=r"crossover = 1.5 must be at least 0 and at most 1"):
        Augmentation(crossover=1.5)
    samples = gather(motion)
    room = furthest(samples.positions, 0.0, False).max() + 0.5  # metres to the camera
    near = ring_of_cameras(distance=float(room) + 0.01)
    samples.check_in_view(near, NO_AUGMENTATION)
    for augmentation in (
        Augmentation(bones=0.1),
        Augmentation(crossover=1.0),
        Augmentation(swing=10.0),
    ):
        with pytest.raises(ValueError, match=r"positions\[\d+\] reaches .* m from the middle"):
            samples.check_in_view(near, replace(augmentation, size=0.0))


def test_a_variation_goes_apart_and_together_again():
    generator = torch.Generator().manual_seed(6)
    parts = [Augmentation(bones=0.1).draw(count, generator) for count in (3, 2)]
    whole = Variation.joined(parts)
    assert set(whole.tensors()) == {"heading", "size", "flip", "bones"}
    lengths = torch.cat([part.tensors()["bones"] for part in parts])
    assert torch.equal(whole.tensors()["bones"], lengths)


def test_a_batch_can_be_recorded_once_its_tables_are_there(motion):
    samples, cameras = gather(motion, [motion.positions], [FLIP]), ring_of_cameras()
    row, view = torch.arange(8), torch.arange(8) % 4
    varied = Augmentation(bones=0.1, crossover=0.5, swing=5.0).draw(
        8, torch.Generator().manual_seed(7)
    )
    first = samples.batch(cameras, row, view, varied)
    with Recordable():
        again = samples.batch(cameras, row, view, varied)
    assert torch.equal(first.pose, again.pose)
    with Recordable(), pytest.raises(AssertionError, match="sends values"):
        torch.tensor([1.0, 2.0])
    with Recordable(), pytest.raises(AssertionError, match="reads a value back"):
        float(first.pose.sum())
    with Recordable(), pytest.raises(AssertionError, match="sends values"):
        first.pose[:, [0, 1]]
