"""Networks of clips and of single frames on video of any pace and length, with gaps.

    MULTISCALE_GCN_CMU17=cmu17.npz python -m benchmarks.nn.clip_paces --data cmu17

Run from a clone. Held-out clips are filmed at other paces than they were recorded at, by splines;
a detector errs for a while and anew in every frame, as in training. Then comes all that ``predict``
does, with nothing told of the camera. Every line is the mean over clips of their MPJPE.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.commands.machine import describe_machine, in_one_line
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.lifting.gaps import fill
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.over_time.repair import repair
from examples.hgn_pose.lifting.over_time.steady import TimeOptions, steady
from examples.hgn_pose.lifting.viewing import ViewOptions
from examples.hgn_pose.measuring.clips import Filmed, filmed_clips
from examples.hgn_pose.measuring.metrics import mpjpe
from examples.hgn_pose.network.weights import weights_file
from examples.hgn_pose.samples.detecting import draw_course, errors_at, over_time, spoiled

PACES = (1, 2, 5, 10, 15, 24, 25, 30, 60, 120)
"""Frames a second."""
LENGTHS = (1, 2, 3, 5, 10, 15, 30, 60)
"""Frames, of 30 a second."""
GAPS = (0.2, 0.5, 1.0)
"""Seconds out of every two without the person."""
SECONDS = 4.0
"""Of each clip, from its middle."""


def filmed_at(clip: Filmed, fps: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a clip at another pace: pixels and poses."""
    time = np.arange(len(clip.pixels)) / clip.fps
    count = max(round(min(seconds, time[-1]) * fps), 1)
    moments = time[-1] / 2 + (np.arange(count) - (count - 1) / 2) / fps
    return tuple(CubicSpline(time, values)(moments) for values in (clip.pixels, clip.pose))


def found(pixels: np.ndarray, fps: float, level: float, seed: int) -> np.ndarray:
    """What a detector makes of a track."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.tensor([level])
    half = len(pixels) // 2
    errors = over_time(
        errors_at(levels, generator),
        draw_course(levels, generator),
        torch.arange(-half, half + 1) / fps,
    )
    wrong = type(errors)(*(part[: len(pixels)] for part in errors))
    return spoiled(torch.from_numpy(pixels), wrong).numpy()


def error(
    lifter: Lifter,
    clip: Filmed,
    pixels: np.ndarray,
    pose: np.ndarray,
    fps: float,
    there: np.ndarray,
) -> float:
    """MPJPE of what ``predict`` makes of the frames that are there."""
    frame = np.flatnonzero(there)
    mended = repair(frame, pixels[frame], np.ones((len(frame), 17)))
    track = fill(frame, mended.joints, mended.confidence, max_gap=10, min_joints=12, drop=False)
    view = ViewOptions().read(clip.image_size)
    lifted, _ = lifter.lift(
        track.joints,
        clip.image_size,
        "auto",
        view,
        flip=False,
        meshes=False,
        time=track.frame / fps,
    )
    if mended.clip:
        lifted, _ = steady(lifted, [], track.frame, fps, TimeOptions())
    return mpjpe(lifted[np.isin(track.frame, frame)], pose[frame])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="cmu17")
    parser.add_argument("--weights", nargs="+", default=["video", "clips"])
    parser.add_argument("--detector", type=float, default=3.0, help="pixels of jitter")
    parser.add_argument("--clips-every", type=int, default=9)
    options = parser.parse_args()
    data = DataOptions(data=options.data)
    torch.set_num_threads(1)
    device = torch.device("cpu")
    lifters = [
        Lifter.load(weights_file(Path(weights)), load_body(), device) for weights in options.weights
    ]
    clips = list(filmed_clips(data.read(test_only=True).motion, options.clips_every, 10**6))
    conditions = [
        *((f"{fps} frames a second", fps, SECONDS, 0.0) for fps in PACES),
        *((f"{count} frames of 30 a second", 30, count / 30, 0.0) for count in LENGTHS),
        *((f"{gap} s of every 2 s missing, 30 a second", 30, SECONDS, gap) for gap in GAPS),
    ]
    print(
        f"{len(clips)} clips of {data.data}, {options.detector:g} px, MPJPE in mm of",
        ", ".join(options.weights),
    )
    for name, fps, seconds, gap in conditions:
        errors = []
        for seed, clip in enumerate(clips):
            pixels, pose = filmed_at(clip, fps, seconds)
            pixels = found(pixels, fps, options.detector, seed)
            there = (np.arange(len(pixels)) / fps + 1) % 2 >= gap
            errors.append([error(lifter, clip, pixels, pose, fps, there) for lifter in lifters])
        print(f"{name:45s}", *(f"{value:6.1f}" for value in np.mean(errors, axis=0)), flush=True)
    print(f"({in_one_line(describe_machine(device))})")


if __name__ == "__main__":
    main()
