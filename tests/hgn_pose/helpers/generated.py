"""Small files in the formats of published data sets, made of the motion that comes with us.

What is written here follows the descriptions of the formats, and shares no code with the readers.
"""

import json
from typing import Any

import h5py
import numpy as np

from examples.hgn_pose.datasets.h36m import CAMERAS_PATH
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS

OF_32 = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
WITHOUT_NOSE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16]
IMAGE_SIZES = [(1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)]
TAKES = ["Directions", "Directions 1", "Walking", "SittingDown 1"]


def clip(name, frames, start=0):
    """Some frames of a built-in clip, its start at the origin: [T, 17, 3] world metres."""
    motion = load_builtin()
    number = [c.name for c in motion.clips].index(name)
    positions = motion.positions[motion.clip == number][start : start + frames].astype(np.float64)
    positions[..., :2] -= positions[0, 0, :2]
    return positions


def takes(frames):
    """Positions of the four takes, the last one a frame shorter."""
    names = ["walk", "run", "dance_a", "kick"]
    return {
        take: clip(name, frames - (take == TAKES[-1]))
        for take, name in zip(TAKES, names, strict=True)
    }


def turned(quaternion, vector):
    """A vector turned by a quaternion (w, x, y, z), by the textbook."""
    w, x, y, z = quaternion
    axis = np.array([x, y, z])
    twice = 2 * np.cross(axis, vector)
    return vector + w * twice + np.cross(axis, twice)


def seen(point, lens, view):
    """A world point, metres, in the pixels of a camera of Human3.6M; one point at a time."""
    w, x, y, z = view["orientation"]
    moved = np.asarray(point) - np.array(view["position"]) / 1000
    X, Y, Z = turned((w, -x, -y, -z), moved)
    a, b = X / Z, Y / Z
    r2 = a * a + b * b
    k1, k2, k3 = lens["radial"]
    p1, p2 = lens["tangential"]
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * a + p2 * b
    u, v = a * factor + p1 * r2, b * factor + p2 * r2
    (fx, fy), (cx, cy) = lens["focal"], lens["centre"]
    return [fx * u + cx, fy * v + cy]


def calibration():
    return json.loads(CAMERAS_PATH.read_text())


def write_cmu17(path, performers=(1, 5, 9, 7, 61), frames=24):
    """A clip of each performer; whoever has the number k is lifted by k mm."""
    positions = clip("walk", frames)
    lifts = np.array(performers)[:, None, None, None] * [0, 0, 0.001]
    np.savez(
        path,
        positions_3d=np.concatenate(positions + lifts).astype(np.float32),
        clip=np.repeat(np.arange(len(performers)), frames),
        clip_subject=np.array(performers),
        clip_name=np.array([f"{k:02}_01" for k in performers]),
        clip_action=np.array([f"action {k % 4}" for k in performers]),
        joints=np.array(CMU17_JOINTS),
        fps=np.array(40.0),
    )
    return positions


def pixels_of(positions, subject):
    """What the four cameras of Human3.6M see: list of [T, 17, 2]."""
    stored = calibration()
    return [
        np.array([[seen(joint, lens, view) for joint in pose] for pose in positions], np.float32)
        for lens, view in zip(stored["lenses"], stored["views"][subject], strict=True)
    ]


def write_h36m_npz(folder, subjects=("S1", "S9", "S11"), frames=6, noise=3.0):
    """The files of VideoPose3D; detections are the truth with noise, two frames too long."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    positions: Any = {}
    true: Any = {}
    cpn: Any = {}
    sh: Any = {}
    for subject in subjects:
        positions[subject], true[subject], cpn[subject], sh[subject] = {}, {}, {}, {}
        for take, joints in takes(frames).items():
            of_32 = np.zeros((len(joints), 32, 3), np.float32)
            of_32[:, OF_32] = joints
            positions[subject][take] = of_32
            exact = pixels_of(joints, subject)
            true[subject][take] = exact
            noisy = [p + rng.normal(scale=noise, size=p.shape).astype(np.float32) for p in exact]
            cpn[subject][take] = [np.concatenate([p, p[-1:], p[-1:]]) for p in noisy]
            sh[subject][take] = [p[:, WITHOUT_NOSE] for p in noisy]
    metadata: Any = {
        "num_joints": 17,
        "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    }
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=positions)
    for name, detected in {"gt": true, "cpn_ft_h36m_dbb": cpn, "sh_ft_h36m": sh}.items():
        np.savez_compressed(
            folder / f"data_2d_h36m_{name}.npz", positions_2d=detected, metadata=metadata
        )
    return positions, true, cpn


def write_h36m_json(folder, subjects=(1, 9), frames=11, smpl=True, bodies=None):
    """The files of Pose2Mesh, of the actions 2 (two takes), 14 and 10; pinholes without bends.

    ``bodies`` gives joints and SMPL's parameters by take, in place of clips and mere numbers.
    """
    folder.mkdir(exist_ok=True)
    stored = calibration()
    numbers = {
        "Directions": (2, 1),
        "Directions 1": (2, 2),
        "Walking": (14, 1),
        "SittingDown 1": (10, 2),
    }
    for subject in subjects:
        images: list[Any] = []
        boxes: list[Any] = []
        joints: dict[str, Any] = {}
        parameters: dict[str, Any] = {}
        for take, positions in takes(frames).items():
            parameters_of = {}
            if bodies is not None:
                positions, fitted = bodies[take]
                parameters_of = {
                    str(t): {
                        "pose": fitted.pose[t].tolist(),
                        "shape": fitted.shape[t].tolist(),
                        "trans": fitted.translation[t].tolist(),
                    }
                    for t in range(len(positions))
                }
            action, part = (str(n) for n in numbers[take])
            joints.setdefault(action, {})[part] = {
                str(t): (1000 * pose).tolist() for t, pose in enumerate(positions)
            }
            parameters.setdefault(action, {})[part] = parameters_of or {
                str(t): {
                    "pose": [0.01 * t] * 72,
                    "shape": [4.0 if t == 5 else 0.5] * 10,
                    "trans": [0.1 * t, 0.0, 1.0],
                }
                for t in range(len(positions))
                if t != 10
            }
            for camera in range(4):
                width, height = IMAGE_SIZES[camera]
                for t in range(len(positions)):
                    images.append(
                        {
                            "id": len(images) + 10**7 * subject,
                            "file_name": f"s_{subject:02}_act_{action}_{t}.jpg",
                            "width": width,
                            "height": height,
                            "subject": subject,
                            "action_idx": int(action),
                            "subaction_idx": int(part),
                            "cam_idx": camera + 1,
                            "frame_idx": t,
                        }
                    )
                    boxes.append(
                        {"id": len(boxes), "image_id": images[-1]["id"], "bbox": [0, 0, 9, 9]}
                    )
        cameras = {}
        for camera, (lens, view) in enumerate(
            zip(stored["lenses"], stored["views"][f"S{subject}"], strict=True)
        ):
            w, x, y, z = view["orientation"]
            R = np.stack([turned((w, -x, -y, -z), e) for e in np.eye(3)], axis=1)
            t = -R @ np.array(view["position"])
            cameras[str(camera + 1)] = {
                "R": R.tolist(),
                "t": t.tolist(),
                "f": lens["focal"],
                "c": lens["centre"],
            }
        contents: dict[str, Any] = {
            "data": {"images": images, "annotations": boxes},
            "camera": cameras,
            "joint_3d": joints,
        }
        if smpl:
            contents["smpl_param"] = parameters
        for name, content in contents.items():
            (folder / f"Human36M_subject{subject}_{name}.json").write_text(json.dumps(content))


# Our joints of MPI-INF-3DHP's order: head top, neck, right and left arm, right and left leg,
# pelvis, spine, head.
TO_3DHP = [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9]


def in_front(positions, distance=4.0):
    """World positions in the frame of a level camera, metres: right, down, forward."""
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([x, 1.2 - z, y + distance], axis=-1)


def pinhole(points, size, focal=1500.0):
    return focal * points[..., :2] / points[..., 2:] + np.array(size) / 2


def sequences(frames):
    """Name, image size and camera-frame joints, metres, of two test sequences."""
    return [
        ("TS1", (2048, 2048), in_front(clip("walk", frames))),
        ("TS6", (1920, 1080), in_front(clip("kick", frames))),
    ]


def write_3dhp_published(folder, frames=9):
    """The test set as MATLAB writes it; frame 2 is not valid, the last third is activity 6."""
    for name, size, joints in sequences(frames):
        (folder / name).mkdir(parents=True, exist_ok=True)
        valid, activity = np.ones((frames, 1)), np.ones((frames, 1))
        valid[2] = 0
        activity[2 * frames // 3 :] = 6
        with h5py.File(folder / name / "annot_data.mat", "w") as file:
            file["annot2"] = pinhole(joints, size)[:, None, TO_3DHP]
            file["univ_annot3"] = 1000 * joints[:, None, TO_3DHP] * 0.9
            file["annot3"] = 1000 * joints[:, None, TO_3DHP]
            file["valid_frame"] = valid
            file["activity_annotation"] = activity


def write_3dhp_p_stmo(folder, frames=9):
    folder.mkdir(exist_ok=True)
    test: Any = {}
    for name, size, joints in sequences(frames):
        valid = np.ones(frames)
        valid[2] = 0
        test[name] = {
            "data_2d": pinhole(joints, size)[:, TO_3DHP],
            "data_3d": 1000 * joints[:, TO_3DHP],
            "valid": valid,
        }
    joints = in_front(clip("run", frames))
    take = {
        "data_2d": pinhole(joints, (2048, 2048))[:, TO_3DHP],
        "data_3d": 1000 * joints[:, TO_3DHP],
    }
    train: Any = {"S1 Seq1": [{"0": take, "4": take}, 25]}
    np.savez_compressed(folder / "data_test_3dhp.npz", data=test)
    np.savez_compressed(folder / "data_train_3dhp.npz", data=train)


def write_3dhp_graphmlp(folder, frames=9):
    folder.mkdir(exist_ok=True)
    positions: Any = {}
    pixels: Any = {}
    for name, size, joints in sequences(frames):
        positions[name] = {"Seq1": [joints.astype(np.float32)]}
        pixels[name] = {"Seq1": [pinhole(joints, size).astype(np.float32)]}
    joints = in_front(clip("run", frames))
    positions["S1"] = {"Seq1": [joints.astype(np.float32)] * 2}
    pixels["S1"] = {"Seq1": [pinhole(joints, (2048, 2048)).astype(np.float32)] * 2}
    np.savez_compressed(folder / "data_3d_3dhp.npz", positions_3d=positions)
    np.savez_compressed(folder / "data_2d_3dhp.npz", positions_2d=pixels)


def write_arrays(path, frames=9, **changes):
    """Two clips seen by one camera in whose frame they are."""
    joints = np.concatenate([in_front(clip("walk", frames)), in_front(clip("run", frames))])
    arrays = {
        "positions_3d": joints.astype(np.float32),
        "positions_2d": pinhole(joints, (640, 480), 500.0).astype(np.float32),
        "image_size": np.array([640, 480]),
        "clip": np.repeat([0, 1], frames),
        "clip_name": np.array(["walk", "run"]),
        "clip_action": np.array(["walk", "run"]),
        "clip_subject": np.array(["Ann", "Ben"]),
        "clip_test": np.array([False, True]),
        "fps": np.array(30),
    }
    arrays |= changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return arrays
