import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.skinning import joint_positions
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.datasets.readers.cmu17 import load_cmu17
from examples.hgn_pose.fitting import fitted_motion, fitter
from examples.hgn_pose.fitting.fitted_motion import fit_motion
from examples.hgn_pose.fitting.fitter import fit, joint_errors

BODY = load_body()
HINGES = {hinge.lower: hinge for hinge in BODY.anatomy.hinges}
CMU17 = os.environ.get("MULTISCALE_GCN_CMU17")


def known_poses(count, seed=0):
    """A lopsided person who turns any way up, bends knees and elbows and moves the shoulders."""
    random = np.random.default_rng(seed)
    rotations = np.zeros((count, len(BODY.bones), 3))
    for bone, name in enumerate(BODY.bones):
        if name == "root":
            rotations[:, bone] = random.normal(0, 1.5, (count, 3))
        elif name.startswith(("upperarm01", "upperleg01")):
            rotations[:, bone] = random.normal(0, 0.5, (count, 3))
        elif name.startswith("lowerleg01"):
            rotations[:, bone, 0] = random.uniform(0, 1.5, count)
        elif name.startswith("lowerarm01"):
            rotations[:, bone] = np.outer(random.uniform(-0.5, 1.0, count), HINGES[bone].axis)
    scale = np.ones((1, len(BODY.bones)))
    for bone, name in enumerate(BODY.bones):
        if name.startswith("upperleg"):
            scale[0, bone] = 1.08
        elif name.startswith("lowerarm") and name.endswith("R"):
            scale[0, bone] = 0.93
    translation = random.normal(0, 1, (count, 3))
    return BodyPose(rotations, translation, np.zeros(count, int), np.full((1, 7), 1 / 7), scale)


def test_a_known_person_is_found_again():
    known = known_poses(24)
    positions = joint_positions(BODY, known)
    threads = torch.get_num_threads()
    poses, error = fit(BODY, positions.astype(np.float32), known.person)
    assert torch.get_num_threads() == threads
    assert error.mean() < 2
    assert error.max() < 4
    rest = BODY.shape(poses.blend[0], poses.scale[0]).heads
    truth = known.shape(BODY, 0).heads
    for a, b in (
        ("upperleg01.L", "lowerleg01.L"),
        ("lowerarm01.R", "wrist.R"),
        ("lowerarm01.L", "wrist.L"),
    ):
        ends = [BODY.bones.index(a), BODY.bones.index(b)]
        found, expected = (np.linalg.norm(h[ends[0]] - h[ends[1]]) for h in (rest, truth))
        assert found == pytest.approx(expected, abs=0.015)
    assert np.linalg.norm(poses.rotations, axis=-1).max() <= np.pi + 1e-6


def test_displaced_joints_do_not_spoil_the_others():
    known = known_poses(60)
    positions = joint_positions(BODY, known).astype(np.float32)
    random = np.random.default_rng(0)
    clean = positions.copy()
    hit = np.zeros((60, 17), bool)
    for frame in range(0, 60, 3):
        joints = random.choice(17, 2, replace=False)
        away = random.normal(size=(2, 3))
        positions[frame, joints] += 0.3 * away / np.linalg.norm(away, axis=1, keepdims=True)
        hit[frame, joints] = True
    poses, error = fit(BODY, positions, known.person)
    miss = 1000 * np.linalg.norm(joint_positions(BODY, poses) - clean, axis=-1)
    assert miss[~hit].mean() < 2
    assert np.quantile(miss[~hit], 0.99) < 10
    assert error[::3].min() > 20 * error[1::3].max()  # what was displaced still counts


def test_fits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setitem(fitter.FRAMES_AT_ONCE, "cpu", 5)
    known = known_poses(12)
    positions = joint_positions(BODY, known).astype(np.float32)
    found = []
    threads = torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        found.append(fit(BODY, positions, known.person)[0].rotations)
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(found[0], found[1])


def test_knees_and_elbows_do_not_bend_backwards():
    known = known_poses(8)
    for bone, name in enumerate(BODY.bones):
        if name.startswith("lowerleg01"):
            known.rotations[:, bone, 0] = -0.8
    poses, _ = fit(BODY, joint_positions(BODY, known).astype(np.float32), known.person)
    for bone, name in enumerate(BODY.bones):
        if name.startswith(("lowerleg01", "lowerarm01")):
            hinge = HINGES[bone]
            assert (poses.rotations[:, bone] @ hinge.axis + hinge.rest).min() > -0.3


def test_the_error_is_what_it_says():
    known = known_poses(3)
    positions = joint_positions(BODY, known)
    positions[1, 5] += [0.0, 0.017, 0.0]
    np.testing.assert_allclose(joint_errors(BODY, known, positions), [0, 1, 0], atol=1e-4)


def test_people_are_fitted_apart():
    small, tall = known_poses(6, seed=1), known_poses(6, seed=2)
    tall = replace(tall, scale=1.15 * tall.scale)
    positions = np.empty((12, 17, 3), np.float32)
    positions[::2], positions[1::2] = joint_positions(BODY, small), joint_positions(BODY, tall)
    poses, _ = fit(BODY, positions, np.tile([0, 1], 6))
    np.testing.assert_array_equal(poses.person, np.tile([0, 1], 6))
    stature = [np.ptp(poses.shape(BODY, person).heads[:, 2]) for person in (0, 1)]
    assert stature[1] > 1.08 * stature[0]


@pytest.mark.parametrize(("joint", "tip"), [("knee", "foot"), ("elbow", "wrist")])
@pytest.mark.parametrize("side", ["L", "R"])
def test_hinges_bend_the_right_way(joint, tip, side):
    hinge = BODY.bones.index(f"{'lowerleg01' if joint == 'knee' else 'lowerarm01'}.{side}")
    end = BODY.bones.index(f"{tip}.{side}")
    heads = BODY.shape().heads
    step = np.cross(HINGES[hinge].axis, heads[end] - heads[hinge])
    if joint == "knee":
        assert step[1] > 0.3  # the foot goes back
    else:
        shoulder = heads[BODY.bones.index(f"upperarm01.{side}")]
        assert step @ (shoulder - heads[end]) > 0.02  # the hand comes nearer to the shoulder


def test_the_built_in_fit_is_the_error_it_states():
    motion = load_builtin()
    assert motion.poses is not None
    assert motion.fit_error is not None
    error = joint_errors(BODY, motion.poses, motion.positions)
    np.testing.assert_allclose(error, motion.fit_error, atol=0.01)
    assert error.mean() < 6
    assert error.max() < 10


def test_knees_and_elbows_of_the_built_in_fit_are_hinges():
    poses = load_builtin().poses
    assert poses is not None
    for bone, name in enumerate(BODY.bones):
        if name.startswith(("lowerleg01", "lowerarm01")):
            axis = HINGES[bone].axis
            along = poses.rotations[:, bone] @ axis
            aside = np.linalg.norm(poses.rotations[:, bone] - along[:, None] * axis, axis=1)
            assert np.quantile(aside, 0.95) < 0.35
            # Elbows are bent by about 0.8 at rest.
            assert along.min() > (-0.35 if name.startswith("lowerleg") else -1.2)
            assert along.max() < 2.9


@pytest.fixture
def short_motion():
    return replace(load_builtin().select(slice(0, 200, 40)), poses=None, fit_error=None)


def test_a_fit_is_kept_and_taken_again(short_motion, tmp_path, monkeypatch):
    fitted = fit_motion(BODY, short_motion, cache=tmp_path / "new")
    assert fitted.poses is not None
    monkeypatch.setattr(fitted_motion, "fit", lambda *_, **__: pytest.fail("fitted again"))
    again = fit_motion(BODY, short_motion, cache=tmp_path / "new")
    assert again.poses is not None
    for name, array in fitted.poses.arrays().items():
        np.testing.assert_array_equal(getattr(again.poses, name), array)
    np.testing.assert_array_equal(again.fit_error, fitted.fit_error)


def test_other_motion_another_body_or_a_newer_fitter_is_fitted_anew(
    short_motion, tmp_path, monkeypatch
):
    def files():
        return {path.name for path in tmp_path.iterdir()}

    other = replace(BODY, joint_offsets=BODY.joint_offsets + 1e-6)
    moved = replace(short_motion, positions=short_motion.positions + 1e-6)
    two = replace(
        short_motion, clips=(replace(short_motion.clips[0], performer=1), *short_motion.clips[1:])
    )
    for count, (body, motion) in enumerate(
        [(BODY, short_motion), (BODY, moved), (BODY, two), (other, short_motion)], start=1
    ):
        fit_motion(body, motion, cache=tmp_path)
        assert len(files()) == count
    monkeypatch.setattr(fitted_motion, "VERSION", fitted_motion.VERSION + 1)
    fit_motion(BODY, short_motion, cache=tmp_path)
    assert len(files()) == 5


def test_a_damaged_fit_is_refused(short_motion, tmp_path):
    fit_motion(BODY, short_motion, cache=tmp_path)
    [path] = tmp_path.iterdir()
    for content in (b"", b"no archive"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged, delete it"):
            fit_motion(BODY, short_motion, cache=tmp_path)


@pytest.mark.parametrize(
    ("positions", "person", "message"),
    [
        (np.zeros((2, 16, 3)), np.zeros(2, int), r"shape \(2, 16, 3\), expected \(T, 17, 3\)"),
        (np.full((2, 17, 3), np.nan), np.zeros(2, int), r"positions\[0, 0, 0\] is nan; drop"),
        (np.zeros((2, 17, 3)), np.zeros(3, int), r"person has shape \(3,\), expected \(2,\)"),
        (np.zeros((2, 17, 3)), np.array([0, -1]), r"person\[1\] = -1"),
    ],
)
def test_bad_input_is_refused(positions, person, message):
    with pytest.raises(ValueError, match=message):
        fit(BODY, positions, person)


@pytest.mark.skipif(CMU17 is None, reason="MULTISCALE_GCN_CMU17 does not name cmu17.npz")
def test_cmu17_is_fitted_within_the_stated_error():
    assert CMU17 is not None
    motion = load_cmu17(CMU17)
    performers = np.array([clip.performer for clip in motion.clips])[motion.clip]
    frames = np.concatenate([np.flatnonzero(performers == one)[::150][:50] for one in (7, 14, 61)])
    fitted = fit_motion(BODY, motion.select(frames))
    assert fitted.fit_error is not None
    assert fitted.fit_error.mean() < 6
    assert fitted.fit_error.max() < 25
