"""The fit command: bodies for every frame of a motion, and how well they fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np

from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine, in_one_line
from examples.hgn_pose.datasets.options import DataName, DataOptions, DataPath
from examples.hgn_pose.files.archives import write_npz
from examples.hgn_pose.files.writing import make_folder, write_json
from examples.hgn_pose.fitting.fit_figures import fit_performers, fit_table
from examples.hgn_pose.motion.motion import WORST_FIT, every_nth


@dataclass(frozen=True)
class Fit:
    """Fit bodies to all frames of a motion; print the errors by performer, and write both."""

    data: DataName = "builtin"
    data_path: DataPath = None
    body: Annotated[BodyOptions, Flat] = field(default_factory=BodyOptions)
    every: int = 1
    """Take every so many-th frame of every clip."""
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
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
        body.shape_space()  # refuses bodies that cannot be fitted, before the data are read
        motion = options.read().motion
        motion = motion.select(every_nth(motion.clip, self.every))
        performer = np.array([clip.performer for clip in motion.clips])[motion.clip]
        poses, error, figures = fit_performers(body, motion.positions, performer, device)
        print(fit_table(figures))
        print(f"({in_one_line(describe_machine(device))})")
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
                "machine": describe_machine(device),
            },
        )
        print(f"wrote {self.out}/bodies.npz and fit.json")
