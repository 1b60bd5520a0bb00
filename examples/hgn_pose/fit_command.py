"""The fit command: bodies for every frame of a motion, and how well they fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro

from examples.hgn_pose.archives import write_npz
from examples.hgn_pose.bodies import BodyOptions
from examples.hgn_pose.body_model import BodyModel
from examples.hgn_pose.files import make_folder, write_json
from examples.hgn_pose.fitting import fit
from examples.hgn_pose.machine import MachineOptions, describe, in_one_line
from examples.hgn_pose.poses import BodyPose
from examples.hgn_pose.recording import Recording
from examples.hgn_pose.samples import WORST_FIT, every_nth
from examples.hgn_pose.smpl import SmplBody
from examples.hgn_pose.task import DataOptions


@dataclass(frozen=True)
class FitFigures:
    """How well the body fits the frames of one performer, or of all."""

    performer: str
    frames: int
    mean_mm: float
    """Of the frames' errors, each the mean distance of the 17 joints."""
    median_mm: float
    p95_mm: float
    worst_mm: float
    refused: int
    """Frames with an error above 25 mm, which supervise no mesh."""
    ms_per_pose: float
    """Wall time, that for the performer's shape included."""

    @classmethod
    def of(cls, performer: str, error: np.ndarray, seconds: float) -> FitFigures:
        """The figures of frames with these errors, in millimetres."""
        median, p95 = np.quantile(error, [0.5, 0.95])
        return cls(
            performer=performer,
            frames=len(error),
            mean_mm=round(float(error.mean()), 2),
            median_mm=round(float(median), 2),
            p95_mm=round(float(p95), 2),
            worst_mm=round(float(error.max()), 2),
            refused=int((error > WORST_FIT).sum()),
            ms_per_pose=round(1000 * seconds / len(error), 2),
        )


@dataclass(frozen=True)
class Fit:
    """Fit bodies to all frames of a motion; print the errors by performer, and write both."""

    data: Literal["builtin", "cmu17", "h36m-npz", "h36m-json", "mpi-inf-3dhp", "arrays"] = "builtin"
    """builtin: the clips that come with the example; the others are files of yours, see
    --data-path: cmu17; Human3.6M as VideoPose3D's npz or as Pose2Mesh's and HGN's json;
    MPI-INF-3DHP; arrays of your own."""
    data_path: Path | None = None
    """The file or folder of the data set; for cmu17 by default what the environment variable
    MULTISCALE_GCN_CMU17 names."""
    body: Annotated[BodyOptions, tyro.conf.arg(name="")] = field(default_factory=BodyOptions)
    every: int = 1
    """Take every so many-th frame of every clip."""
    machine: Annotated[MachineOptions, tyro.conf.arg(name="")] = field(
        default_factory=MachineOptions
    )
    out: Path = Path("runs/fit")
    """Folder for bodies.npz, with SMPL's pose, shape and trans of every frame if it is fitted, and
    for fit.json."""

    def run(self) -> None:
        make_folder(self.out)
        device = self.machine.prepare()
        options = DataOptions(
            data=self.data, data_path=self.data_path, train_every=1, test_every=1, body=self.body
        )
        body = options.load_body()
        body.family()  # refuses bodies that cannot be fitted, before the data are read
        source = options.read()
        motion = source.motion if isinstance(source, Recording) else source
        motion = motion.select(every_nth(motion.clip, self.every))
        performer = np.array([clip.performer for clip in motion.clips])[motion.clip]
        poses, error, figures = fit_performers(body, motion.positions, performer, device)
        print(fit_table(figures))
        print(f"({in_one_line(describe(device))})")
        arrays = {"fit_error": error, "accepted": error <= WORST_FIT, "performer": performer}
        if isinstance(body, SmplBody):
            smpl = body.parameters(poses)
            arrays |= {"pose": smpl.pose, "shape": smpl.shape, "trans": smpl.translation}
        write_npz(self.out / "bodies.npz", {**poses.arrays(), **arrays, "clip": motion.clip})
        write_json(
            self.out / "fit.json",
            {
                "body": body.name,
                "figures": [asdict(row) for row in figures],
                "machine": describe(device),
            },
        )
        print(f"wrote {self.out}/bodies.npz and fit.json")


def fit_performers(
    body: BodyModel,
    positions: np.ndarray,  # [T, 17, 3]
    performer: np.ndarray,  # [T]
    device: torch.device,
) -> tuple[BodyPose, np.ndarray, list[FitFigures]]:
    """Fit one performer after the other, with the time that each took.

    Returns
    -------
    poses : BodyPose
        ``person`` counts the performers in ascending order.
    error : array of float32, shape (T,)
        Millimetres.
    figures : list of FitFigures
        Performer by performer, and all of them last.
    """
    performers, person = np.unique(performer, return_inverse=True)
    error = np.empty(len(positions), np.float32)
    parts: list[BodyPose] = []
    figures: list[FitFigures] = []
    total = 0.0
    for number, name in enumerate(performers):
        frames = np.flatnonzero(person == number)
        start = time.perf_counter()
        part, error[frames] = fit(
            body, positions[frames], np.zeros(len(frames), int), device=device, progress=True
        )
        seconds = time.perf_counter() - start
        total += seconds
        parts.append(part)
        figures.append(FitFigures.of(str(name), error[frames], seconds))
    figures.append(FitFigures.of("all", error, total))
    order = np.argsort(np.argsort(person, kind="stable"))
    poses = BodyPose(
        rotations=np.concatenate([part.rotations for part in parts])[order],
        translation=np.concatenate([part.translation for part in parts])[order],
        person=person,
        blend=np.concatenate([part.blend for part in parts]),
        scale=np.concatenate([part.scale for part in parts]),
    )
    return poses, error, figures


def fit_table(figures: Sequence[FitFigures]) -> str:
    """The figures as text, one line a performer."""
    lines = ["performer  frames  mean mm  median   95 %  worst  < 25 mm  ms a pose"]
    for row in figures:
        share = f"{100 * (1 - row.refused / row.frames):.2f} %"
        lines.append(
            f"{row.performer:>9}  {row.frames:6}  {row.mean_mm:7.2f}  {row.median_mm:6.2f} "
            f"{row.p95_mm:6.2f} {row.worst_mm:6.2f} {share:>8}  {row.ms_per_pose:9.2f}"
        )
    return "\n".join(lines)
