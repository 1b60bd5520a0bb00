"""Make ``data/motion.npz`` from DeepMimic's clips as the package pybullet ships them.

Needs ``pip install pybullet==3.2.7``, or the folder of its clips as the only argument.
Run from the repository: ``python -m examples.hgn_pose.bake.bake_motion [FOLDER]``.
"""

from __future__ import annotations

import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np

from examples.hgn_pose.bake.deepmimic import read_clip
from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.datasets.readers.builtin import MOTION_PATH
from examples.hgn_pose.files.archives import write_npz
from examples.hgn_pose.fitting.fitter import fit


def main() -> None:
    folder = Path(
        sys.argv[1] if len(sys.argv) > 1 else str(files("pybullet_data") / "data/motions")
    )
    paths = sorted(folder.glob("humanoid3d_*.txt"))
    names = [path.stem.removeprefix("humanoid3d_") for path in paths]
    clips, rates = zip(*(read_clip(path) for path in paths), strict=True)
    lengths = [len(clip) for clip in clips]
    positions = np.concatenate(clips).astype(np.float32)
    started = time.perf_counter()
    poses, error = fit(load_body(), positions, np.zeros(len(positions), np.int64), progress=True)
    seconds = time.perf_counter() - started
    arrays = {
        "positions_3d": positions,
        "clip": np.repeat(np.arange(len(clips), dtype=np.uint8), lengths),
        "clip_name": np.array(names),
        "clip_action": np.array([name.split("_")[0] for name in names]),
        "fps": np.array(rates),
        "fit_error": error,
    }
    write_npz(MOTION_PATH, {**arrays, **poses.arrays()})
    for name, clip_error in zip(names, np.split(error, np.cumsum(lengths)[:-1]), strict=True):
        print(f"{name:16} {len(clip_error):4} frames, {clip_error.mean():5.2f} mm")
    print(
        f"{len(positions)} frames in {len(clips)} clips; fitted in {seconds:.0f} s; error: mean "
        f"{error.mean():.2f}, median {np.median(error):.2f}, 95 % below "
        f"{np.quantile(error, 0.95):.2f}, worst {error.max():.2f} mm"
    )
    print(f"{MOTION_PATH.name}: {MOTION_PATH.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
