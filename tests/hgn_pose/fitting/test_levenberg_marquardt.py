import numpy as np
import pytest
import torch

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.skinning import joint_positions
from examples.hgn_pose.fitting import levenberg_marquardt
from examples.hgn_pose.fitting.articulation import FOLDED, STRETCHED, Articulation, Rig
from examples.hgn_pose.fitting.first_guess import first_guess
from examples.hgn_pose.fitting.fitter import _Rigs
from examples.hgn_pose.fitting.levenberg_marquardt import cost, settle_poses, wrapped

BODY = load_body()
PERSON = BODY.joints()(np.full((1, 7), 1 / 7), np.linspace(0.9, 1.1, len(BODY.bones))[None])
ARTICULATION = Articulation.of(BODY, PERSON)
COUNT = len(ARTICULATION.bones)
HINGES = {hinge.lower: hinge for hinge in BODY.anatomy.hinges}


@pytest.fixture(scope="module")
def rig():
    return Rig.of(ARTICULATION, PERSON, dtype=torch.float64)


def random_unknowns(frames, spread=0.6, seed=0):
    random = np.random.default_rng(seed)
    unknowns = random.normal(0, spread, (3 * COUNT + 3, frames))
    unknowns[:, 0] *= 1e-3  # a pose near rest, where formulas divide by the angle
    return torch.tensor(unknowns)


def as_pose(unknowns):
    rotations = np.zeros((unknowns.shape[1], len(BODY.bones), 3))
    rotations[:, ARTICULATION.bones] = unknowns[:-3].unflatten(0, (-1, 3)).permute(2, 0, 1)
    person = np.zeros(len(rotations), int)
    scale = np.linspace(0.9, 1.1, len(BODY.bones))[None]
    return BodyPose(rotations, unknowns[-3:].T.numpy(), person, np.full((1, 7), 1 / 7), scale)


def test_a_rig_has_the_joints_of_its_body(rig):
    unknowns = random_unknowns(5)
    joints = rig.pose(unknowns).joints.permute(2, 0, 1).numpy()
    np.testing.assert_allclose(joints, joint_positions(BODY, as_pose(unknowns)), atol=1e-12)


def test_the_jacobian_is_the_derivative_of_the_joints(rig):
    unknowns = random_unknowns(4)
    found = rig.jacobian(unknowns, rig.pose(unknowns))
    assert found.shape == (4, 51, 3 * COUNT + 3)
    for frame in range(4):
        expected = torch.func.jacrev(lambda x: rig.pose(x[:, None]).joints.flatten())(
            unknowns[:, frame]
        )
        torch.testing.assert_close(found[frame], expected, atol=1e-10, rtol=0)


def test_the_derivatives_of_the_prior(rig):
    unknowns = random_unknowns(6, spread=1.2).requires_grad_()
    assert (rig.beyond(unknowns) != 0).any()
    [expected] = torch.autograd.grad(rig.unlikeliness(unknowns).sum(), unknowns)
    gradient, curvature = rig.unlikeliness_derivatives(unknowns.detach())
    torch.testing.assert_close(gradient, expected.T / 2)
    for frame in range(6):
        hessian = torch.func.hessian(lambda x: rig.unlikeliness(x[:, None]).sum())(
            unknowns[:, frame].detach()
        )
        torch.testing.assert_close(curvature[frame], hessian / 2)


def test_joints_move_with_the_shape_as_the_derivative_says():
    space = BODY.shape_space()
    rigs = _Rigs(ARTICULATION, space)
    torch.manual_seed(0)
    person = torch.randn(len(space.spread), dtype=torch.float64) / 5
    unknowns = random_unknowns(3)
    rig, by_shape = rigs.rig(person)
    found = by_shape(rig.pose(unknowns))
    h = 1e-4
    for k in range(len(person)):
        ends = []
        for sign in (1, -1):
            moved = person.clone()
            moved[k] += sign * h
            ends.append(rigs.rig(moved)[0].pose(unknowns).joints.flatten(0, 1).T)
        torch.testing.assert_close(found[..., k], (ends[0] - ends[1]) / (2 * h), atol=1e-7, rtol=0)


def test_settled_poses_are_at_a_minimum(rig, monkeypatch):
    monkeypatch.setattr(levenberg_marquardt, "SETTLED", (0.05, 0.05, 1e-12))
    truth = random_unknowns(6, spread=0.3)
    target = rig.pose(truth).joints + 0.01 * torch.randn(17, 3, 6, dtype=torch.float64)
    positions = target.permute(2, 0, 1).numpy()
    guess = torch.as_tensor(first_guess(ARTICULATION, PERSON, positions))
    found = settle_poses(rig, guess, target).requires_grad_()
    total = cost(rig, found, rig.pose(found), target, 0.05)
    [slope] = torch.autograd.grad(total.sum(), found)
    start = guess.clone().requires_grad_()
    [steep] = torch.autograd.grad(cost(rig, start, rig.pose(start), target, 0.05).sum(), start)
    assert (slope.norm(dim=0) < 1e-3 * steep.norm(dim=0)).all()
    near = found.detach() + 0.02 * torch.randn_like(found)
    assert (cost(rig, near, rig.pose(near), target, 0.05) > total.detach()).all()


def test_wrapping_changes_no_rotation(rig):
    unknowns = random_unknowns(20, spread=4.0)
    turned = wrapped(unknowns)
    assert unknowns[:3].norm(dim=0).max() > 6
    assert turned[:3].norm(dim=0).max() <= np.pi + 1e-9
    torch.testing.assert_close(rig.pose(turned).joints, rig.pose(unknowns).joints)


def test_the_first_guess_lays_limbs_along_what_is_seen():
    rest = as_pose(torch.zeros(3 * COUNT + 3, 3, dtype=torch.float64))
    for bone, angle in ((4, 1.2), (22, 0.7)):
        rest.rotations[:, bone] = angle * HINGES[bone].axis
    rest.rotations[:, 0] = [[0, 0, 2.0], [0.3, -1.0, 0.4], [0, 0, 0]]
    rest.rotations[:, 2] = [[0.4, 0.5, -0.2], [-1.0, 0, 0], [0, 0.8, 0]]
    rest.rotations[:, 20] = [[0, 1.0, 0], [0.5, 0.5, 0.5], [0, 0, -1.2]]
    positions = joint_positions(BODY, rest)
    guess = torch.as_tensor(first_guess(ARTICULATION, PERSON, positions))
    rig = Rig.of(ARTICULATION, PERSON, dtype=torch.float64)
    joints = rig.pose(guess).joints.permute(2, 0, 1).numpy()
    for ends in ([4, 5], [5, 6], [11, 12], [12, 13]):
        seen, found = (np.diff(x[:, ends], axis=1)[:, 0] for x in (positions, joints))
        cosine = (
            (seen * found).sum(1) / np.linalg.norm(seen, axis=1) / np.linalg.norm(found, axis=1)
        )
        assert cosine.min() > 0.97


def test_hinges_are_bent_a_little_at_rest_and_may_stretch():
    for hinge in ARTICULATION.hinges:
        assert STRETCHED < 0 < hinge.rest < 1 < FOLDED
