"""Whatever file a command is given, it ends with one sentence that names it, and the status 2."""

import numpy as np
import pytest
from generated_smpl import write_smpl
from hostile import SCALE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import refused

from examples.hgn_pose.__main__ import main

CPU = ["--device", "cpu"]
TRAIN = "train --resume --network mlp --channels 1 --train-every 99 --test-every 99"
DATA = ["check-data", "--data"]
COMMANDS = {
    "w.safetensors": [
        ["evaluate", "FILE", *CPU],
        ["predict", "KEYPOINTS", "--weights", "FILE", "--out", "OUT", *CPU],
        ["robustness", "FILE", "--out", "OUT", *CPU],
        ["figures", "FILE", "FILE", "--out", "OUT", *CPU],
    ],
    "k.json": [["predict", "FILE", "--out", "OUT", *CPU]],
    **{
        f"k.{ending}": [["predict", "FILE", "--out", "OUT", *CPU]]
        for ending in ("csv", "tsv", "txt", "jsonl", "h5", "pickle")
    },
    "k.npz": [
        ["predict", "FILE", "--out", "OUT", *CPU],
        ["predict", "KEYPOINTS", "--truth", "FILE", "--out", "OUT", *CPU],
        ["view", "FILE"],
        [*DATA, "arrays", "--data-path", "FILE"],
        [*DATA, "cmu17", "--data-path", "FILE"],
        ["fit", "--body-model", "FILE", "--out", "OUT", *CPU],
    ],
    "data_3d_h36m.npz": [[*DATA, "h36m-npz", "--data-path", "FILE"]],
    "data_3d_3dhp.npz": [[*DATA, "mpi-inf-3dhp", "--data-path", "FILE"]],
    "data_test_3dhp.npz": [[*DATA, "mpi-inf-3dhp", "--data-path", "FILE"]],
    "TS1/annot_data.mat": [[*DATA, "mpi-inf-3dhp", "--data-path", "FOLDER"]],
    "Human36M_subject1_data.json": [[*DATA, "h36m-json", "--data-path", "FOLDER"]],
    "k.npy": [
        ["predict", "FILE", "--out", "OUT", *CPU],
        [*DATA, "arrays", "--data-path", "FILE"],
        ["fit", "--body-model", "BODY", "--joint-regressor", "FILE", "--out", "OUT", *CPU],
    ],
    "k.pkl": [
        ["predict", "FILE", "--out", "OUT", *CPU],
        ["fit", "--body-model", "FILE", "--out", "OUT", *CPU],
    ],
    "07_01.bvh": [["build-cmu17", "FOLDER", "--out", "OUT/cmu17.npz"]],
    "07_01.amc": [["build-cmu17", "FOLDER", "--out", "OUT/cmu17.npz"]],
    "a.csv": [["build-cmu17", "FOLDER", "--actions", "FILE", "--out", "OUT/cmu17.npz"]],
    "state.safetensors": [
        [*TRAIN.split(), "--out", "FOLDER", *CPU],
    ],
}
CONTENTS = [
    b"", b"\x00" * 100, b"{}", b"[]", b"7", b"[" * 9999, b"frame,joint,x,y\n0,2000000000,1,2",
    "frame,joint,x,y".encode("utf-16"), b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00",
    b"\x89HDF\r\n\x1a\n", b"HIERARCHY MOTION Frames: 1 Frame Time: 0", b"]r\xff\xff\xff\x7f.",
]  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    main(["sample", "--out", str(folder / "keypoints.json")])
    np.save(folder / "other.npy", np.zeros(3))
    return {
        "KEYPOINTS": str(folder / "keypoints.json"),
        "BODY": str(write_smpl(folder / "body.npz")),
        "OUT": str(folder / "out"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_no_file_ends_in_a_traceback(name, places, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    words = {**places, "FILE": str(path), "FOLDER": str(tmp_path)}

    def attempt(content):
        path.write_bytes(content)
        for command in COMMANDS[name]:
            with refused(tmp_path.name) as refusal:
                main([words.get(word, word.replace("OUT", words["OUT"])) for word in command])
            assert "\n" not in refusal.message.rstrip()

    @settings(
        max_examples=3 * SCALE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=200))
    def fuzz(content):
        attempt(content)

    for content in CONTENTS:
        attempt(content)
    fuzz()
