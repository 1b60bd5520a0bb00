"""No file of a data set, damaged in whatever way, ends in anything but one sentence."""

import json
import re

import generated
import h5py
import numpy as np
import pytest
from hostile import read_or_refuse, try_damages
from test_mocap import write_amc, write_asf, write_bvh

from examples.hgn_pose.datasets.cmu17_from_mocap import build, read_actions
from examples.hgn_pose.datasets.mocap import read_amc, read_asf, read_bvh
from examples.hgn_pose.datasets.readers.arrays import load_arrays
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS, load_cmu17
from examples.hgn_pose.datasets.readers.h36m_json import load_h36m_json
from examples.hgn_pose.datasets.readers.h36m_npz import load_h36m_npz
from examples.hgn_pose.datasets.readers.mpi_inf_3dhp import load_mpi_inf_3dhp


def cmu17(folder):
    np.savez_compressed(
        folder / "cmu17.npz",
        positions_3d=generated.clip("walk", 4).astype(np.float32),
        clip=np.zeros(4, np.int16),
        clip_subject=np.array([7]),
        clip_name=np.array(["07_01"]),
        clip_action=np.array(["walk"]),
        joints=np.array(CMU17_JOINTS),
        fps=np.array(40),
    )


def acclaim(folder):
    write_asf(folder / "07.asf")
    write_amc(folder / "07_01.amc", [{}, {"lfemur": [10, 20, 30]}])


CASES = {
    "arrays": (lambda d: generated.write_arrays(d / "mine.npz"), "mine.npz", load_arrays),
    "npy": (
        lambda d: np.save(d / "mine.npy", generated.clip("walk", 4)),
        "mine.npy",
        load_arrays,
    ),
    "cmu17": (cmu17, "cmu17.npz", load_cmu17),
    "asf": (acclaim, "07.asf", read_asf),
    "amc": (
        acclaim,
        "07_01.amc",
        lambda path: read_amc(path, read_asf(path.with_name("07.asf"))),
    ),
    "bvh": (lambda d: write_bvh(d / "1_1.bvh", [{}, {4: 90.0}]), "1_1.bvh", read_bvh),
    "actions": (
        lambda d: (d / "a.csv").write_text("07_01,walk\n07_02,run\n"),
        "a.csv",
        read_actions,
    ),
    "folder of acclaim": (acclaim, "07_01.amc", lambda path: build(path.parent)),
}


@pytest.mark.parametrize("case", CASES)
def test_single_files(case, tmp_path):
    write, name, read = CASES[case]
    write(tmp_path)
    path = tmp_path / name
    try_damages(path, lambda: read(path))


@pytest.mark.parametrize(
    ("write", "name", "read"),
    [
        (generated.write_h36m_npz, "data_3d_h36m.npz", load_h36m_npz),
        (
            generated.write_h36m_npz,
            "data_2d_h36m_sh_ft_h36m.npz",
            lambda folder: load_h36m_npz(folder, "sh_ft_h36m"),
        ),
        (generated.write_h36m_json, "Human36M_subject9_data.json", load_h36m_json),
        (generated.write_h36m_json, "Human36M_subject9_camera.json", load_h36m_json),
        (generated.write_h36m_json, "Human36M_subject9_joint_3d.json", load_h36m_json),
        (generated.write_h36m_json, "Human36M_subject9_smpl_param.json", load_h36m_json),
        (generated.write_3dhp_published, "TS1/annot_data.mat", load_mpi_inf_3dhp),
        (generated.write_3dhp_p_stmo, "data_test_3dhp.npz", load_mpi_inf_3dhp),
        (generated.write_3dhp_p_stmo, "data_train_3dhp.npz", load_mpi_inf_3dhp),
        (generated.write_3dhp_graphmlp, "data_3d_3dhp.npz", load_mpi_inf_3dhp),
        (generated.write_3dhp_graphmlp, "data_2d_3dhp.npz", load_mpi_inf_3dhp),
    ],
)
def test_folders(write, name, read, tmp_path):
    write(tmp_path, frames=3)
    try_damages(tmp_path / name, lambda: read(tmp_path), most=20)


@pytest.mark.parametrize("number", [2**62, 2**63 - 1, 2_000_000_000, 50_000])
def test_no_clip_takes_a_table_of_all_before_it(number, tmp_path):
    path = tmp_path / "mine.npz"
    generated.write_arrays(path, clip=np.repeat([0, number], 9))
    with pytest.raises(ValueError, match=rf"clip\[9\] = {number}, and 18 frames have at most"):
        load_arrays(path)
    assert read_or_refuse(lambda: load_arrays(path), "mine.npz") is None


def test_clips_may_have_holes(tmp_path):
    path = tmp_path / "mine.npz"
    names = {"clip_name": None, "clip_action": None, "clip_subject": None, "clip_test": None}
    generated.write_arrays(path, clip=np.repeat([7, 5000], 9), **names)
    assert len(load_arrays(path).motion) == 18


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"positions_2d": np.zeros((0, 18, 17, 2))}, "of 0 cameras"),
        ({"positions_2d": np.full((18, 17, 2), "7")}, "positions_2d is <U1"),
        ({"image_size": np.array([0, 480])}, "image_size is .* expected positive"),
        ({"image_size": np.array([np.inf, 480])}, "image_size is .* expected positive"),
        ({"image_size": np.array(["a", "b"])}, "image_size is .* expected positive"),
        ({"fps": np.array(np.inf)}, "expected one positive number"),
        ({"positions_3d": np.full((18, 17, 3), 1e300)}, "mine.npz"),
    ],
)
def test_numbers_that_no_camera_has_are_refused(changes, reason, tmp_path):
    path = tmp_path / "mine.npz"
    generated.write_arrays(path, **changes)
    with pytest.raises(ValueError, match=reason):
        load_arrays(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (r"Frame Time: \S+", "Frame Time: 0", "Frame Time = 0.0 must be positive"),
        (r"Frame Time: \S+", "Frame Time: -1", "Frame Time = -1.0 must be positive"),
        (r"Frame Time: \S+", "Frame Time: nan", "'nan' is no finite number"),
        (r"Frame Time: \S+", "Frame Time: 1e400", "'1e400' is no finite number"),
        (r"Frames: \d+", f"Frames: {'9' * 400}", "frames of 51 channels need"),
        (r"Frames: \d+", f"Frames: {'9' * 5000}", "a number in it is too large"),
        (r"CHANNELS \d( [XYZ]\w+)+", "CHANNELS 0", "have 0 channels together"),
        (r"JOINT neck", "JOINT chest", "there are two joints 'chest'"),
        (r"OFFSET 0 4 0", "OFFSET 0 inf 0", "'inf' is no finite number"),
    ],
)
def test_bvh_files_that_no_person_moved(old, new, reason, tmp_path):
    path = tmp_path / "1_1.bvh"
    write_bvh(path, [{}, {4: 90.0}])
    path.write_text(re.sub(old, new, path.read_text()))
    with pytest.raises(ValueError, match=reason) as caught:
        read_bvh(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("length 0.45", "length 0", "length = 0.0 must be positive"),
        ("length 7.2", "length nan", "'nan' is no finite number"),
        ("name ltibia", "name lfemur", "two bones 'lfemur'"),
        ("lfemur ltibia", "lfemur ltibia ltibia", "names 'ltibia' twice"),
    ],
)
def test_asf_files_of_no_person(old, new, reason, tmp_path):
    acclaim(tmp_path)
    path = tmp_path / "07.asf"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=reason):
        read_asf(path)


def hollow(file):
    file.create_dataset("annot2", shape=(2**40, 17, 2), chunks=(1024, 17, 2), dtype="f8")


def linked(file):
    file["annot2"] = h5py.ExternalLink("/etc/passwd", "/")


def elsewhere(file):
    file.create_dataset("annot2", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def texts(file):
    file["annot2"] = ["a", "b"]


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (hollow, "annot2 claims the shape .* more than the file can hold"),
        (linked, "annot2"),
        (elsewhere, "annot2"),
        (texts, "annot2 is no array of numbers"),
        (lambda file: file.create_group("annot2"), "annot2 is no array of numbers"),
    ],
)
def test_mat_files_hold_what_they_say(write, reason, tmp_path):
    generated.write_3dhp_published(tmp_path)
    path = tmp_path / "TS1" / "annot_data.mat"
    with h5py.File(path, "a") as file:
        del file["annot2"]
        write(file)
    with pytest.raises(ValueError, match=reason):
        load_mpi_inf_3dhp(tmp_path)
    assert read_or_refuse(lambda: load_mpi_inf_3dhp(tmp_path), tmp_path.name) is None


@pytest.mark.parametrize("value", [10**400, -1, 1.5, True, None, "7", [], 2**31])
@pytest.mark.parametrize("name", ["frame_idx", "action_idx", "subaction_idx", "width", "cam_idx"])
def test_annotations_have_numbers_of_frames(name, value, tmp_path):
    generated.write_h36m_json(tmp_path, frames=3)
    path = tmp_path / "Human36M_subject9_data.json"
    content = json.loads(path.read_text())
    content["images"][0][name] = value
    path.write_text(json.dumps(content))
    assert read_or_refuse(lambda: load_h36m_json(tmp_path), tmp_path.name) is None
