"""The wild command: what networks lose when strangers hold the camera."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
from examples.hgn_pose.lifting.framing import frame_clips
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.viewing import PHONE
from examples.hgn_pose.measuring.comparison import load_for_comparison
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.measuring.wild import Views, level_views, wild_views
from examples.hgn_pose.measuring.wild_clips import WildClips
from examples.hgn_pose.motion.studio import FOCAL
from examples.hgn_pose.motion.turning import axes_towards, turned, turned_back
from examples.hgn_pose.network.facing import Facing
from examples.hgn_pose.network.weights import shipped_weights, weights_file
from examples.hgn_pose.samples.clips import ClipSamples
from examples.hgn_pose.samples.inputs import Inputs
from examples.hgn_pose.samples.sample_set import SampleSet
from examples.hgn_pose.samples.samples import RecordedSamples


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
    """Files of weights that demo or train wrote, or the names studio, robust, lifter, video and
    clips; by default all that come with the example."""
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
        if given and isinstance(prepared.test.single, RecordedSamples):
            raise ValueError(
                f"{given[0]} is of a network that is given clips, and real cameras saw the frames "
                f"of {data.data} one by one; leave it out, or take cmu17"
            )
        level = level_views(prepared.test.single, prepared.cameras)
        wild = wild_views(prepared.test.single, self.views, self.seed)
        trunk = trunk_of(data.data)
        rows = {}
        for network in networks:
            samples = prepared.test.of_frames(network.frames, network.spacing)
            rows[network.name] = self._measured(
                network.model, samples.to("cpu"), level, wild, trunk, device
            )
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
        self,
        model: nn.Module,
        samples: SampleSet,
        level: Views,
        wild: Views,
        trunk: Trunk,
        device: torch.device,
    ) -> dict[str, Errors]:
        """A row of the table."""
        facing = isinstance(model, Facing)

        def asked(sight: Sight) -> Inputs:
            """The samples, each with the frames around it where the network is given them."""

            def ask(slopes: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.floating]:
                slopes = sight.turned(slopes, chosen)
                if facing or not sight.framed:
                    return FOCAL * slopes
                return frame_clips(slopes, (1, 1), "person", trunk)

            if isinstance(samples, ClipSamples):
                return WildClips(
                    sight.views, samples, sight.found, sight.pixels, sight.seed, ask, device
                )
            everything = np.arange(len(sight.found))
            image = ask(sight.found[:, None], everything)[:, 0]
            return torch.from_numpy(image.astype(np.float32)).to(device)

        def errors(sight: Sight) -> Errors:
            pose = answer(model, asked(sight), flip=self.flip_test)[0]
            if sight.axes is not None:
                pose = turned_back(pose, sight.axes)
            true = sight.views.pose
            return Errors(mpjpe(pose, true), pa_mpjpe(pose, true))

        exact = Sight(level, level.slopes, 0.0, 0)
        studio = exact.detected(self.detector, self.seed)
        held = Sight(wild, wild.slopes, 0.0, 0, framed=True).detected(self.detector, self.seed + 1)
        return {
            "studio, exact": errors(exact),
            "studio": errors(studio),
            "wild": errors(replace(held, stretched=wild.stretched(PHONE))),
            "lens known": errors(held.faced(np.array([0.0, 1.0, 0.0]))),
            "tilt known": errors(held.faced(wild.down)),
        }


@dataclass(frozen=True, eq=False)
class Sight:
    """What is shown of some views, and what is known of their cameras."""

    views: Views
    found: NDArray[np.float64]  # [S, 17, 2] slopes as the detector finds them
    pixels: float
    seed: int
    framed: bool = False
    """Whether networks of the studio are shown the person in the middle of the image."""
    stretched: NDArray[np.float64] | None = None  # [S] times as large as they are
    axes: NDArray[np.float64] | None = None  # [S, 3, 3] that cameras are turned to

    def detected(self, pixels: float, seed: int) -> Sight:
        """The same with a detector's errors."""
        found = self.views.detected(pixels, seed)
        return replace(self, found=found, pixels=pixels, seed=seed)

    def faced(self, down: NDArray[np.float64]) -> Sight:
        """The same before cameras that turn to the pelvis, as it was found."""
        return replace(self, axes=axes_towards(self.found[:, 0], down))

    def turned(
        self,
        slopes: NDArray[np.float64],  # [B, T, 17, 2]
        chosen: NDArray[np.int64],  # [B] of the S
    ) -> NDArray[np.float64]:  # [B, T, 17, 2]
        """What slopes are taken for, before the turned camera: one turn for all T."""
        if self.stretched is not None:
            slopes = slopes * self.stretched[chosen, None, None, None]
        if self.axes is not None:
            flat = slopes.reshape(len(slopes), -1, 2)
            slopes = turned(flat, self.axes[chosen]).reshape(slopes.shape)
        return slopes


def _table(rows: dict[str, dict[str, Errors]]) -> str:
    columns = list(next(iter(rows.values())))
    head = ["network", *columns, "wild / studio", "lens known / studio"]
    body = []
    for name, row in rows.items():
        ratios = [row[column].mpjpe / row["studio"].mpjpe for column in ("wild", "lens known")]
        body.append([name, *map(str, row.values()), *(f"{ratio:.2f}" for ratio in ratios)])
    return aligned(head, body)
