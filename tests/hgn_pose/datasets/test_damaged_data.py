"""No file of a data set, damaged in whatever way, ends in anything but one sentence."""

import generated
import numpy as np
import pytest
from hostile import try_damages
from test_mocap import write_amc, write_asf, write_bvh

from examples.hgn_pose.datasets.arrays import load_arrays
from examples.hgn_pose.datasets.cmu17 import CMU17_JOINTS, load_cmu17
from examples.hgn_pose.datasets.cmu17_from_mocap import build, read_actions
from examples.hgn_pose.datasets.h36m_json import load_h36m_json
from examples.hgn_pose.datasets.h36m_npz import load_h36m_npz
from examples.hgn_pose.datasets.mocap import read_amc, read_asf, read_bvh
from examples.hgn_pose.datasets.mpi_inf_3dhp import load_mpi_inf_3dhp


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
