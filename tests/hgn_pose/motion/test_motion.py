import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from examples.hgn_pose.bake.deepmimic import read_clip
from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.datasets.readers.builtin import HELD_OUT_CLIPS, MOTION_PATH, load_builtin
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS, HELD_OUT_PERFORMERS, load_cmu17
from examples.hgn_pose.motion.motion import Clip, held_out_frames

CMU17 = os.environ.get("MULTISCALE_GCN_CMU17")
PLACE = {name: number for number, name in enumerate(JOINTS)}


@pytest.fixture(scope="module")
def builtin():
    return load_builtin()


def forward(positions):
    """Horizontal direction that the hips face; up x right."""
    right = positions[:, PLACE["R_Hip"]] - positions[:, PLACE["L_Hip"]]
    up = positions[:, PLACE["Neck"]] - positions[:, PLACE["Pelvis"]]
    ahead = np.cross(up, right)
    return ahead / np.linalg.norm(ahead, axis=1, keepdims=True)


def knees_bend_forward(positions):
    """Share of knees before the line from hip to ankle, or less than a centimetre behind."""
    ahead = forward(positions)
    shares = []
    for side in "LR":
        hip, knee, ankle = (positions[:, PLACE[f"{side}_{n}"]] for n in ("Hip", "Knee", "Ankle"))
        bend = knee - (hip + ankle) / 2
        shares.append((np.einsum("ti,ti->t", bend, ahead) > -0.01).mean())
    return min(shares)


def test_the_file_is_small_and_holds_no_objects():
    assert MOTION_PATH.stat().st_size < 2e6
    with np.load(MOTION_PATH, allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind != "O" for name in stored.files)


def test_loading_is_fast():
    started = time.perf_counter()
    load_builtin()
    assert time.perf_counter() - started < 0.5


def test_the_built_in_motion_is_fifteen_whole_clips(builtin):
    assert len(builtin) == 1620
    assert len({clip.name for clip in builtin.clips}) == 15
    assert (np.diff(builtin.clip) >= 0).all()
    assert set(builtin.clip) == set(range(15))
    assert builtin.positions.dtype == np.float32
    assert builtin.fps.shape == (15,)
    assert (builtin.fps > 10).all()
    assert (builtin.fps < 61).all()


def test_the_built_in_skeleton_is_a_person(builtin):
    positions = builtin.positions.astype(np.float64)
    for parent, child in EDGES:
        length = np.linalg.norm(positions[:, parent] - positions[:, child], axis=-1)
        assert np.ptp(length) < 1e-5
        assert 0.05 < length[0] < 0.5
    walk = positions[[builtin.clips[c].name == "walk" for c in builtin.clip]]
    assert 1.5 < walk[:, PLACE["Head"], 2].mean() < 1.8
    assert (walk[:, PLACE["Pelvis"], 2] > 0.75).all()


def test_knees_bend_forward_and_left_is_left(builtin):
    positions = builtin.positions
    assert knees_bend_forward(positions) > 0.95
    walk = positions[[builtin.clips[c].name == "walk" for c in builtin.clip]]
    travel = walk[-1, 0] - walk[0, 0]
    travel /= np.linalg.norm(travel)
    assert (forward(walk) @ travel > 0.9).all()  # swapped sides would face backwards


def test_feet_stand_on_the_ground(builtin):
    for number, clip in enumerate(builtin.clips):
        ankles = builtin.positions[builtin.clip == number][:, [PLACE["L_Ankle"], PLACE["R_Ankle"]]]
        lowest = ankles[..., 2].min()
        assert -0.02 < lowest < 0.09, clip.name
        assert builtin.positions[builtin.clip == number][..., 2].min() > -0.1


def test_whole_clips_are_held_out(builtin):
    held_out = held_out_frames(builtin)
    train, test = builtin.select(~held_out), builtin.select(held_out)
    assert len(train) + len(test) == len(builtin)
    assert {builtin.clips[c].name for c in np.unique(test.clip)} == set(HELD_OUT_CLIPS)
    assert not set(train.clip) & set(test.clip)
    assert 0.2 < len(test) / len(builtin) < 0.25
    assert train.poses is not None
    assert len(train.poses) == len(train)


def test_selecting_takes_everything_along(builtin):
    frames = np.array([1600, 3, 4])
    some = builtin.select(frames)
    np.testing.assert_array_equal(some.positions, builtin.positions[frames])
    np.testing.assert_array_equal(some.fit_error, builtin.fit_error[frames])
    np.testing.assert_array_equal(some.poses.rotations, builtin.poses.rotations[frames])
    assert [some.clips[c].name for c in some.clip] == ["walk", "backflip", "backflip"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((1620, 16, 3), np.float32)}, r"\(1620, 16, 3\), expected \(T, 17"),
        ({"clip": np.zeros(3, int)}, r"clip has shape \(3,\), expected \(1620,\)"),
        ({"clip": np.full(1620, 15)}, r"clip\[0\] = 15, but there are 15 clips"),
        ({"fit_error": np.zeros(7, np.float32)}, "fit_error is for 7 frames"),
        ({"positions": np.full((1620, 17, 3), np.inf)}, r"positions\[0, 0, 0\] is inf; drop"),
    ],
)
def test_motions_that_do_not_fit_together_are_refused(builtin, change, message):
    with pytest.raises(ValueError, match=message):
        replace(builtin, **change)


def cmu17_arrays():
    random = np.random.default_rng(0)
    return {
        "positions_3d": random.normal(size=(6, 17, 3)).astype(np.float32),
        "clip": np.array([0, 0, 1, 1, 2, 2], np.int16),
        "clip_subject": np.array([1, 14, 60], np.int16),
        "clip_name": np.array(["01_01", "14_03", "60_02"]),
        "clip_action": np.array(["jump", "walk", "dance"]),
        "joints": np.array(CMU17_JOINTS),
        "fps": np.float32(40),
    }


def test_cmu17_is_read_and_split_by_performer(tmp_path):
    arrays = cmu17_arrays()
    np.savez(tmp_path / "cmu17.npz", **arrays)
    motion = load_cmu17(tmp_path / "cmu17.npz")
    np.testing.assert_array_equal(motion.positions, arrays["positions_3d"])
    assert motion.clips[1] == Clip("14_03", "walk", 14, held_out=True)
    np.testing.assert_array_equal(motion.fps, [40, 40, 40])
    assert motion.poses is None
    held_out = held_out_frames(motion)
    train, test = motion.select(~held_out), motion.select(held_out)
    np.testing.assert_array_equal(train.clip, [0, 0])
    np.testing.assert_array_equal(test.clip, [1, 1, 2, 2])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("clip_action", None, "it has no array 'clip_action'"),
        ("positions_3d", np.zeros((6, 16, 3), np.float32), r"\(6, 16, 3\), expected \(T, 17, 3\)"),
        (
            "positions_3d",
            np.zeros((6, 51), np.float32),
            r"positions_3d is float32 of shape \(6, 51",
        ),
        ("positions_3d", np.full((6, 17, 3), np.nan, np.float32), r"\[0, 0, 0\] is nan"),
        ("clip", np.array([0, 0, 1, 1, 2, 3]), r"clip\[5\] = 3, but there are 3 clips"),
        ("clip_subject", np.array([1, 2]), "clip_subject is for 2 clips, clip_name for 3"),
        ("clip_name", np.array([1, 2, 3]), "clip_name is int64"),
        ("joints", np.array([*CMU17_JOINTS[1:], "Hip"]), "its joints are RHip, RKnee"),
        ("clip_name", np.array(["a", None, "b"], dtype=object), "clip_name is pickled"),
    ],
)
def test_a_wrong_cmu17_file_is_refused(tmp_path, name, value, message):
    arrays = cmu17_arrays()
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(ValueError, match=f"wrong.npz cannot be used: .*{message}"):
        load_cmu17(tmp_path / "wrong.npz")


def test_what_is_no_cmu17_file_at_all_is_refused(tmp_path):
    path = tmp_path / "cmu17.npz"
    with pytest.raises(ValueError, match=r"there is no file .*cmu17\.npz"):
        load_cmu17(path)
    np.savez(path, **cmu17_arrays())
    cut = path.read_bytes()[:-300]
    for content in (b"", b"not an archive", cut):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"cmu17\.npz cannot be used: it is no npz file, or cut off"
        ):
            load_cmu17(path)


def test_a_damaged_cmu17_file_is_refused(tmp_path):
    path = tmp_path / "cmu17.npz"
    np.savez_compressed(path, **cmu17_arrays())
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cmu17\.npz cannot be used"):
        load_cmu17(path)


@pytest.mark.skipif(CMU17 is None, reason="MULTISCALE_GCN_CMU17 does not name cmu17.npz")
def test_the_real_cmu17():
    assert CMU17 is not None
    motion = load_cmu17(CMU17)
    assert len(motion) == 94330
    assert len(motion.clips) == 186
    held_out = held_out_frames(motion)
    train, test = motion.select(~held_out), motion.select(held_out)
    assert (len(train), len(test)) == (61463, 32867)
    performers = {motion.clips[c].performer for c in np.unique(test.clip)}
    assert performers == set(HELD_OUT_PERFORMERS)
    assert not performers & {motion.clips[c].performer for c in np.unique(train.clip)}
    assert knees_bend_forward(motion.positions) > 0.99


def write_clip(path, angles):
    frame = np.zeros(44)
    frame[0], frame[2] = 0.05, 0.85
    frame[[4, 8, 12, 16, 21, 25, 30, 35, 39]] = 1  # no rotation, as (w, x, y, z)
    for column, angle in angles.items():
        frame[column] = angle
    path.write_text(json.dumps({"Loop": "none", "Frames": [frame.tolist()] * 2}))
    return read_clip(path)


def test_deepmimics_humanoid_stands_straight_facing_x(tmp_path):
    joints, fps = write_clip(tmp_path / "clip.txt", {})
    assert fps == pytest.approx(20)
    assert joints.shape == (2, 17, 3)
    place = dict(zip(JOINTS, joints[0], strict=True))
    np.testing.assert_allclose(place["Pelvis"], [0, 0, 0.85])
    np.testing.assert_allclose(place["L_Hip"], [0, 0.339548 / 4, 0.85])
    leg = (1.686184 + 1.63948) / 4
    np.testing.assert_allclose(place["R_Ankle"], [0, -0.339548 / 4, 0.85 - leg])
    np.testing.assert_allclose(place["Head"], [0, 0, 0.85 + (0.944604 + 0.895576 + 1.11) / 4])


def test_deepmimics_knees_bend_back_and_elbows_forward(tmp_path):
    right_angle = np.pi / 2
    bent = {20: -right_angle, 34: -right_angle, 29: right_angle, 43: right_angle}
    joints, _ = write_clip(tmp_path / "clip.txt", bent)
    place = dict(zip(JOINTS, joints[0], strict=True))
    for side in "LR":
        shin = place[f"{side}_Ankle"] - place[f"{side}_Knee"]
        np.testing.assert_allclose(shin, [-1.63948 / 4, 0, 0], atol=1e-12)
        forearm = place[f"{side}_Wrist"] - place[f"{side}_Elbow"]
        np.testing.assert_allclose(forearm, [1.035788 / 4, 0, 0], atol=1e-12)


def test_deepmimic_files_of_another_shape_are_refused(tmp_path):
    (tmp_path / "clip.txt").write_text(json.dumps({"Frames": [[0.1, 0.2]]}))
    with pytest.raises(ValueError, match=r"clip.txt has frames of shape \(1, 2\)"):
        read_clip(tmp_path / "clip.txt")
