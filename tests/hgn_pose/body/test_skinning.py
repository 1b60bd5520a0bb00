from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from posing import random_poses
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.body.kinematics import bone_transforms
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.body.skinning import (
    FRAMES_AT_ONCE,
    CoarseSkinning,
    joint_positions,
    linear_blend_skinning,
)
from examples.hgn_pose.motion.motion import Clip, Motion
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.mesh_targets import mesh_targets

BODY = load_body()
REFLECTION = np.array([-1.0, 1.0, 1.0])


def mean_restriction(count, seed=0):
    """Means over a random partition of the vertices."""
    random = np.random.default_rng(seed)
    cluster = random.permutation(np.arange(len(BODY.mirror)) % count)
    matrix = np.zeros((count, len(cluster)))
    matrix[cluster, np.arange(len(cluster))] = 1
    return sp.csr_array(matrix / matrix.sum(axis=1, keepdims=True))


def mirror_image(poses):
    """The poses of the mirrored people: a reflection of x turns rotation vectors the other way."""
    return replace(
        poses,
        rotations=poses.rotations[:, BODY.bone_mirror] * np.array([1.0, -1.0, -1.0]),
        translation=poses.translation * REFLECTION,
        scale=poses.scale[:, BODY.bone_mirror],
    )


def test_skinning_is_the_weighted_mean_of_what_the_bones_do():
    poses = random_poses(2, seed=0, people=1)
    shape = poses.shape(BODY, 0)
    posed = linear_blend_skinning(BODY, shape, poses)
    transforms = bone_transforms(BODY, shape.heads[None], poses).numpy()
    skin = BODY.skin_weights.toarray()
    for vertex in range(0, len(skin), 997):
        for frame in range(2):
            expected = np.zeros(3)
            for bone in range(len(BODY.bones)):
                rotation, shift = np.split(transforms[bone, ..., frame], [3], axis=1)
                moved = rotation @ shape.vertices[vertex] + shift[:, 0]
                expected += skin[vertex, bone] * moved
            np.testing.assert_allclose(posed[frame, vertex], expected, atol=1e-12)


def test_turning_the_root_moves_the_body_rigidly():
    shape = BODY.shape("woman")
    turn = np.array([0.3, -0.5, 1.1])
    rotations = np.zeros((1, len(BODY.bones), 3))
    rotations[0, 0] = turn
    place = np.array([[1.0, 2.0, 3.0]])
    pose = BodyPose(rotations, place, np.zeros(1, int), np.eye(1, 7), np.ones((1, 36)))
    expected = Rotation.from_rotvec(turn).apply(shape.vertices - shape.heads[0]) + place
    np.testing.assert_allclose(linear_blend_skinning(BODY, shape, pose)[0], expected, atol=1e-12)


@pytest.mark.parametrize("count", [96, 48])
def test_coarse_skinning_is_restricting_the_posed_mesh(count):
    poses = random_poses(3, seed=1)
    restriction = mean_restriction(count)
    expected = np.empty((3, count, 3))
    for frame, person in enumerate(poses.person):
        one = poses.select([frame])
        [full] = linear_blend_skinning(BODY, poses.shape(BODY, person), one)
        expected[frame] = restriction @ full
    coarse = CoarseSkinning(BODY, restriction).vertices(poses)
    np.testing.assert_allclose(coarse, expected, atol=1e-12)


def test_coarse_skinning_of_many_frames_goes_by_chunks():
    poses = random_poses(2, seed=2, dtype=np.float32)
    frames = np.arange(FRAMES_AT_ONCE + 3) % 2
    coarse = CoarseSkinning(BODY, mean_restriction(5))
    np.testing.assert_allclose(
        coarse.vertices(poses.select(frames)), coarse.vertices(poses)[frames], atol=1e-6
    )


def test_a_restriction_of_another_mesh_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected \(N, 13348\)"):
        CoarseSkinning(BODY, sp.csr_array(np.ones((2, 3))))


def test_the_mirrored_pose_is_the_mirror_image_of_the_posed_mesh():
    poses = random_poses(2, seed=3, people=1)
    image = mirror_image(poses)
    full = linear_blend_skinning(BODY, poses.shape(BODY, 0), poses)
    posed = linear_blend_skinning(BODY, image.shape(BODY, 0), image)
    np.testing.assert_allclose(posed, full[:, BODY.mirror] * REFLECTION, atol=1e-12)
    np.testing.assert_allclose(
        joint_positions(BODY, image), joint_positions(BODY, poses)[:, FLIP] * REFLECTION, atol=1e-12
    )


def moved(poses):
    return Motion(
        positions=joint_positions(BODY, poses).astype(np.float32),
        clip=np.zeros(len(poses), int),
        clips=(Clip("clip", "act", 0),),
        fps=np.array([25.0]),
        poses=poses,
    )


def test_mesh_targets_are_the_restricted_meshes():
    poses = random_poses(4, seed=4, people=2)
    restrictions = [mean_restriction(96), mean_restriction(48, seed=1)]
    targets = mesh_targets(BODY, moved(poses), restrictions)
    assert len(targets) == 2
    for restriction, found in zip(restrictions, targets, strict=True):
        assert found.dtype == np.float32
        for frame in range(4):
            shape = poses.shape(BODY, int(poses.person[frame]))
            full = linear_blend_skinning(BODY, shape, poses.select(slice(frame, frame + 1)))[0]
            np.testing.assert_allclose(found[frame], restriction @ full, atol=2e-6)


@pytest.mark.parametrize("size", [96, 48])
def test_flipping_the_coarse_mesh_is_coarsening_the_mirrored_body(size):
    _, hierarchy = coarse_body()
    level = hierarchy.level(size)
    flip = level.constraints.mirror(size)
    np.testing.assert_array_equal(flip[flip], np.arange(size))
    assert 0 < np.count_nonzero(flip == np.arange(size)) < size // 4
    edges = {tuple(edge) for edge in level.graph.edge_index().T.tolist()}
    assert {(flip[u], flip[v]) for u, v in edges} == edges
    assert level.graph.node_weights.max() <= 1.5 * len(BODY.mirror) / 48
    poses = random_poses(3, seed=5, people=2)
    restriction = hierarchy.restriction(0, level.index, "mean")
    [plain] = mesh_targets(BODY, moved(poses), [restriction])
    [image] = mesh_targets(BODY, moved(mirror_image(poses)), [restriction])
    flipped = mirrored(torch.tensor(plain), torch.tensor(flip)).numpy()
    np.testing.assert_allclose(flipped, image, atol=2e-6)


def test_mesh_targets_need_poses():
    motion = Motion(
        np.zeros((1, 17, 3), np.float32), np.zeros(1, int), (Clip("a", "b", 0),), np.array([25.0])
    )
    with pytest.raises(ValueError, match=r"add them with fitting\.fitted_motion\.fit_motion"):
        mesh_targets(BODY, motion, [mean_restriction(4)])
