"""Fitting SMPL itself to 17 joints, on a generated body with SMPL's bones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from generated_smpl import joint_regressor, smpl_arrays, write_smpl

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarsen_body
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.body.skinning import joint_positions, linear_blend_skinning
from examples.hgn_pose.body.smpl import HEAD_BONE
from examples.hgn_pose.body.smpl_files import load_joint_regressor, load_smpl
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.fitting.articulation import Articulation
from examples.hgn_pose.fitting.fitter import _Rigs, fit, joint_errors

KINDS = ["human36m17", "skeleton17", "regressor"]


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    """The generated body with its joints at each kind of place."""
    folder = tmp_path_factory.mktemp("smpl")
    body = load_smpl(write_smpl(folder / "model.npz"))
    np.save(folder / "regressor.npy", joint_regressor())
    return {
        "human36m17": body,
        "skeleton17": body.with_joints("skeleton17"),
        "regressor": load_joint_regressor(folder / "regressor.npy", body),
    }


def known_poses(body, count, seed=0):
    """One person who turns any way up and bends knees and elbows."""
    random = np.random.default_rng(seed)
    rotations = np.zeros((count, 24, 3))
    rotations[:, 0] = random.normal(0, 1.5, (count, 3))
    rotations[:, [1, 2, 16, 17]] = random.normal(0, 0.5, (count, 4, 3))
    rotations[:, [3, 6, 9, 12, 13, 14, 15]] = random.normal(0, 0.1, (count, 7, 3))
    for hinge in body.anatomy.hinges:
        angle = random.uniform(0, 1.5, count) - hinge.rest
        rotations[:, hinge.lower] = np.outer(angle, hinge.axis)
    betas = np.zeros(10)
    betas[:6] = random.normal(0, 0.7, 6)
    place = random.normal(0, 1, (count, 3))
    return body.poses(rotations.reshape(count, 72), np.tile(betas, (count, 1)), place)


@pytest.mark.parametrize("kind", KINDS)
def test_a_known_person_is_found_again(bodies, kind):
    body = bodies[kind]
    known = known_poses(body, 24)
    positions = joint_positions(body, known)
    poses, error = fit(body, positions.astype(np.float32), known.person)
    # What the regressor sees of the pose-corrective shapes is not fitted.
    assert error.mean() < (3 if kind == "regressor" else 1)
    assert error.max() < (5 if kind == "regressor" else 2)
    assert (poses.scale == 1).all()
    found, true = (b.shape(body, 0).heads for b in (poses, known))
    for limb in ([1, 4], [4, 7], [16, 18], [18, 20]):
        lengths = [np.linalg.norm(np.diff(heads[limb], axis=0)) for heads in (found, true)]
        assert lengths[0] == pytest.approx(lengths[1], abs=0.02)
    still = np.setdiff1d(np.arange(24), body.anatomy.bones)
    assert not poses.rotations[:, still].any()


def test_people_of_different_shapes_are_fitted_apart(bodies):
    body = bodies["human36m17"]
    small, tall = known_poses(body, 6, seed=1), known_poses(body, 6, seed=1)
    tall = replace(tall, blend=small.blend + 1.5)
    positions = np.empty((12, 17, 3), np.float32)
    positions[::2], positions[1::2] = joint_positions(body, small), joint_positions(body, tall)
    poses, error = fit(body, positions, np.tile([0, 1], 6))
    assert error.max() < 2
    lengths = [np.linalg.norm(np.diff(poses.shape(body, p).heads[[1, 4]], axis=0)) for p in (0, 1)]
    true = [np.linalg.norm(np.diff(b.shape(body, 0).heads[[1, 4]], axis=0)) for b in (small, tall)]
    assert lengths[1] - lengths[0] == pytest.approx(true[1] - true[0], abs=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_cuda_device_fits_as_well(bodies, kind):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    body = bodies[kind]
    known = known_poses(body, 24)
    positions = joint_positions(body, known).astype(np.float32)
    _, error = fit(body, positions, known.person)
    _, found = fit(body, positions, known.person, device="cuda")
    apart = np.abs(found - error)  # millimetres; steps end where rounding lets them
    assert apart.mean() < 0.1
    assert apart.max() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_joints_are_those_of_the_posed_body(bodies, kind):
    body = bodies[kind]
    poses = known_poses(body, 2, seed=3)
    shape = poses.shape(body, 0)
    found = joint_positions(body, poses)
    for frame in range(2):
        [posed] = linear_blend_skinning(body, shape, poses.select([frame]))
        if kind == "regressor":
            np.testing.assert_allclose(found[frame], joint_regressor() @ posed, atol=1e-12)
            continue
        # Vertices that go with the head alone, the correctives left out.
        stiff = replace(body, pose_directions=np.zeros_like(body.pose_directions))
        [posed] = linear_blend_skinning(stiff, shape, poses.select([frame]))
        mine = np.flatnonzero(body.skin_weights.toarray()[:, HEAD_BONE] > 0.999)
        rest = shape.vertices[mine]
        head = JOINTS.index("Head")
        if kind == "human36m17":
            crown, nose = rest[:, 1].argmax(), rest[:, 2].argmax()
            np.testing.assert_allclose(found[frame, head], posed[mine[crown]], atol=0.02)
            np.testing.assert_allclose(
                found[frame, JOINTS.index("Nose")], posed[mine[nose]], atol=0.02
            )
        else:
            neck, crown = JOINTS.index("Nose"), posed[mine[rest[:, 1].argmax()]]
            np.testing.assert_allclose(
                found[frame, head], (found[frame, neck] + crown) / 2, atol=0.02
            )


@pytest.mark.parametrize("kind", KINDS)
def test_joints_move_with_the_shape_as_the_derivative_says(bodies, kind):
    body = bodies[kind]
    space = body.shape_space()
    articulation = Articulation.of(body, space.carried(np.zeros(10)))
    rigs = _Rigs(articulation, space)
    random = np.random.default_rng(0)
    person = torch.tensor(random.normal(size=10))
    unknowns = torch.tensor(random.normal(0, 0.5, (3 * len(articulation.bones) + 3, 3)))
    rig, by_shape = rigs.rig(person)
    found = by_shape(rig.pose(unknowns))
    h = 1e-4
    for k in range(10):
        ends = []
        for sign in (1, -1):
            moved = person.clone()
            moved[k] += sign * h
            ends.append(rigs.rig(moved)[0].pose(unknowns).joints.flatten(0, 1).T)
        torch.testing.assert_close(found[..., k], (ends[0] - ends[1]) / (2 * h), atol=1e-7, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_jacobian_is_the_derivative_of_the_joints(bodies, kind):
    body = bodies[kind]
    space = body.shape_space()
    articulation = Articulation.of(body, space.carried(np.zeros(10)))
    rig, _ = _Rigs(articulation, space).rig(torch.zeros(10, dtype=torch.float64))
    random = np.random.default_rng(1)
    unknowns = torch.tensor(random.normal(0, 0.6, (3 * len(articulation.bones) + 3, 2)))
    found = rig.jacobian(unknowns, rig.pose(unknowns))
    for frame in range(2):
        expected = torch.func.jacrev(lambda x: rig.pose(x[:, None]).joints.flatten())(
            unknowns[:, frame]
        )
        torch.testing.assert_close(found[frame], expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("lower", [4, 5, 18, 19])
def test_hinges_bend_the_right_way(bodies, lower):
    body = bodies["human36m17"]
    [hinge] = [hinge for hinge in body.anatomy.hinges if hinge.lower == lower]
    heads = body.joint_regressor @ body.template
    step = np.cross(hinge.axis, heads[hinge.end] - heads[hinge.lower])
    if lower in (4, 5):
        assert step[2] < -0.3  # the foot goes back
    else:
        assert step[2] > 0.2  # the hand comes forward
    assert [JOINTS[joint][0] for joint in hinge.joints] == ["L" if lower in (4, 18) else "R"] * 3


def test_the_built_in_clips_are_fitted(bodies):
    motion = load_builtin()
    positions = motion.positions[::27]
    _, error = fit(bodies["skeleton17"], positions, np.zeros(len(positions), int))
    assert error.max() < 25  # its shapes are few, and none is like that humanoid


def test_parameters_and_poses_are_each_other(bodies):
    body = bodies["human36m17"]
    random = np.random.default_rng(5)
    pose, shape = random.normal(size=(4, 72)), random.normal(size=(4, 10))
    translation = random.normal(size=(4, 3))
    again = body.parameters(body.poses(pose, shape, translation))
    np.testing.assert_allclose(again.pose, pose)
    np.testing.assert_allclose(again.shape, shape)
    np.testing.assert_allclose(again.translation, translation, atol=1e-12)


def test_other_bones_and_other_matrices_are_refused(bodies, tmp_path):
    arrays = smpl_arrays()
    parents = arrays["kintree_table"].copy()
    parents[0, 4] = 0
    other = load_smpl(write_smpl(tmp_path / "other.npz", kintree_table=parents))
    with pytest.raises(ValueError, match=r"not SMPL's: .*only SMPL, SMPL\+H and SMPL-X can be fit"):
        fit(other, np.zeros((1, 17, 3)), np.zeros(1, int))
    with pytest.raises(ValueError, match="has the top of the neck for its Nose"):
        bodies["regressor"].with_joints("skeleton17")
    body, path = bodies["human36m17"], tmp_path / "regressor.npy"
    for matrix, message in (
        (np.ones((17, 5)), r"float64 of shape \(17, 5\), expected floats of shape \(17, 900\)"),
        (np.zeros((17, 900)), r"row 0 \(Pelvis\) sums to 0, not 1"),
        (np.full((17, 900), np.nan), r"\[0, 0\] is nan; numbers must be finite"),
    ):
        np.save(path, matrix)
        with pytest.raises(ValueError, match=message):
            load_joint_regressor(path, body)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="it is no npy file"):
        load_joint_regressor(path, body)
    with pytest.raises(ValueError, match="there is no file"):
        load_joint_regressor(tmp_path / "none.npy", body)
    np.savez(tmp_path / "more.npz", matrix=np.ones(3))
    with pytest.raises(ValueError, match=r"it is no npy file"):
        load_joint_regressor(tmp_path / "more.npz", body)


def test_names_tell_bodies_apart_but_not_their_joints(bodies, tmp_path):
    names = {body.name for body in bodies.values()}
    assert len(names) == 1
    assert len({body.fingerprint for body in bodies.values()}) == 3
    other = load_smpl(
        write_smpl(tmp_path / "other.npz", v_template=smpl_arrays()["v_template"] * 2)
    )
    assert other.name not in names
    assert load_body().name not in names


def test_the_built_in_body_has_a_face_for_human36m():
    body, face = load_body(), load_body().with_joints("human36m17")
    assert body.with_joints("skeleton17") is body
    assert face.name == body.name
    assert face.fingerprint != body.fingerprint
    poses = load_builtin().select(slice(0, 3)).poses
    assert poses is not None
    plain, moved = (joint_positions(b, poses) for b in (body, face))
    ends = [JOINTS.index("Nose"), JOINTS.index("Head")]
    others = np.setdiff1d(np.arange(17), ends)
    np.testing.assert_array_equal(plain[:, others], moved[:, others])
    # The nose is in front of the neck, and the top of the head above its middle.
    away = np.linalg.norm(moved[:, ends] - plain[:, ends], axis=-1)
    assert (away > 0.05).all()
    assert (away < 0.2).all()
    vertices = linear_blend_skinning(body, poses.shape(body, 0), poses)
    for frame in range(3):
        gap = np.linalg.norm(vertices[frame] - moved[frame, ends[0]], axis=1).min()
        assert gap < 0.02


def test_centred_errors_forgive_a_shift(bodies):
    body = bodies["regressor"]
    known = known_poses(body, 3)
    positions = joint_positions(body, known) + np.array([0.0, 0.3, 0.0])
    np.testing.assert_allclose(joint_errors(body, known, positions), 300, rtol=1e-5)
    np.testing.assert_allclose(joint_errors(body, known, positions, centred=True), 0, atol=1e-4)


def test_its_mesh_coarsens_symmetrically(bodies):
    body = bodies["human36m17"]
    assert body.mirror is not None
    hierarchy = coarsen_body(body)
    for size in (96, 48):
        level = hierarchy.level(size)
        assert level.num_nodes == size
        flip = level.constraints.mirror(size)
        assert np.count_nonzero(flip != np.arange(size)) > size / 2
