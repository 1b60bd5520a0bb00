import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from posing import random_poses
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.kinematics import bone_transforms, forward_kinematics, rotation_matrices
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.skinning import joint_positions

BODY = load_body()
NUM_BONES = len(BODY.bones)


@given(arrays(np.float64, (3, 5), elements=st.floats(-7, 7)))
def test_rotation_matrices_are_those_of_scipy(vectors):
    expected = Rotation.from_rotvec(vectors.T).as_matrix().transpose(1, 2, 0)
    np.testing.assert_allclose(rotation_matrices(torch.tensor(vectors)), expected, atol=1e-12)


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e-5, 1e-3, 1.001e-3, 0.5, 3.0])
def test_rotation_matrices_are_smooth_down_to_zero(size):
    vectors = torch.tensor([[0.6], [-0.8], [0.0]], dtype=torch.float64) * size
    expected = Rotation.from_rotvec(vectors[:, 0].numpy()).as_matrix()
    np.testing.assert_allclose(rotation_matrices(vectors)[..., 0], expected, atol=1e-14)
    assert torch.autograd.gradcheck(rotation_matrices, vectors.requires_grad_())


def test_forward_kinematics_chains_homogeneous_matrices():
    random = np.random.default_rng(0)
    parents = [-1, 0, 1, 1, 0, 4, 3]
    heads = random.normal(size=(7, 3, 4))  # of another person in every frame
    vectors = random.normal(size=(7, 3, 4))
    root = random.normal(size=(3, 4))
    offsets = heads - heads[np.maximum(parents, 0)]
    turned, moved = forward_kinematics(
        parents,
        torch.tensor(offsets),
        rotation_matrices(torch.tensor(vectors)),
        torch.tensor(root),
    )
    for frame in range(4):
        world: list[np.ndarray] = []
        for bone, parent in enumerate(parents):
            local = np.eye(4)
            local[:3, :3] = Rotation.from_rotvec(vectors[bone, :, frame]).as_matrix()
            local[:3, 3] = root[:, frame] if parent < 0 else offsets[bone, :, frame]
            world.append(local if parent < 0 else world[parent] @ local)
            np.testing.assert_allclose(turned[bone, ..., frame], world[bone][:3, :3], atol=1e-12)
            np.testing.assert_allclose(moved[bone, :, frame], world[bone][:3, 3], atol=1e-12)


def test_no_rotation_is_the_rest_pose():
    shape = BODY.shape("tall")
    rest = BodyPose(
        np.zeros((1, NUM_BONES, 3)),
        shape.heads[:1],
        np.zeros(1, int),
        np.eye(1, 7),
        np.ones((1, NUM_BONES)),
    )
    transforms = bone_transforms(BODY, shape.heads[None], rest)[..., 0]
    expected = torch.eye(3, 4).double().expand(NUM_BONES, 3, 4)
    torch.testing.assert_close(transforms, expected, atol=1e-14, rtol=0)


def test_joints_are_means_of_posed_heads_and_turned_offsets():
    poses = random_poses(5, seed=1)
    joints = joint_positions(BODY, poses)
    assert joints.shape == (5, 17, 3)
    for frame in range(5):
        shape = poses.shape(BODY, int(poses.person[frame]))
        transforms = bone_transforms(
            BODY, shape.heads[None], poses.select(slice(frame, frame + 1))
        )[..., 0]
        matrices = transforms.numpy()
        for joint in range(17):
            expected = sum(
                weight
                * (matrices[bone, :, :3] @ (shape.heads[bone] + offset) + matrices[bone, :, 3])
                for bone, weight in enumerate(BODY.joint_weights[joint])
                if weight
                for offset in [BODY.joint_offsets[joint]]
            )
            np.testing.assert_allclose(joints[frame, joint], expected, atol=1e-12)


def test_posing_keeps_every_bone_as_long_as_at_rest():
    poses = random_poses(6, seed=2, people=1)
    shape = poses.shape(BODY, 0)
    transforms = bone_transforms(BODY, shape.heads[None], poses).numpy()
    heads = np.einsum("bxyt,by->tbx", transforms[:, :, :3], shape.heads)
    heads += transforms[:, :, 3].transpose(2, 0, 1)
    posed = np.linalg.norm(heads[:, 1:] - heads[:, BODY.parents[1:]], axis=-1)
    rest = np.linalg.norm(shape.heads[1:] - shape.heads[BODY.parents[1:]], axis=-1)
    np.testing.assert_allclose(posed, np.broadcast_to(rest, posed.shape), atol=1e-12)


def test_selecting_frames_keeps_people():
    poses = random_poses(6, seed=3)
    some = poses.select(np.array([5, 0]))
    assert len(some) == 2
    np.testing.assert_array_equal(some.person, [1, 0])
    np.testing.assert_allclose(
        joint_positions(BODY, some), joint_positions(BODY, poses)[[5, 0]], atol=1e-12
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotations": np.zeros((2, 5, 3))}, r"rotations has shape \(2, 5, 3\)"),
        ({"person": np.zeros(3, int)}, r"person has shape \(3,\)"),
        ({"person": np.array([0, 2])}, r"person\[1\] = 2, but blend has 2 rows"),
    ],
)
def test_poses_that_do_not_fit_together_are_refused(change, message):
    poses = random_poses(2, seed=4)
    with pytest.raises(ValueError, match=message):
        BodyPose(**{**poses.arrays(), **change})
