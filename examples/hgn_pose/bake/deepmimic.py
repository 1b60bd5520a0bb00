"""Read DeepMimic's clips and pose its humanoid, in the 17 joints of Human3.6M's order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

# Columns of a frame: duration, root position (3), then rotations: quaternions (w, x, y, z), and
# one angle for knees and elbows.
QUATERNIONS = {
    "root": 4,
    "chest": 8,
    "neck": 12,
    "right_hip": 16,
    "right_ankle": 21,
    "right_shoulder": 25,
    "left_hip": 30,
    "left_ankle": 35,
    "left_shoulder": 39,
}
ANGLES = {"right_knee": 20, "right_elbow": 29, "left_knee": 34, "left_elbow": 43}
NUM_COLUMNS = 44

# Parent and position of a joint in its parent, in the units of humanoid.urdf: x forward, y up,
# z to the right.
UNIT = 0.25  # metres
SKELETON: dict[str, tuple[str, tuple[float, float, float]]] = {
    "chest": ("root", (0.0, 0.944604, 0.0)),
    "neck": ("chest", (0.0, 0.895576, 0.0)),
    "right_hip": ("root", (0.0, 0.0, 0.339548)),
    "right_knee": ("right_hip", (0.0, -1.686184, 0.0)),
    "right_ankle": ("right_knee", (0.0, -1.63948, 0.0)),
    "right_shoulder": ("chest", (-0.0962, 0.974, 0.73244)),
    "right_elbow": ("right_shoulder", (0.0, -1.099152, 0.0)),
    "right_wrist": ("right_elbow", (0.0, -1.035788, 0.0)),
    "left_hip": ("root", (0.0, 0.0, -0.339548)),
    "left_knee": ("left_hip", (0.0, -1.686184, 0.0)),
    "left_ankle": ("left_knee", (0.0, -1.63948, 0.0)),
    "left_shoulder": ("chest", (-0.0962, 0.974, -0.73244)),
    "left_elbow": ("left_shoulder", (0.0, -1.099152, 0.0)),
    "left_wrist": ("left_elbow", (0.0, -1.035788, 0.0)),
    # The head is a sphere of radius 0.41 about (0, 0.7, 0) of the neck: centre and top.
    "nose": ("neck", (0.0, 0.7, 0.0)),
    "head": ("neck", (0.0, 1.11, 0.0)),
}
JOINTS = (
    "root",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "chest",
    "neck",
    "nose",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def read_clip(path: Path) -> tuple[np.ndarray, float]:
    """Joint positions (T, 17, 3) in metres with z up, and frames per second."""
    frames = np.array(json.loads(path.read_text())["Frames"], dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] != NUM_COLUMNS:
        raise ValueError(f"{path.name} has frames of shape {frames.shape}, expected (T, 44)")
    turns = {
        name: Rotation.from_quat(frames[:, [at + 1, at + 2, at + 3, at]])
        for name, at in QUATERNIONS.items()
    }
    hinge = np.array([0.0, 0.0, 1.0])
    for name, at in ANGLES.items():
        turns[name] = Rotation.from_rotvec(frames[:, at, None] * hinge)
    world = {"root": turns["root"]}
    positions = {"root": frames[:, 1:4]}
    for joint, (parent, offset) in SKELETON.items():
        positions[joint] = positions[parent] + world[parent].apply(UNIT * np.array(offset))
        world[joint] = world[parent] * turns[joint] if joint in turns else world[parent]
    joints = np.stack([positions[name] for name in JOINTS], 1)
    # The last frame's duration may be 0.
    return joints @ TO_Z_UP.T, float(1 / frames[0, 0])
