"""The data sets by name: how they are read, how densely they are sampled, what to mind.

This is the one place that knows them all: the choices and the help of ``--data``, ``check-data``
and the table in the documentation are made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from examples.hgn_pose.body.skeleton import JointPlaces
from examples.hgn_pose.datasets.arrays import load_arrays
from examples.hgn_pose.datasets.builtin import load_builtin
from examples.hgn_pose.datasets.cmu17 import CMU17_VARIABLE, load_cmu17
from examples.hgn_pose.datasets.h36m_json import load_h36m_json
from examples.hgn_pose.datasets.h36m_npz import load_h36m_npz
from examples.hgn_pose.datasets.mpi_inf_3dhp import load_mpi_inf_3dhp
from examples.hgn_pose.motion.footage import Footage


@dataclass(frozen=True)
class Request:
    """What is asked of a reader."""

    path: Path
    keypoints: str = "gt"
    true_size: bool = False
    train_every: int = 1
    test_every: int = 1
    test_only: bool = False
    """Whether the frames for training may be left out."""


@dataclass(frozen=True)
class DataSet:
    """One entry of the catalogue."""

    read: Callable[[Request], Footage]
    what: str
    """In a few words, for help and for tables."""
    expected: str
    """What --data-path must name; empty if there is no path."""
    joints: JointPlaces = "human36m17"
    """Where its ``Nose`` and ``Head`` are."""
    strides: tuple[int, int] = (1, 1)
    """Every so many-th frame for training and for the test, by default."""
    options: tuple[str, ...] = ()
    """Fields of :class:`Request` beside the path that make other inputs or targets of it."""
    variable: str = ""
    """The environment variable that names its path, if there is one."""
    notes: tuple[str, ...] = ()
    """What to keep in mind about its figures."""


CATALOGUE: dict[str, DataSet] = {
    "builtin": DataSet(
        lambda request: load_builtin(),
        what="15 clips that come with the example, seen by virtual cameras",
        expected="",
        joints="skeleton17",
        notes=(
            "Whole clips are held out. Three of the four test actions (jump, kick, walk) are not "
            "trained at all; the dance is another take than the one that is trained.",
            "All clips show one humanoid of 1.6 m on which motion capture was put, so the test "
            "says nothing about unseen bodies.",
        ),
    ),
    "cmu17": DataSet(
        lambda request: load_cmu17(request.path),
        what="CMU's motion capture as 17 joints, seen by virtual cameras",
        expected="the file cmu17.npz",
        joints="skeleton17",
        strides=(2, 8),
        variable=CMU17_VARIABLE,
        notes=(
            "Whole performers are held out, with all of their clips.",
            "The motion was obtained from mocap.cs.cmu.edu. The database was created with funding "
            "from NSF EIA-0196217.",
        ),
    ),
    "h36m-npz": DataSet(
        lambda request: load_h36m_npz(request.path, request.keypoints),
        what="Human3.6M, in the files of VideoPose3D and SemGCN",
        expected="the folder of VideoPose3D's data_3d_h36m.npz and data_2d_h36m_*.npz",
        options=("keypoints",),
        notes=("Human3.6M: subjects 9 and 11 are held out; the four cameras are real.",),
    ),
    "h36m-json": DataSet(
        lambda request: load_h36m_json(
            request.path,
            train_every=request.train_every,
            test_every=request.test_every,
            test_only=request.test_only,
        ),
        what="Human3.6M, in the files of Pose2Mesh and HGN",
        expected="the folder of Pose2Mesh's Human36M_subject*_data.json and their kin",
        strides=(5, 50),
        notes=(
            "Human3.6M: subjects 9 and 11 are held out; the four cameras are real, the 2D joints "
            "exact. S9's Greeting 2, SittingDown 2 and Waiting 1 are left out, as HGN does.",
        ),
    ),
    "mpi-inf-3dhp": DataSet(
        lambda request: load_mpi_inf_3dhp(request.path, true_size=request.true_size),
        what="MPI-INF-3DHP: the test set as published, or P-STMO's or GraphMLP's files",
        expected="the folder of MPI-INF-3DHP's test set, or of P-STMO's or GraphMLP's npz files",
        options=("true_size",),
        notes=("MPI-INF-3DHP: the sequences TS1 to TS6 are held out; the cameras are real.",),
    ),
    "arrays": DataSet(
        lambda request: load_arrays(request.path),
        what="17 joints of your own",
        expected="an .npz or .npy file of yours",
        notes=("The data are the user's own.",),
    ),
}
