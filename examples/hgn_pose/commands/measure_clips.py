"""The measure-clips command: what lifting a clip as a clip is worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine, in_one_line
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_json
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.over_time.repair import repair
from examples.hgn_pose.lifting.over_time.steady import TimeOptions, steady
from examples.hgn_pose.lifting.over_time.trajectory import reprojected, trajectory
from examples.hgn_pose.lifting.viewing import ChosenFraming, ViewOptions
from examples.hgn_pose.measuring.clips import (
    SWAPPED,
    WRIST,
    Filmed,
    acceleration,
    filmed_clips,
    sides_swapped,
    sliding,
    wrist_off,
)
from examples.hgn_pose.measuring.metrics import MILLIMETRES, distances, mpjpe
from examples.hgn_pose.measuring.noise import Detector
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.network.weights import read_passport, weights_file

Lift = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MeasureClips:
    """Lift held-out clips frame by frame and as clips, exact and spoiled; print the errors."""

    weights: Path = Path("studio")
    """File of weights that demo or train wrote, or studio, lifter, video, clips or robust, those
    that come along."""
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    clips_every: int = 3
    """Take every so many-th held-out clip, each before one of the four cameras in turn."""
    frames: int = 400
    """Of each clip at most."""
    pixels: tuple[float, ...] = (3.0, 5.0)
    """Jitter of the detector noise, in pixels of an image 1,000 wide."""
    off: float = 0.25
    """By how much of the person's height the wrist is off."""
    framing: ChosenFraming = "auto"
    """As predict takes it."""
    time: Annotated[TimeOptions, Flat] = field(default_factory=TimeOptions)
    seed: int = 0
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/clips")
    """Folder for clips.json."""

    def run(self) -> None:
        if min(self.clips_every, self.frames - 2 * SWAPPED) < 1:
            raise ValueError(
                f"clips_every must be at least 1 and frames more than {2 * SWAPPED}, got "
                f"{self.clips_every} and {self.frames}"
            )
        self.time.validate()
        make_folder(self.out)
        device = self.machine.prepare()
        weights = weights_file(self.weights)
        data = self.data.settled(read_passport(weights).facts["data"])
        lifter = Lifter.load(weights, data.load_body(), device)
        random = np.random.default_rng(self.seed)
        sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for clip in filmed_clips(data.read(test_only=True).motion, self.clips_every, self.frames):
            if len(clip.pixels) < 2 * SWAPPED + 1:
                continue
            for name, pair in self._of_clip(clip, lifter, random).items():
                sums[name].append(pair)
        if not sums:
            raise ValueError(f"{data.data} has no held-out clip of {2 * SWAPPED + 1} frames")
        figures = {
            name: [round(float(value), 1) for value in np.mean(pairs, axis=0)]
            for name, pairs in sums.items()
        }
        count = len(next(iter(sums.values())))
        rows = [[name, *map(str, pair)] for name, pair in figures.items()]
        print(aligned([f"{count} clips of {data.data}", "frame by frame", "as a clip"], rows))
        print(f"({in_one_line(describe_machine(device))})")
        write_json(
            self.out / "clips.json",
            {"figures": figures, "clips": count, "machine": describe_machine(device)},
        )
        print(f"wrote {self.out}/clips.json")

    def _of_clip(
        self, clip: Filmed, lifter: Lifter, random: np.random.Generator
    ) -> dict[str, tuple[float, float]]:
        """Figures of both ways by name."""
        frame = np.arange(len(clip.pixels))
        middle = len(frame) // 2

        def alone(pixels: np.ndarray) -> np.ndarray:
            size = clip.image_size
            view = ViewOptions().read(size)
            time = frame / clip.fps
            return lifter.lift(
                pixels, size, self.framing, view, flip=True, meshes=False, time=time
            )[0]

        def together(pixels: np.ndarray) -> np.ndarray:
            joints = repair(frame, pixels, np.ones(pixels.shape[:2])).joints
            return steady(alone(joints), [], frame, clip.fps, self.time)[0]

        ways: tuple[Lift, Lift] = alone, together
        found: dict[str, list[float]] = defaultdict(list)
        off = wrist_off(clip.pixels, middle, self.off, random)
        swapped = sides_swapped(clip.pixels, middle)
        noisy = {pixels: Detector(pixels).spoil(clip.pixels, random) for pixels in self.pixels}
        rows = slice(middle, middle + SWAPPED)
        for lift in ways:
            clean = lift(clip.pixels)
            found["exact 2D: MPJPE, mm"].append(mpjpe(clean, clip.pose))
            found["exact 2D: acceleration, mm a frame squared"].append(acceleration(clean))
            moved = distances(lift(off), clean)[middle]
            found["one wrist off in one frame: it moves by, mm"].append(moved[WRIST])
            found[f"sides swapped for {SWAPPED} frames: their MPJPE, mm"].append(
                mpjpe(lift(swapped)[rows], clip.pose[rows])
            )
            if lift is alone:
                roots = reprojected(clean, clip.slopes, np.ones(clean.shape[:2]))
            else:
                weight = np.ones(clean.shape[:2])
                roots = trajectory(clean, clip.slopes, weight, clip.down, clip.fps)
            off_path = roots - clip.root
            off_path -= off_path.mean(axis=0)
            found["camera known: the root off its path, mm"].append(
                float(np.linalg.norm(off_path, axis=1).mean()) * MILLIMETRES
            )
            found["camera known: standing feet slide, mm a frame"].append(
                sliding(clean + roots[:, None], clip)
            )
            for pixels, joints in noisy.items():
                pose = lift(joints)
                found[f"detector noise of {pixels:g} px: MPJPE, mm"].append(mpjpe(pose, clip.pose))
                found[f"detector noise of {pixels:g} px: acceleration"].append(acceleration(pose))
        found["truth: acceleration"] = [acceleration(clip.pose)] * 2
        # No foot of a clip may ever stand.
        known = {name: values for name, values in found.items() if np.isfinite(values).all()}
        return {name: (values[0], values[1]) for name, values in known.items()}
