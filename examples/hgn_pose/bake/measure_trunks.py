"""Measure what ``lifting/mapping.py`` says of motion: ``TRUNKS`` and ``HUMAN36M_TRUNK``.

Run from the repository: ``python -m examples.hgn_pose.bake.measure_trunks [CMU17.NPZ]``. For cmu17
the body is fitted to every 200th frame first, which takes minutes.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.datasets.readers.cmu17 import load_cmu17
from examples.hgn_pose.fitting.fitted_motion import fit_motion
from examples.hgn_pose.lifting.framing import bone_length
from examples.hgn_pose.lifting.landmarks import LANDMARKS, landmark_positions
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.motion import Motion
from examples.hgn_pose.samples.gathering import gather


def main() -> None:
    motions = {"builtin": load_builtin()}
    if len(sys.argv) > 1:
        few = load_cmu17(sys.argv[1]).select(slice(0, None, 200))
        motions["cmu17"] = fit_motion(load_body(), few, cache=Path("runs/fits"), progress=True)
    for name, motion in motions.items():
        print(f"{name}: {len(motion)} frames")
        for line in measure(motion):
            print(f"  {line}")


def measure(motion: Motion) -> list[str]:
    """The figures of one motion, a line each, with the mean distance that they leave."""
    joint = dict(zip(JOINTS, np.moveaxis(motion.positions.astype(np.float64), 1, 0), strict=True))
    mark = dict(zip(LANDMARKS, np.moveaxis(landmark_positions(motion), 1, 0), strict=True))
    P, N = joint["Pelvis"], (joint["L_Shoulder"] + joint["R_Shoulder"]) / 2
    E, F = (mark["left_ear"] + mark["right_ear"]) / 2, mark["nose"]
    lines = [
        _line("torso", joint["Torso"] - P, N - P),
        _line("neck", joint["Neck"] - P, N - P),
        _line("nose", joint["Nose"] - N, E - N, F - E),
        _line("head", joint["Head"] - N, E - N, F - E),
        _line("crown", mark["crown"] - N, E - N, F - E),
    ]
    cameras, samples = ring_of_cameras(), gather(replace(motion, poses=None))
    everything = torch.arange(len(samples) * len(cameras))
    views = len(cameras)
    image = samples.batch(cameras, everything // views, everything % views).image.numpy()
    pelvis = image[:, 0, 1].mean()
    lines.append(f"bones {bone_length(image).mean():.3f}, pelvis {pelvis:.3f} half image widths")
    return lines


def _line(name: str, target: np.ndarray, *directions: np.ndarray) -> str:
    matrix = np.stack([direction.ravel() for direction in directions], axis=1)
    share = np.linalg.lstsq(matrix, target.ravel(), rcond=None)[0]
    rest = np.linalg.norm((target.ravel() - matrix @ share).reshape(-1, 3), axis=1).mean()
    return f"{name:6} {', '.join(f'{s:.3f}' for s in share)}  ({1000 * rest:.1f} mm left)"


if __name__ == "__main__":
    main()
