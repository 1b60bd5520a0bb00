import json
import re

import generated
import h5py
import numpy as np
import pytest
import torch
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.skeleton import FLIP, JOINTS
from examples.hgn_pose.datasets.h36m import ACTIONS, calibration, take_name
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.plausible import check_skeleton, lens_misfit, unit_of
from examples.hgn_pose.datasets.readers.arrays import load_arrays
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.datasets.readers.h36m_json import load_h36m_json
from examples.hgn_pose.datasets.readers.h36m_npz import load_h36m_npz
from examples.hgn_pose.datasets.readers.mpi_inf_3dhp import load_mpi_inf_3dhp
from examples.hgn_pose.motion.motion import Motion
from examples.hgn_pose.motion.recording import Recording
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.preparing import prepare_data

CPU = torch.device("cpu")
NOSE = JOINTS.index("Nose")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def h36m(folder):
    return folder / "h36m", *generated.write_h36m_npz(folder / "h36m")


@pytest.fixture(scope="module")
def h36m_json(folder):
    generated.write_h36m_json(folder / "annotations")
    return folder / "annotations"


@pytest.fixture(scope="module")
def published(folder):
    generated.write_3dhp_published(folder / "3dhp")
    return folder / "3dhp"


def seen(recording):
    """The whole recording as one batch."""
    samples = gather(recording)
    row = torch.arange(len(samples))
    return samples.batch(recording.cameras, row, torch.zeros_like(row))


def sights(recording, clip, camera):
    """Rows of a clip's sights by one camera, in order of time."""
    names = [c.name for c in recording.motion.clips]
    in_clip = recording.motion.clip[recording.frame] == names.index(clip)
    return np.flatnonzero(in_clip & (np.array(recording.camera_names)[recording.camera] == camera))


# The cameras of Human3.6M


def test_the_calibration_is_that_of_a_studio():
    lenses, views = calibration()
    assert len(lenses) == 4
    assert set(views) == {"S1", "S5", "S6", "S7", "S8", "S9", "S11"}
    for lens in lenses:
        assert (np.abs(lens.focal - 1147) < 4).all()
        assert (np.abs(lens.centre - 511) < 10).all()
    for four in views.values():
        for view in four:
            np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-6)
            assert np.linalg.det(view.rotation) > 0
            assert 1.4 < view.position[2] < 1.7
            assert 3.5 < np.linalg.norm(view.position[:2]) < 6
            middle = view.sees(np.array([0.0, 0.0, 1.0]))
            assert middle[2] > 3  # looks at the middle of the room
            assert (np.abs(middle[:2]) < 0.9).all()
            assert view.rotation[1] @ [0, 0, -1] > 0.9  # the image's down is down


def test_the_lens_agrees_with_the_formula_point_by_point():
    stored = generated.calibration()
    lenses, views = calibration()
    points = generated.clip("dance_a", 3)
    for subject in ("S1", "S11"):
        for k in range(4):
            expected = [
                [generated.seen(p, stored["lenses"][k], stored["views"][subject][k]) for p in pose]
                for pose in points
            ]
            got = lenses[k].project(views[subject][k].sees(points))
            np.testing.assert_allclose(got, expected, atol=1e-4)  # pixels; float32 quaternions


# VideoPose3D's files


def test_videopose3d_files_are_read(h36m):
    path, positions, true, _ = h36m
    recording = load_h36m_npz(path)
    names = [clip.name for clip in recording.motion.clips]
    assert "S11 Directions" not in names
    assert "S11 Directions 1" in names
    assert "S9 Directions" in names
    assert len(names) == 3 * 4 - 1
    for name in ("S1 Walking", "S9 SittingDown 1"):
        subject, _, take = name.partition(" ")
        for k, camera in enumerate(("54138969", "55011271", "58860488", "60457274")):
            rows = sights(recording, name, camera)
            frames = recording.frame[rows]
            np.testing.assert_array_equal(
                recording.motion.positions[frames], positions[subject][take][:, generated.OF_32]
            )
            width, height = generated.IMAGE_SIZES[k]
            expected = true[subject][take][k] / width * 2 - [1, height / width]
            np.testing.assert_allclose(recording.image[rows], expected, atol=1e-6)
    held_out = {clip.performer for clip in recording.motion.clips if clip.held_out}
    assert held_out == {"S9", "S11"}
    assert {clip.action for clip in recording.motion.clips} < set(ACTIONS)


def test_the_truth_is_in_the_frame_of_the_real_camera(h36m):
    path, positions, _, _ = h36m
    recording = load_h36m_npz(path)
    batch = seen(recording)
    stored = generated.calibration()
    for k in (0, 3):
        view = stored["views"]["S9"][k]
        w, x, y, z = view["orientation"]
        world = positions["S9"]["Walking"][4, generated.OF_32].astype(np.float64)
        expected = np.array([generated.turned((w, -x, -y, -z), p - world[0]) for p in world])
        row = sights(recording, "S9 Walking", stored["lenses"][k]["id"])[4]
        np.testing.assert_allclose(batch.pose[row].numpy(), expected, atol=2e-6)


def test_detections_are_cut_and_the_missing_nose_is_put_between(h36m):
    path, _, _, cpn = h36m
    recording = load_h36m_npz(path, "cpn_ft_h36m_dbb")
    rows = sights(recording, "S1 SittingDown 1", "55011271")
    assert len(rows) == 5
    expected = cpn["S1"]["SittingDown 1"][1][:5] / 500 - 1
    np.testing.assert_allclose(recording.image[rows], expected, atol=1e-6)
    sixteen = load_h36m_npz(path / "data_3d_h36m.npz", "sh_ft_h36m")
    kept = generated.WITHOUT_NOSE
    np.testing.assert_allclose(
        sixteen.image[rows][:, kept], recording.image[rows][:, kept], atol=1e-6
    )
    neck, head = JOINTS.index("Neck"), JOINTS.index("Head")
    np.testing.assert_allclose(
        sixteen.image[:, NOSE], (sixteen.image[:, neck] + sixteen.image[:, head]) / 2, atol=1e-6
    )


def test_true_2d_joints_need_no_file(h36m, tmp_path):
    path, *_ = h36m
    (tmp_path / "data_3d_h36m.npz").write_bytes((path / "data_3d_h36m.npz").read_bytes())
    computed, stored = load_h36m_npz(tmp_path), load_h36m_npz(path)
    np.testing.assert_allclose(computed.image, stored.image, atol=1e-5)
    np.testing.assert_array_equal(computed.frame, stored.frame)


def test_names_of_takes_are_normalised():
    assert take_name("TakingPhoto 1") == "Photo 1"
    assert take_name("WalkingDog") == "WalkDog"
    assert take_name("Sitting_1") == "Sitting 1"
    assert {take_name(name) for name in ACTIONS} == set(ACTIONS)


def change_3d(path, change):
    with np.load(path / "data_3d_h36m.npz", allow_pickle=True) as stored:
        positions = stored["positions_3d"].item()
    changed = change(positions)
    positions = positions if changed is None else changed
    np.savez(path / "data_3d_h36m.npz", positions_3d=np.array(positions, dtype=object))


def change_2d(path, change):
    with np.load(path / "data_2d_h36m_gt.npz", allow_pickle=True) as stored:
        pixels = stored["positions_2d"].item()
    change(pixels)
    np.savez(path / "data_2d_h36m_gt.npz", positions_2d=np.array(pixels, dtype=object))


def each(change):
    """Apply a change to the arrays of all takes and cameras."""

    def apply(subjects):
        for takes in subjects.values():
            for name, take in takes.items():
                takes[name] = [change(p) for p in take] if isinstance(take, list) else change(take)

    return apply


BROKEN_3D = [
    (each(lambda p: p * 1000), r"S1 Directions: the positions are in millimetres \(a thigh .*1000"),
    (each(lambda p: p[:, ::-1]), "the bone from .* so the joints are in another order"),
    (each(lambda p: p[:, :20]), r"S1 Directions: there are 20 joints, expected 32"),
    (each(lambda p: p[0]), r"float32 of shape \(32, 3\), expected floats of shape"),
    (each(lambda p: p + np.float32(30.0)), "behind the camera|pixels from the 3D joints"),
    (each(lambda p: p * np.nan), r"positions\[0, 0, 0\] is nan"),
    (each(lambda p: p[:0]), "there are no frames"),
    (lambda subjects: subjects.update(S2=subjects["S1"]), "subject 'S2' is unknown"),
    (lambda subjects: [1, 2], "positions_3d is no dict of subjects"),
    (lambda subjects: {"S1": [1]}, "positions_3d is no dict of subjects"),
]

BROKEN_2D = [
    (each(lambda p: p / 500 - 1), "they are normalised already; give pixels"),
    (each(lambda p: p[:, FLIP]), "left and right are swapped"),
    (each(lambda p: p[:, ::-1]), "joints in another order, another camera or other frames"),
    (each(lambda p: p[:2]), "2D joints of 2 frames for 6 3D frames"),
    (each(lambda p: p[:, :14]), r"shape \(6, 14, 2\), expected"),
    (lambda subjects: subjects["S1"]["Walking"].pop(), "there are 3 cameras, expected the 4 in"),
    (lambda subjects: subjects["S9"].pop("Walking"), "S9 Walking: there is no such take; S9 has"),
    (lambda subjects: subjects.pop("S9"), "lacks subject S9; it has S1, S11"),
    (lambda subjects: subjects["S1"]["Walking"].reverse(), "S1 Walking, 54138969"),
    (lambda subjects: subjects["S1"]["Walking"][2].fill(np.nan), "the 2D Pelvis of frame 0 of S1"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN_3D)
def test_wrong_3d_files_are_explained(h36m, tmp_path, change, message):
    (tmp_path / "data_3d_h36m.npz").write_bytes((h36m[0] / "data_3d_h36m.npz").read_bytes())
    change_3d(tmp_path, change)
    with pytest.raises(ValueError, match=message) as caught:
        load_h36m_npz(tmp_path)
    assert str(tmp_path / "data_3d_h36m.npz") in str(caught.value)


@pytest.mark.parametrize(("change", "message"), BROKEN_2D)
def test_wrong_2d_files_are_explained(h36m, tmp_path, change, message):
    for name in ("data_3d_h36m.npz", "data_2d_h36m_gt.npz"):
        (tmp_path / name).write_bytes((h36m[0] / name).read_bytes())
    change_2d(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        load_h36m_npz(tmp_path)


def test_missing_files_of_human36m_are_named(h36m, tmp_path):
    with pytest.raises(ValueError, match=r"no file .*data_3d_h36m.npz; make it from your copy"):
        load_h36m_npz(tmp_path)
    with pytest.raises(ValueError, match="there are 2D joints called cpn_ft_h36m_dbb, gt, sh_ft"):
        load_h36m_npz(h36m[0], "hrnet")


# Pose2Mesh's files


def test_pose2mesh_files_are_read(h36m_json):
    recording = load_h36m_json(h36m_json.parent)
    smpl = recording.motion.smpl
    names = [clip.name for clip in recording.motion.clips]
    assert "S1 SittingDown 2" in names
    assert "S9 SittingDown 2" not in names  # its joints do not fit the images
    assert "S9 Directions 2" in names
    rows = sights(recording, "S9 Walking 1", "camera 1")
    assert recording.number[recording.frame[rows]].tolist() == list(range(10))  # 10 has no SMPL
    np.testing.assert_allclose(
        recording.motion.positions[recording.frame[rows]],
        generated.takes(11)["Walking"][:10],
        atol=1e-6,
    )
    assert smpl is not None
    assert len(smpl.pose) == len(recording.motion)
    in_clip = recording.motion.clip == names.index("S1 Walking 1")
    np.testing.assert_allclose(smpl.pose[in_clip][:, 71], 0.01 * np.arange(10), atol=1e-6)
    assert (smpl.shape[in_clip][:, 0] == [0.5] * 5 + [0.0] + [0.5] * 4).all()
    np.testing.assert_allclose(smpl.translation[in_clip][:, 0], 0.1 * np.arange(10), atol=1e-6)


def test_both_forms_of_human36m_agree(h36m, h36m_json):
    """The same frame and camera gives the same truth, and 2D joints but for the lens's bends."""
    npz, coco = load_h36m_npz(h36m[0]), load_h36m_json(h36m_json)
    first = sights(npz, "S1 Walking", "58860488")[:6]
    second = sights(coco, "S1 Walking 1", "camera 3")[:6]
    a, b = seen(npz), seen(coco)
    np.testing.assert_allclose(a.pose[first].numpy(), b.pose[second].numpy(), atol=2e-6)
    np.testing.assert_allclose(a.image[first].numpy(), b.image[second].numpy(), atol=6e-3)


def test_hgns_frames_are_those_whose_number_divides(h36m_json, tmp_path):
    recording = load_h36m_json(h36m_json, train_every=5, test_every=4)
    for number, clip in enumerate(recording.motion.clips):
        numbers = recording.number[recording.motion.clip == number].tolist()
        assert numbers == ([0, 4, 8] if clip.held_out else [0, 5])
    prepared = prepare_data(DataOptions("h36m-json", h36m_json, test_every=4), torch.device("cpu"))
    assert prepared.split["train_frames"] == 4 * 2
    assert prepared.split["test_frames"] == 3 * 3


def test_a_test_needs_no_files_of_the_training_subjects(h36m_json, tmp_path):
    for path in h36m_json.glob("Human36M_subject9_*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "Human36M_subject1_data.json").write_text("not read")
    recording = load_h36m_json(tmp_path, test_only=True)
    assert {clip.performer for clip in recording.motion.clips} == {"S9"}
    prepared = prepare_data(DataOptions("h36m-json", tmp_path), CPU, test_only=True)
    assert prepared.split["test_frames"] == 3
    assert "train_frames" not in prepared.split


def test_smpl_files_may_be_absent_but_not_in_part(h36m_json, tmp_path):
    generated.write_h36m_json(tmp_path / "annotations", smpl=False)
    recording = load_h36m_json(tmp_path)
    assert recording.motion.smpl is None
    assert len(sights(recording, "S9 Walking 1", "camera 1")) == 11
    source = h36m_json / "Human36M_subject1_smpl_param.json"
    (tmp_path / "annotations" / source.name).write_bytes(source.read_bytes())
    with pytest.raises(ValueError, match=r"no file .*subject9_smpl_param.json"):
        load_h36m_json(tmp_path)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("camera", lambda c: c.pop("3"), "lacks camera 3, which images show"),
        ("joint_3d", lambda c: c["14"]["1"].pop("4"), "Walking 1: there is no frame 4"),
        ("joint_3d", lambda c: c["14"]["1"]["4"].pop(), "the frames differ in shape"),
        ("joint_3d", lambda c: c["14"].pop("1"), "Walking 1: there is no frame 0"),
        ("data", lambda c: c.pop("images"), "it has no lists 'images' and 'annotations'"),
        ("data", lambda c: c["images"].clear(), "there are no frames"),
        (
            "data",
            lambda c: c["images"][3].update(action_idx=1),
            "action_idx 1 is unknown; they are",
        ),
        ("data", lambda c: c["images"][3].update(action_idx=17), "17 is unknown; they are 2 to 16"),
    ],
)
def test_wrong_json_files_are_explained(tmp_path, name, change, message):
    generated.write_h36m_json(tmp_path, subjects=[1], frames=6, smpl=False)
    edit(tmp_path / f"Human36M_subject1_{name}.json", change)
    with pytest.raises(ValueError, match=message):
        load_h36m_json(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.pop("shape"), "Walking 1: frame 4 has no 'shape'"),
        (lambda frame: frame["pose"].pop(), "pose in the files _smpl_param.json differs in length"),
        (lambda frame: frame["trans"].append("a"), "trans in the files .* is no list of numbers"),
        (lambda frame: frame.update(pose=[float("nan")] * 72), "pose in the files .* not finite"),
    ],
)
def test_wrong_smpl_parameters_are_explained(tmp_path, change, message):
    generated.write_h36m_json(tmp_path, subjects=[1], frames=6)
    edit(tmp_path / "Human36M_subject1_smpl_param.json", lambda c: change(c["14"]["1"]["4"]))
    with pytest.raises(ValueError, match=message):
        load_h36m_json(tmp_path)


def test_missing_and_damaged_json_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no file Human36M_subject1_data.json"):
        load_h36m_json(tmp_path)
    generated.write_h36m_json(tmp_path, subjects=[1], frames=2, smpl=False)
    path = tmp_path / "Human36M_subject1_joint_3d.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match=r"joint_3d.json cannot be used: it is no JSON"):
        load_h36m_json(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"there is no file .*joint_3d.json"):
        load_h36m_json(tmp_path)


# MPI-INF-3DHP


def expected_3dhp(name, frames=9):
    for sequence, size, joints in generated.sequences(frames):
        if sequence == name:
            return size, joints
    raise KeyError(name)


@pytest.mark.parametrize("true_size", [False, True])
def test_the_published_test_set_is_read(published, true_size):
    recording = load_mpi_inf_3dhp(published, true_size=true_size)
    assert [clip.name for clip in recording.motion.clips] == [
        "TS1 Standing/Walking",
        "TS1 Sports",
        "TS6 Standing/Walking",
        "TS6 Sports",
    ]
    assert all(clip.held_out for clip in recording.motion.clips)
    assert recording.number.tolist() == [0, 1, 3, 4, 5, 6, 7, 8] * 2
    batch = seen(recording)
    for name, start in (("TS1", 0), ("TS6", 8)):
        (width, height), joints = expected_3dhp(name)
        kept = joints[[0, 1, 3, 4, 5, 6, 7, 8]]
        rows = slice(start, start + 8)
        truth = (kept - kept[:, :1]) * (1.0 if true_size else 0.9)
        np.testing.assert_allclose(batch.pose[rows].numpy(), truth, atol=2e-6)
        pixels = generated.pinhole(kept, (width, height))
        expected = pixels / width * 2 - [1, height / width]
        np.testing.assert_allclose(batch.image[rows].numpy(), expected, atol=1e-6)
    labels = gather(recording).labels(recording.cameras)
    assert labels.subject.names == ("TS1", "TS6")
    assert labels.action.names == ("Sports", "Standing/Walking")


def test_all_forms_of_the_test_set_agree(published, tmp_path):
    generated.write_3dhp_p_stmo(tmp_path / "a")
    generated.write_3dhp_graphmlp(tmp_path / "b")
    official = seen(load_mpi_inf_3dhp(published, true_size=True))
    p_stmo = load_mpi_inf_3dhp(tmp_path / "a" / "data_test_3dhp.npz")
    batch = seen(p_stmo)
    np.testing.assert_allclose(batch.pose[:16].numpy(), official.pose.numpy(), atol=2e-6)
    np.testing.assert_allclose(batch.image[:16].numpy(), official.image.numpy(), atol=2e-6)
    assert [c.performer for c in p_stmo.motion.clips if not c.held_out] == ["S1", "S1"]
    assert p_stmo.camera_names[-2:] == ("camera 0", "camera 4")
    graphmlp = seen(load_mpi_inf_3dhp(tmp_path / "b"))
    kept = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17]
    np.testing.assert_allclose(graphmlp.pose[kept].numpy(), official.pose.numpy(), atol=2e-6)
    np.testing.assert_allclose(graphmlp.image[kept].numpy(), official.image.numpy(), atol=2e-6)


def rewrite(path, name, value):
    with h5py.File(path, "a") as file:
        del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("univ_annot3", None, "has no array 'univ_annot3'; it has activity_annotation, annot2"),
        ("annot2", np.zeros((9, 1, 16, 2)), r"annot2: it has shape \(9, 16, 2\), expected"),
        ("activity_annotation", np.full((9, 1), 8), "activity 8 is unknown"),
        ("activity_annotation", np.ones((4, 1)), "activity_annotation is for 4 frames"),
        ("valid_frame", np.zeros((9, 1)), "there are no frames"),
    ],
)
def test_wrong_matlab_files_are_explained(tmp_path, name, value, message):
    generated.write_3dhp_published(tmp_path)
    rewrite(tmp_path / "TS1" / "annot_data.mat", name, value)
    (tmp_path / "TS6" / "annot_data.mat").unlink()
    with pytest.raises(ValueError, match=message):
        load_mpi_inf_3dhp(tmp_path)


def test_what_is_no_3dhp_is_explained(tmp_path):
    with pytest.raises(ValueError, match=r"no MPI-INF-3DHP in .*; expected folders TS1 to TS6"):
        load_mpi_inf_3dhp(tmp_path)
    (tmp_path / "TS1").mkdir()
    (tmp_path / "TS1" / "annot_data.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(ValueError, match=r"annot_data.mat cannot be used.* version 7.3"):
        load_mpi_inf_3dhp(tmp_path)
    generated.write_3dhp_graphmlp(tmp_path / "b")
    with pytest.raises(ValueError, match="only the published test set has"):
        load_mpi_inf_3dhp(tmp_path / "b", true_size=True)
    (tmp_path / "b" / "data_2d_3dhp.npz").unlink()
    with pytest.raises(ValueError, match=r"no file .*data_2d_3dhp.npz, which belongs to"):
        load_mpi_inf_3dhp(tmp_path / "b")


# Arrays of one's own


def test_arrays_of_ones_own_are_read(tmp_path):
    arrays = generated.write_arrays(tmp_path / "mine.npz")
    recording = load_arrays(tmp_path / "mine.npz")
    assert isinstance(recording, Recording)
    batch = seen(recording)
    joints = arrays["positions_3d"]
    np.testing.assert_allclose(batch.pose.numpy(), joints - joints[:, :1], atol=2e-6)
    expected = arrays["positions_2d"] / 320 - [1, 0.75]
    np.testing.assert_allclose(batch.image.numpy(), expected, atol=1e-6)
    assert [(c.name, c.performer, c.held_out) for c in recording.motion.clips] == [
        ("walk", "Ann", False),
        ("run", "Ben", True),
    ]


def test_cameras_of_ones_own_are_used(tmp_path):
    """The same sight through given cameras: the world is turned, and they with it."""
    plain = generated.write_arrays(tmp_path / "plain.npz")
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    stand = np.array([1.0, 2.0, 3.0])
    world = plain["positions_3d"] @ turn + stand  # the camera's axes are the rows of turn
    generated.write_arrays(
        tmp_path / "turned.npz",
        positions_3d=world,
        positions_2d=np.stack([plain["positions_2d"]] * 2),
        camera_rotation=np.stack([turn] * 2),
        camera_position=np.stack([stand] * 2),
    )
    first, second = (load_arrays(tmp_path / f"{name}.npz") for name in ("plain", "turned"))
    a, b = seen(first), seen(second)
    rows = np.concatenate([sights(second, name, "camera 1") for name in ("walk", "run")])
    np.testing.assert_allclose(b.pose[rows].numpy(), a.pose.numpy(), atol=5e-6)
    np.testing.assert_allclose(b.image[rows].numpy(), a.image.numpy(), atol=1e-6)


def test_positions_alone_are_motion_for_virtual_cameras(tmp_path):
    np.save(tmp_path / "mine.npy", generated.clip("walk", 9))
    motion = load_arrays(tmp_path / "mine.npy")
    assert isinstance(motion, Motion)
    assert len(motion) == 9
    assert motion.clips[0].held_out
    assert motion.positions.dtype == np.float32


def axes_of(up):
    """A rotation that brings z to the named axis."""
    index, sign = "xyz".index(up[-1]), -1 if up[0] == "-" else 1
    side, ahead = np.eye(3)[(index + 1) % 3], np.eye(3)[(index + 2) % 3]
    turn = np.stack([side, ahead, sign * np.eye(3)[index]], axis=1)
    return turn * [np.linalg.det(turn), 1, 1]


@pytest.mark.parametrize("clip", ["walk", "kick", "dance_a", "jump", "run", "punch"])
@pytest.mark.parametrize("up", ["y", "-y", "x", "-x", "-z"])
def test_an_axis_that_points_up_is_asked_for_or_told(clip, up, tmp_path):
    motion = load_builtin()
    upright = motion.positions[motion.clip == [c.name for c in motion.clips].index(clip)]
    path = tmp_path / "mine.npz"
    np.savez(path, positions_3d=upright @ axes_of(up).astype(np.float32).T)
    with pytest.raises(ValueError, match=rf"mine.npz: which axis is up\? .* along {up}, ") as asked:
        load_arrays(path)
    remedy = re.search(r"\[\.\.\., (\[.*?\])\] \* (\[.*?\])", str(asked.value))
    assert remedy is not None
    order, signs = map(json.loads, remedy.groups())
    stored = np.load(path)["positions_3d"]
    np.savez(path, positions_3d=stored[..., order] * np.array(signs, np.float32))
    by_hand = load_arrays(path).motion.positions
    np.savez(path, positions_3d=stored, up=up)
    told = load_arrays(path).motion.positions
    np.testing.assert_allclose(told, by_hand)
    np.testing.assert_allclose(told[..., 2], upright[..., 2], atol=1e-6)
    spans = np.linalg.norm(told[:, :, None] - told[:, None], axis=-1)
    np.testing.assert_allclose(
        spans, np.linalg.norm(upright[:, :, None] - upright[:, None], axis=-1), atol=1e-5
    )


@pytest.mark.parametrize("change", [lambda p: p[:, FLIP], lambda p: p * [1, -1, 1]])
def test_swapped_sides_are_found_by_the_knees_in_every_clip(change, tmp_path):
    motion = load_builtin()
    for number, known in enumerate(motion.clips):
        positions = motion.positions[motion.clip == number]
        np.savez(tmp_path / "mine.npz", positions_3d=positions, up="z")
        found = load_arrays(tmp_path / "mine.npz").motion
        assert len(found) == len(positions), known.name
        np.savez(tmp_path / "mine.npz", positions_3d=change(positions), up="z")
        with pytest.raises(ValueError, match=r"mine.npz: the knees bend to the back, so left and"):
            load_arrays(tmp_path / "mine.npz")


def test_people_who_crawl_lie_only_if_it_is_said(tmp_path):
    motion = load_builtin()
    crawl = [known.name for known in motion.clips].index("crawl")
    positions = motion.positions[motion.clip == crawl]
    np.save(tmp_path / "mine.npy", positions)
    with pytest.raises(ValueError, match=r"which axis is up.*if these people lie, with up = 'z'"):
        load_arrays(tmp_path / "mine.npy")
    np.savez(tmp_path / "mine.npz", positions_3d=positions, up="z")
    found = load_arrays(tmp_path / "mine.npz").motion
    np.testing.assert_array_equal(found.positions, positions)


def test_a_wrong_axis_is_not_believed(tmp_path):
    upright = load_builtin().positions[-39:]
    np.savez(tmp_path / "mine.npz", positions_3d=upright, up="Y")
    with pytest.raises(
        ValueError, match=r"mine.npz cannot be used: up is 'y', .* along z; give up"
    ):
        load_arrays(tmp_path / "mine.npz")


@pytest.mark.parametrize("up", ["w", "", 3, ["y", "z"]])
def test_an_axis_that_there_is_not_is_refused(up, tmp_path):
    np.savez(tmp_path / "mine.npz", positions_3d=load_builtin().positions[:9], up=up)
    with pytest.raises(ValueError, match=r"mine.npz cannot be used: up is .* none of z, y, -y"):
        load_arrays(tmp_path / "mine.npz")


def test_arrays_that_nobody_reads_are_named(tmp_path):
    np.savez(tmp_path / "mine.npz", positions_3d=load_builtin().positions[:9], positions2d=[1.0])
    with pytest.raises(ValueError, match=r"not read: positions2d; .* one of positions_2d"):
        load_arrays(tmp_path / "mine.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions_3d": np.zeros((18, 16, 3))}, r"shape \(18, 16, 3\), expected floats"),
        ({"positions_3d": generated.in_front(np.ones((18, 17, 3))) * 0}, "no thigh in any unit"),
        ({"positions_2d": np.zeros((18, 17, 3))}, "positions_2d has shape"),
        ({"positions_2d": np.zeros((2, 18, 17, 2))}, "with 2 cameras, camera_rotation and"),
        ({"image_size": None}, "image_size is missing: "),
        ({"clip": np.zeros(3, int)}, "clip must be 18 whole numbers"),
        ({"clip": np.zeros(18)}, "clip must be 18 whole numbers"),
        ({"clip_test": np.ones(3, bool)}, r"clip_test has shape \(3,\), but clip counts to 2"),
        ({"camera_rotation": np.eye(3)[None]}, "camera_rotation and camera_position are needed"),
        (
            {"camera_rotation": 2 * np.eye(3)[None], "camera_position": np.zeros((1, 3))},
            r"camera_rotation\[0\] is no rotation",
        ),
        ({"positions_3d": None}, "no array 'positions_3d'"),
        ({"fps": np.array([50.0, 50.0])}, r"fps is float64 of shape \(2,\)"),
        ({"fps": 0.0}, "expected one positive number"),
        ({"fps": "fast"}, "expected one positive number"),
        ({"clip_test": np.array(["no", "yes"])}, "clip_test is <U3, expected true or false"),
        ({"positions_3d": np.zeros((0, 17, 3))}, "there are no frames"),
        ({"clip_name": np.array([{}, {}], dtype=object)}, "clip_name is pickled"),
    ],
)
def test_wrong_arrays_are_explained(tmp_path, changes, message):
    generated.write_arrays(tmp_path / "mine.npz", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        load_arrays(tmp_path / "mine.npz")
    assert str(tmp_path / "mine.npz") in str(caught.value)


def test_files_that_are_no_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        load_arrays(tmp_path / "none.npz")
    for name in ("mine.npz", "mine.npy"):
        (tmp_path / name).write_bytes(b"text")
        with pytest.raises(ValueError, match="cannot be used"):
            load_arrays(tmp_path / name)


# Plausibility


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(1, "metres"), (1000, "millimetres"), (100, "centimetres"), (39.37, "inches"), (7, None)],
)
def test_units_are_guessed_by_the_length_of_thighs(factor, unit):
    positions = load_builtin().positions[::50] * factor
    assert unit_of(positions) == unit
    if unit != "metres":
        with pytest.raises(ValueError, match=unit or "a thigh|the bone"):
            check_skeleton(positions, "mine")


def test_every_built_in_clip_is_plausible():
    motion = load_builtin()
    for number in range(len(motion.clips)):
        check_skeleton(motion.positions[motion.clip == number], "built in")


def test_the_best_lens_is_found():
    points = generated.in_front(generated.clip("walk", 30))
    pixels = generated.pinhole(points, (800, 600), 700.0)
    assert lens_misfit(pixels, points) < 1e-9
    assert lens_misfit(pixels + np.array([30.0, 0]), points) < 1e-9
    assert lens_misfit(pixels[:, FLIP], points) > 10


# The commands


def arguments_of(name, folder):
    path = folder / name
    match name:
        case "h36m-npz":
            generated.write_h36m_npz(path, subjects=("S1", "S9"))
            return ["--keypoints", "cpn_ft_h36m_dbb"]
        case "h36m-json":
            generated.write_h36m_json(path, frames=6)
        case "mpi-inf-3dhp":
            generated.write_3dhp_p_stmo(path)
        case "arrays":
            generated.write_arrays(path.with_suffix(".npz"))
    return []


@pytest.mark.parametrize("name", ["h36m-npz", "h36m-json", "mpi-inf-3dhp", "arrays"])
def test_networks_train_and_are_evaluated_on_every_data_set(name, tmp_path, capsys):
    more = arguments_of(name, tmp_path)
    path = tmp_path / (f"{name}.npz" if name == "arrays" else name)
    data = ["--data", name, "--data-path", str(path), *more, "--device", "cpu"]
    network = ["--network", "mlp", "--channels", "4", "--epochs", "1"]
    main(["train", *network, *data, "--out", str(tmp_path / "run")])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["split"]["data"] == name
    assert metrics["split"]["train_clips"]
    assert metrics["split"]["test_clips"]
    main(["evaluate", str(tmp_path / "run" / "weights.safetensors"), *data])
    path = tmp_path / "run" / "weights.evaluation.json"
    assert json.loads(path.read_text())["scores"] == metrics["scores"]


def test_a_test_set_is_for_evaluation(published, tmp_path, capsys):
    data = ["--data", "mpi-inf-3dhp", "--data-path", str(published), "--device", "cpu"]
    with refused("mpi-inf-3dhp as found has test frames only"):
        main(["train", "--network", "mlp", *data, "--out", str(tmp_path)])
    quick = ["--network", "mlp", "--channels", "4", "--epochs", "1", "--train-every", "60"]
    main(["train", *quick, "--test-every", "60", "--device", "cpu", "--out", str(tmp_path)])
    weights = str(tmp_path / "weights.safetensors")
    main(["evaluate", weights, *data, "--protocol", "3dhp"])
    scores = json.loads((tmp_path / "weights.evaluation.json").read_text())["scores"]
    assert scores["samples"] == 16
    assert "TS6" in capsys.readouterr().out


def test_a_missing_path_says_what_is_expected():
    with refused("--data-path: the folder of VideoPose3D's data_3d_h36m"):
        main(["train", "--data", "h36m-npz"])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("h36m-npz", ["S1", "S9", "SittingDown", "55011271"]),
        ("h36m-json", ["S1", "S9", "SittingDown", "camera 4"]),
        ("mpi-inf-3dhp", ["TS6", "camera 4"]),
        ("arrays", ["Ann", "Ben", "camera 0"]),
    ],
)
def test_check_data_prints_what_is_found(name, found, tmp_path, capsys):
    more = arguments_of(name, tmp_path)
    path = tmp_path / (f"{name}.npz" if name == "arrays" else name)
    main(["check-data", "--data", name, "--data-path", str(path), *more])
    printed = capsys.readouterr().out
    assert printed.startswith(f"{name}: ")
    assert "17 joints, in metres" in printed
    for word in found:
        assert word in printed
    misfits = [line.split()[-2] for line in printed.splitlines() if line.endswith(" %")]
    assert misfits
    assert all(float(misfit) < 1 for misfit in misfits)


def test_check_data_says_what_is_wrong(h36m, tmp_path):
    (tmp_path / "data_3d_h36m.npz").write_bytes((h36m[0] / "data_3d_h36m.npz").read_bytes())
    change_3d(tmp_path, each(lambda p: p * 1000))
    with refused(r"millimetres .* divide them by 1000, metres are needed"):
        main(["check-data", "--data", "h36m-npz", "--data-path", str(tmp_path)])


def test_check_data_needs_no_real_cameras(capsys):
    main(["check-data"])
    assert "1,620 frames in 15 clips" in capsys.readouterr().out
