"""Every data set of the catalogue keeps what all of them must keep."""

from pathlib import Path

import generated
import numpy as np
import pytest
from dataset_checks import DataSetChecks

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS


class TestCmu17(DataSetChecks):
    name, fps, real_cameras = "cmu17", 40, False

    def write(self, folder):
        clips = [generated.clip("walk", 9), generated.clip("run", 9)]
        np.savez(
            folder / "cmu17.npz",
            positions_3d=np.concatenate(clips).astype(np.float32),
            clip=np.repeat([0, 1], 9),
            clip_subject=np.array([1, 7]),
            clip_name=np.array(["01_01", "07_01"]),
            clip_action=np.array(["walk", "run"]),
            joints=np.array(CMU17_JOINTS),
            fps=np.array(40),
        )
        return folder / "cmu17.npz"


class TestVideoPose3d(DataSetChecks):
    name, fps = "h36m-npz", 50

    def write(self, folder):
        generated.write_h36m_npz(folder, subjects=("S1", "S9"))
        for unread in ("cpn_ft_h36m_dbb", "sh_ft_h36m"):
            (folder / f"data_2d_h36m_{unread}.npz").unlink()
        return folder


class TestPose2Mesh(DataSetChecks):
    name, fps = "h36m-json", 50

    def write(self, folder):
        generated.write_h36m_json(folder)
        return folder


class TestPStmo(DataSetChecks):
    name, fps = "mpi-inf-3dhp", 25

    def write(self, folder):
        generated.write_3dhp_p_stmo(folder)
        return folder


class TestGraphMlp(DataSetChecks):
    name, fps = "mpi-inf-3dhp", 25

    def write(self, folder):
        generated.write_3dhp_graphmlp(folder)
        return folder


class TestArrays(DataSetChecks):
    name, fps = "arrays", 30

    def write(self, folder):
        generated.write_arrays(folder / "mine.npz")
        return folder / "mine.npz"


def test_every_data_set_with_files_is_checked():
    written = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for name, entry in CATALOGUE.items():
        if entry.expected:
            assert f'"{name}"' in written, f"no class of tests/hgn_pose/datasets is for {name}"


@pytest.mark.parametrize("command", ["train", "fit", "check-data"])
def test_help_lists_the_catalogue(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert ",".join(CATALOGUE) in shown
    for name, entry in CATALOGUE.items():
        assert f"{name}: {entry.what}" in shown
