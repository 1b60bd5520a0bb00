"""The wild command: what networks lose when strangers hold the camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import nn

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_json
from examples.hgn_pose.lifting.framing import frame
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.viewing import PHONE
from examples.hgn_pose.measuring.comparison import load_for_comparison
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.measuring.wild import Views, level_views, wild_views
from examples.hgn_pose.motion.studio import FOCAL
from examples.hgn_pose.motion.turning import axes_towards, turned, turned_back
from examples.hgn_pose.network.facing import Facing
from examples.hgn_pose.network.weights import shipped_weights, weights_file


class Errors(NamedTuple):
    """Millimetres."""

    mpjpe: float
    pa_mpjpe: float

    def __str__(self) -> str:
        return f"{self.mpjpe:.1f} / {self.pa_mpjpe:.1f}"


@dataclass(frozen=True)
class Wild:
    """Show the test frames to random hand-held cameras, and measure networks on them."""

    weights: Annotated[tuple[Path, ...], tyro.conf.Positional] = field(
        default_factory=shipped_weights
    )
    """Files of weights that demo or train wrote, or the names studio, robust, lifter and video; by
    default all that come with the example."""
    detector: float = 5.0
    """Jitter of the 2D joints, pixels of the studio's images, with the confused limbs, missing and
    misplaced joints that go with it; as large as the person appears."""
    views: int = 4
    """Random cameras for every frame."""
    seed: int = 0
    """Of cameras and noise; every network sees the same."""
    flip_test: bool = False
    """Average every answer with the mirrored answer to the mirrored input."""
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/wild/wild.json")
    """JSON file to write."""

    def run(self) -> None:
        if self.views < 1:
            raise ValueError(f"views must be at least 1, got {self.views}")
        make_folder(self.out.parent)
        device = self.machine.prepare()
        paths = [weights_file(path) for path in self.weights]
        networks, prepared, data = load_for_comparison(paths, self.data, device, meshes=False)
        given = [path for path, one in zip(paths, networks, strict=True) if one.frames > 1]
        if given:
            raise ValueError(
                f"{given[0]} is of a network that is given clips, and held cameras show single "
                "frames; leave it out, or compare it with the command robustness"
            )
        level = level_views(prepared.test.single, prepared.cameras)
        wild = wild_views(prepared.test.single, self.views, self.seed)
        trunk = trunk_of(data.data)
        rows = {}
        for network in networks:
            rows[network.name] = self._measured(network.model, level, wild, trunk, device)
        print(
            f"MPJPE / PA-MPJPE in mm; {len(level.pose):,} samples in level cameras, "
            f"{len(wild.pose):,} in wild ones"
        )
        print(_table(rows))
        report = {
            "errors": {
                name: {column: value._asdict() for column, value in row.items()}
                for name, row in rows.items()
            },
            "detector_px": self.detector,
            "views": self.views,
            "seed": self.seed,
            "flip_test": self.flip_test,
            "weights": {n.name: path.name for n, path in zip(networks, paths, strict=True)},
            "data": data.data,
            "split": prepared.split,
            "machine": describe_machine(device),
        }
        write_json(self.out, report)
        print(f"wrote {self.out}")

    def _measured(
        self, model: nn.Module, level: Views, wild: Views, trunk: Trunk, device: torch.device
    ) -> dict[str, Errors]:
        """A row of the table."""
        facing = isinstance(model, Facing)

        def lifted(image: NDArray[np.float64]) -> NDArray[np.float32]:
            inputs = torch.from_numpy(image.astype(np.float32)).to(device)
            return answer(model, inputs, flip=self.flip_test)[0]

        def held(slopes: NDArray[np.float64]) -> NDArray[np.float32]:
            return lifted(FOCAL * slopes if facing else frame(slopes, (1, 1), "person", trunk))

        def faced(slopes: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float32]:
            axes = axes_towards(slopes[:, 0], down)
            return turned_back(held(turned(slopes, axes)), axes)

        noisy_level = level.detected(self.detector, self.seed)
        noisy = wild.detected(self.detector, self.seed + 1)
        return {
            "studio, exact": _errors(lifted(FOCAL * level.slopes), level),
            "studio": _errors(lifted(FOCAL * noisy_level), level),
            "wild": _errors(held(wild.taken_for(noisy, PHONE)), wild),
            "lens known": _errors(faced(noisy, np.array([0.0, 1.0, 0.0])), wild),
            "tilt known": _errors(faced(noisy, wild.down), wild),
        }


def _errors(pose: NDArray[np.floating], views: Views) -> Errors:
    return Errors(mpjpe(pose, views.pose), pa_mpjpe(pose, views.pose))


def _table(rows: dict[str, dict[str, Errors]]) -> str:
    columns = list(next(iter(rows.values())))
    head = ["network", *columns, "wild / studio", "lens known / studio"]
    body = []
    for name, row in rows.items():
        ratios = [row[column].mpjpe / row["studio"].mpjpe for column in ("wild", "lens known")]
        body.append([name, *map(str, row.values()), *(f"{ratio:.2f}" for ratio in ratios)])
    return aligned(head, body)
