"""Model files of bodies and regressors that are damaged or forged."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from generated_smpl import joint_regressor, smpl_arrays, write_smpl
from hostile import read_or_refuse, try_damages

from examples.hgn_pose.body.smpl_files import load_joint_regressor, load_smpl


def test_archives_of_bodies(tmp_path):
    path = write_smpl(tmp_path / "body.npz")
    try_damages(path, lambda: load_smpl(path), most=15)


def test_pickled_bodies(tmp_path):
    path = tmp_path / "body.pkl"
    arrays = {**smpl_arrays(), "J_regressor": sp.csc_matrix(smpl_arrays()["J_regressor"])}
    path.write_bytes(pickle.dumps(arrays, 2))
    try_damages(path, lambda: load_smpl(path), most=15)


def test_regressors(tmp_path):
    body = load_smpl(write_smpl(tmp_path / "body.npz"))
    path = tmp_path / "joints.npy"
    np.save(path, joint_regressor())
    try_damages(path, lambda: load_joint_regressor(path, body))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_shape": (2**20, 2**20)}, "has 1099511627776 places"),
        ({"_shape": (2**400, 1)}, "J_regressor cannot be read"),
        ({"_shape": (-1, 900)}, "its shape = -1 must be at least 0"),
        ({"_shape": 7}, "J_regressor cannot be read"),
        ({"indices": "far"}, "J_regressor cannot be read"),
        ({"indices": None}, "J_regressor cannot be read"),
    ],
)
def test_sparse_matrices_say_nothing_of_other_memory(tmp_path, changes, reason):
    path = tmp_path / "body.pkl"
    matrix = sp.csc_matrix(smpl_arrays()["J_regressor"])
    for name, value in changes.items():
        if isinstance(value, str):
            value = np.full_like(matrix.indices, 2**30)
        matrix.__dict__[name] = value
    path.write_bytes(pickle.dumps({**smpl_arrays(), "J_regressor": matrix}))
    with pytest.raises(ValueError, match=reason) as caught:
        load_smpl(path)
    assert str(path) in str(caught.value)
    assert read_or_refuse(lambda: load_smpl(path), "body.pkl") is None
