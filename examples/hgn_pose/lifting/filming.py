"""Files of 2D joints as detectors write them, made from the built-in motion, with the truth."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from examples.hgn_pose.body.coarse import MESH_SIZES, coarse_body
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.files.archives import write_npz
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.gaps import SEEN
from examples.hgn_pose.lifting.landmarks import LANDMARKS, landmark_positions
from examples.hgn_pose.lifting.prediction import Prediction, coarse_meshes
from examples.hgn_pose.motion.cameras import Cameras, ring_of_cameras
from examples.hgn_pose.motion.motion import Motion
from examples.hgn_pose.samples.gathering import clip_centres
from examples.hgn_pose.samples.mesh_targets import mesh_targets


@dataclass(frozen=True, eq=False)
class Film:
    """A clip of the built-in motion in front of one camera.

    Parameters
    ----------
    frame : array of int64, shape (T,)
    points : mapping of str to array of float32, shape (T, 2)
        Pixels of the 17 joints by our names, and of all points of the conventions by theirs.
    motion : Motion
        The clip.
    cameras : Cameras
    camera : int
        Which of them.
    fps : float
    """

    frame: np.ndarray
    points: Mapping[str, np.ndarray]
    motion: Motion
    cameras: Cameras
    camera: int
    fps: float

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.cameras.width, self.cameras.height

    def seen(
        self,
        world: np.ndarray,  # [T, N, 3]
    ) -> np.ndarray:  # [T, N, 3]
        """World points of the clip in the frame of the camera, metres."""
        centre = clip_centres(self.motion.positions, self.motion.clip)[:, None]
        points = torch.from_numpy((world - centre).astype(np.float32))
        which = torch.full((len(points),), self.camera)
        return self.cameras.to_camera(points, which).numpy()

    def in_convention(self, convention: str) -> np.ndarray:  # [T, K, 2]
        """The points of a convention, pixels; NaN for those of which the body has no place."""
        nowhere = np.full((len(self.frame), 2), np.nan, np.float32)
        names = CONVENTIONS[convention].points
        return np.stack([self.points.get(name, nowhere) for name in names], axis=1)


def film(clip: str, camera: int) -> Film:
    """Let one of the four cameras see a built-in clip.

    Shoulders, elbows, wrists, hips, knees and ankles are the joints of the motion, so every
    convention has them in the same place. Face, hands and feet are vertices of the fitted body.

    Parameters
    ----------
    clip : str
    camera : int

    Raises
    ------
    ValueError
        If there is no such clip or camera.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.filming import film
    >>> film("walk", 0).in_convention("body25").shape
    (39, 25, 2)
    """
    motion = load_builtin()
    names = [known.name for known in motion.clips]
    if clip not in names:
        raise ValueError(f"there is no clip {clip!r}; choose one of {', '.join(names)}")
    cameras = ring_of_cameras()
    if not 0 <= camera < len(cameras):
        raise ValueError(f"camera {camera} is none of 0 to {len(cameras) - 1}")
    number = names.index(clip)
    chosen = motion.select(motion.clip == number)
    made = Film(np.arange(len(chosen)), {}, chosen, cameras, camera, float(motion.fps[number]))
    world = {
        **dict(zip(JOINTS, np.moveaxis(chosen.positions, 1, 0), strict=True)),
        **dict(zip(LANDMARKS, np.moveaxis(landmark_positions(chosen), 1, 0), strict=True)),
    }
    for joint in JOINTS:
        plain = joint.replace("R_", "right_").replace("L_", "left_").lower()
        world.setdefault(plain, world[joint])
    world["upper_neck"] = world["Nose"]
    world["neck"] = (world["L_Shoulder"] + world["R_Shoulder"]) / 2
    pixels = cameras.project(torch.from_numpy(made.seen(np.stack(list(world.values()), axis=1))))
    points = dict(zip(world, np.moveaxis(pixels.numpy(), 1, 0), strict=True))
    return Film(made.frame, points, chosen, cameras, camera, made.fps)


def truth(film: Film) -> Prediction:
    """The true poses and coarse meshes of a film, in the form of a prediction."""
    body, hierarchy = coarse_body()
    restrictions = [
        hierarchy.restriction(0, hierarchy.level(size).index, "mean") for size in MESH_SIZES
    ]
    pose = film.seen(film.motion.positions)
    meshes = [film.seen(mesh) for mesh in mesh_targets(body, film.motion, restrictions)]
    shape = pose.shape[:2]
    return Prediction(
        frame=film.frame,
        image=film.in_convention("skeleton17"),
        confidence=np.ones(shape, np.float32),
        origin=np.full(shape, SEEN, np.uint8),
        pose=pose - pose[:, :1],
        meshes=coarse_meshes(body, hierarchy, [mesh - pose[:, :1] for mesh in meshes]),
        image_size=film.image_size,
        fps=film.fps,
        facts={"truth": "built-in motion"},
    )


def write_keypoints(path: Path, film: Film, convention: str) -> None:
    """Write a film's points as ``.json``, ``.csv`` or ``.npz``, whole or not at all.

    Raises
    ------
    ValueError
        For another ending.
    """
    points = film.in_convention(convention).astype(np.float64)
    known = CONVENTIONS[convention]
    if known.normalised:
        points = points / np.array(film.image_size)
    triples = np.concatenate([points, np.ones_like(points[..., :1])], axis=2).round(5)
    triples[~np.isfinite(points).all(axis=2)] = 0
    facts = {"convention": convention, "image_size": film.image_size, "fps": film.fps}
    if path.suffix == ".json":
        frames = [
            {"frame": int(number), "persons": [{"id": "0", "keypoints": joints.tolist()}]}
            for number, joints in zip(film.frame, triples, strict=True)
        ]
        write_bytes(path, json.dumps({**facts, "frames": frames}).encode())
    elif path.suffix == ".npz":
        write_npz(path, {"keypoints": triples, "frame": film.frame, **facts})
    elif path.suffix == ".csv":
        text = io.StringIO()
        table = csv.writer(text)
        columns = [f"{name}_{part}" for name in known.points for part in ("x", "y", "confidence")]
        table.writerow(["frame", "person", *columns])
        for number, joints in zip(film.frame, triples, strict=True):
            table.writerow([number, 0, *joints.ravel().tolist()])
        write_bytes(path, text.getvalue().encode())
    else:
        raise ValueError(f"{path} must end in .json, .csv or .npz")
