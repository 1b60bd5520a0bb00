"""What ``predict`` makes of real video that several calibrated cameras saw, beside the truth.

    python -m benchmarks.nn.real_views Calib.toml cam_01.json cam_02.json cam_03.json \
        --weights video clips --smooth 0 40 --middle 60

Run from a clone. Each file has the 2D joints of one person before the camera of that name;
Calib.toml is Pose2Sim's, with translations in metres. Nothing of the cameras is told to the
networks. Sides that a detector confused are not repaired but with --repair. The truth is
triangulated from all cameras, without what is far from the others in one of them, and as smooth as
predictions are. So it is no nearer than the detector.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import replace
from functools import reduce
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.lifting.gaps import Track
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.mapping import trunk_of
from examples.hgn_pose.lifting.over_time.standing import down_of_standing
from examples.hgn_pose.lifting.over_time.steady import TimeOptions, steady
from examples.hgn_pose.lifting.reading import KeypointOptions, read_person
from examples.hgn_pose.lifting.viewing import ViewOptions
from examples.hgn_pose.measuring.clips import acceleration
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.network.weights import weights_file

FAR = 0.015
"""Slope by which a joint may be off in a camera; beyond it the camera is left out for the joint."""


def triangulated(
    slopes: np.ndarray,  # [V, 2]
    cameras: np.ndarray,  # [V, 3, 4]
) -> np.ndarray:  # [3]
    """The point whose rays are nearest, from all cameras but at most one."""

    def solved(chosen: tuple[int, ...]) -> tuple[float, np.ndarray]:
        rows = [
            slopes[v, axis] * cameras[v, 2] - cameras[v, axis] for v in chosen for axis in (0, 1)
        ]
        point = np.linalg.svd(np.array(rows))[2][-1]
        seen = cameras[list(chosen)] @ point
        off = np.linalg.norm(seen[:, :2] / seen[:, 2:] - slopes[list(chosen)], axis=1)
        return float(off.max()), point[:3] / point[3]

    everybody = tuple(range(len(slopes)))
    off, point = solved(everybody)
    if off > FAR and len(everybody) > 3:
        off, point = min(
            (solved(chosen) for chosen in combinations(everybody, len(everybody) - 1)),
            key=lambda found: found[0],
        )
    return point


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calibration", type=Path)
    parser.add_argument("keypoints", type=Path, nargs="+")
    parser.add_argument("--weights", nargs="+", default=["studio", "video", "clips"])
    parser.add_argument("--smooth", type=float, nargs="+", default=[TimeOptions().smooth])
    parser.add_argument("--repair", action="store_true")
    parser.add_argument("--middle", type=int, help="lift so many frames in the middle alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    calibration = tomllib.loads(options.calibration.read_text())
    reading = KeypointOptions(threshold=0.0, repair=False)
    lifting = replace(reading, repair=options.repair)
    trunk = trunk_of("cmu17")
    tracks = {path.stem: read_person(path, reading, trunk) for path in options.keypoints}
    repaired = {path.stem: read_person(path, lifting, trunk) for path in options.keypoints}
    views = {name: ViewOptions(options.calibration, name).read((1, 1)) for name in tracks}
    rotations = {
        name: Rotation.from_rotvec(calibration[name]["rotation"]).as_matrix() for name in tracks
    }
    cameras = np.stack(
        [np.c_[rotations[name], calibration[name]["translation"]] for name in tracks]
    )
    frames = reduce(np.intersect1d, [person.track.frame for person in tracks.values()])
    rows = {name: np.searchsorted(p.track.frame, frames) for name, p in tracks.items()}
    slopes = np.stack(
        [views[name].slopes(p.track.joints[rows[name]]) for name, p in tracks.items()]
    )
    world = np.array(
        [[triangulated(slopes[:, t, j], cameras) for j in range(17)] for t in range(len(frames))]
    )
    fps = next(iter(tracks.values())).fps
    world = gaussian_filter1d(world, TimeOptions().smooth / 1000 * fps, axis=0)
    print("MPJPE and PA-MPJPE in mm; acceleration in mm a frame squared, of the truth in brackets")
    print(
        "camera     weights  smooth  MPJPE  PA-MPJPE  acceleration  down is off by, of who stands"
    )
    for name, person in repaired.items():
        shown = np.isin(frames, _middle(person.track, options.middle).frame)
        truth = (world[shown] - world[shown, :1]) @ rotations[name].T
        for weights in options.weights:
            lifter = Lifter.load(weights_file(Path(weights)), load_body(), torch.device("cpu"))
            size, track = person.image_size, _middle(person.track, options.middle)
            view = ViewOptions().read(size)  # nothing of the camera is told
            time = track.frame / person.fps
            lifted, _ = lifter.lift(
                track.joints, size, "auto", view, flip=True, meshes=False, time=time
            )
            for smooth in options.smooth:
                pose, _ = steady(lifted, [], track.frame, person.fps, TimeOptions(smooth))
                pose = pose[np.isin(track.frame, frames)]
                down = views[name].down
                stands = down_of_standing(pose) if lifter.facing else None
                tilts = [_angle(down, np.array([0.0, 1.0, 0.0])), _angle(down, stands)]
                print(
                    f"{name:10s} {weights:8s} {smooth:6g} {mpjpe(pose, truth):6.1f} "
                    f"{pa_mpjpe(pose, truth):9.1f} {acceleration(pose):7.1f} "
                    f"({acceleration(truth):.1f})  {', '.join(tilts)}",
                    flush=True,
                )


def _middle(track: Track, count: int | None) -> Track:
    """So many frames in the middle of a track, or all."""
    first = 0 if count is None else max(0, len(track) // 2 - count // 2)
    shown = slice(first, None if count is None else first + count)
    arrays = (track.frame, track.joints, track.confidence, track.origin)
    return Track(*(array[shown] for array in arrays))


def _angle(one: np.ndarray | None, other: np.ndarray | None) -> str:
    if one is None or other is None:
        return "-"
    return f"{np.rad2deg(np.arccos(np.clip(one @ other, -1, 1))):.0f} degrees"


if __name__ == "__main__":
    main()
